#include "config.h"

#include "leafd/link/resolve.h"

#include <event2/event.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"

/* Shared by the thread that asks and the loop; whoever lets go last frees it. */
struct resolve_question {
	pthread_mutex_t lock; /* over the rest */
	unsigned holders;
	char *host, port[8];
	struct addrinfo *list;
	int rc;
	int wake; /* the thread writes to it when it is done */
};

struct resolve {
	struct resolve_question *q;
	struct event *ev;
	int wait; /* the other end of q->wake */
	void (*cb)(struct addrinfo *list, const char *why, void *arg);
	void *arg;
};

static void
question_drop(struct resolve_question *q)
{
	unsigned left;

	pthread_mutex_lock(&q->lock);
	left = --q->holders;
	pthread_mutex_unlock(&q->lock);
	if (left > 0)
		return;
	pthread_mutex_destroy(&q->lock);
	if (q->list != NULL)
		freeaddrinfo(q->list);
	close(q->wake);
	free(q->host);
	free(q);
}

static int
look_up(struct resolve_question *q, int flags, struct addrinfo **list)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };

	return (getaddrinfo(q->host, q->port, &hints, list));
}

static void *
resolve_thread(void *arg)
{
	struct resolve_question *q = arg;
	struct addrinfo *list = NULL;
	int rc = look_up(q, 0, &list);

	pthread_mutex_lock(&q->lock);
	q->rc = rc;
	q->list = rc == 0 ? list : NULL;
	pthread_mutex_unlock(&q->lock);
	if (write(q->wake, "", 1) == -1)
		log_debug("link: nobody waits for the address of %s", q->host);
	question_drop(q);
	return (NULL);
}

static void
resolve_done_cb(evutil_socket_t fd, short what, void *arg)
{
	struct resolve *r = arg;
	void (*cb)(struct addrinfo *, const char *, void *) = r->cb;
	void *cb_arg = r->arg;
	struct addrinfo *list;
	int rc;

	pthread_mutex_lock(&r->q->lock);
	list = r->q->list;
	rc = r->q->rc;
	r->q->list = NULL;
	pthread_mutex_unlock(&r->q->lock);
	resolve_free(r);
	cb(list, list == NULL ? gai_strerror(rc) : NULL, cb_arg);
}

static int
start_thread(struct resolve_question *q)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, resolve_thread, q);
	pthread_attr_destroy(&attr);
	return (rc == 0 ? 0 : -1);
}

struct resolve *
resolve_new(struct event_base *base, const char *host, unsigned port,
    void (*cb)(struct addrinfo *list, const char *why, void *arg), void *arg)
{
	struct resolve *r = xcalloc(1, sizeof(*r));
	struct resolve_question *q = xcalloc(1, sizeof(*q));
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
		fatal("link: no socket pair");
	pthread_mutex_init(&q->lock, NULL);
	q->host = xstrdup(host);
	snprintf(q->port, sizeof(q->port), "%u", port);
	q->wake = fds[1];
	q->holders = 1;
	r->q = q;
	r->wait = fds[0];
	r->cb = cb;
	r->arg = arg;
	r->ev = event_new(base, r->wait, EV_READ, resolve_done_cb, r);
	if (r->ev == NULL)
		fatalx("link: no event");
	event_add(r->ev, NULL);
	/* What is an address needs nobody to be asked. */
	q->rc = look_up(q, AI_NUMERICHOST, &q->list);
	if (q->rc == EAI_NONAME) {
		q->holders = 2;
		if (start_thread(q) == 0)
			return (r);
		q->holders = 1;
		q->rc = EAI_AGAIN;
	}
	event_active(r->ev, EV_READ, 0);
	return (r);
}

void
resolve_free(struct resolve *r)
{
	if (r == NULL)
		return;
	event_free(r->ev);
	close(r->wait);
	question_drop(r->q);
	free(r);
}
