#include "config.h"

#include "common/base/post.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/base/log.h"
#include "common/base/mem.h"

struct post_item {
	struct post_item *next;
	void (*fn)(void *arg);
	void *arg;
};

struct post {
	pthread_mutex_t lock;
	struct post_item *head, **tail; /* under lock */
	struct post_item *batch;        /* taken out, being run */
	struct event *event;
	int fd;
	_Atomic int posting; /* threads within post(), which still use fd */
	int running, dead;
};

static void
post_drop(struct post_item *i)
{
	struct post_item *next;

	for (; i != NULL; i = next) {
		next = i->next;
		free(i);
	}
}

static void
post_run_cb(evutil_socket_t fd, short what, void *arg)
{
	struct post *p = arg;
	struct post_item *i;
	uint64_t n;

	if (read(fd, &n, sizeof n) == -1 && errno != EAGAIN && errno != EINTR)
		log_warn("post: read");
	pthread_mutex_lock(&p->lock);
	p->batch = p->head;
	p->head = NULL;
	p->tail = &p->head;
	pthread_mutex_unlock(&p->lock);

	p->running = 1;
	while ((i = p->batch) != NULL) {
		p->batch = i->next;
		i->fn(i->arg);
		free(i);
	}
	p->running = 0;
	if (p->dead)
		free(p);
}

struct post *
post_new(struct event_base *base)
{
	struct post *p = xcalloc(1, sizeof *p);

	pthread_mutex_init(&p->lock, NULL);
	p->tail = &p->head;
	if ((p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		fatal("eventfd");
	p->event = event_new(base, p->fd, EV_READ | EV_PERSIST, post_run_cb, p);
	if (p->event == NULL || event_add(p->event, NULL) == -1)
		fatalx("post: no event");
	return (p);
}

void
post_free(struct post *p)
{
	if (p == NULL)
		return;
	event_free(p->event);
	while (p->posting > 0)
		sched_yield();
	close(p->fd);
	post_drop(p->head);
	post_drop(p->batch);
	p->head = p->batch = NULL;
	pthread_mutex_destroy(&p->lock);
	/* From within one of its own functions the loop above still looks at it. */
	if (p->running)
		p->dead = 1;
	else
		free(p);
}

void
post(struct post *p, void (*fn)(void *arg), void *arg)
{
	struct post_item *i = xmalloc(sizeof *i);
	uint64_t one = 1;
	int was_empty;

	*i = (struct post_item){ .fn = fn, .arg = arg };
	p->posting++;
	pthread_mutex_lock(&p->lock);
	was_empty = p->head == NULL;
	*p->tail = i;
	p->tail = &i->next;
	pthread_mutex_unlock(&p->lock);
	/* Not under the lock, which is the first that who wakes up wants. */
	if (was_empty && write(p->fd, &one, sizeof one) == -1 && errno != EAGAIN)
		log_warn("post: write");
	p->posting--;
}
