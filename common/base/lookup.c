#include "config.h"

#include "common/base/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

/* Shared by who asks and the thread that looks it up; whoever lets go last frees it. */
struct lookup {
	pthread_mutex_t lock; /* over the rest */
	unsigned holders;
	int fd; /* an eventfd: it is done */
	char *name, port[8];
	int flags;
	int rc;
	struct addrinfo *found;
};

/* With the lock held. */
static void
lookup_drop(struct lookup *l)
{
	unsigned left = --l->holders;

	pthread_mutex_unlock(&l->lock);
	if (left > 0)
		return;
	pthread_mutex_destroy(&l->lock);
	if (l->found != NULL)
		freeaddrinfo(l->found);
	close(l->fd);
	free(l->name);
	free(l);
}

static int
look_up(const struct lookup *l, int more, struct addrinfo **found)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = l->flags | more,
	};

	return (getaddrinfo(l->name, l->port, &hints, found));
}

static void *
lookup_thread(void *arg)
{
	struct lookup *l = arg;
	struct addrinfo *found = NULL;
	int rc = look_up(l, 0, &found);

	pthread_mutex_lock(&l->lock);
	l->rc = rc;
	l->found = rc == 0 ? found : NULL;
	(void)eventfd_write(l->fd, 1);
	lookup_drop(l);
	return (NULL);
}

/* What is no address is asked for; without a thread it is done, and may be tried again. */
static void
ask_others(struct lookup *l)
{
	pthread_t thread;

	l->rc = EAI_AGAIN;
	pthread_mutex_lock(&l->lock);
	if (pthread_create(&thread, NULL, lookup_thread, l) == 0) {
		pthread_detach(thread);
		l->holders++;
	} else
		(void)eventfd_write(l->fd, 1);
	pthread_mutex_unlock(&l->lock);
}

struct lookup *
lookup_new(const char *name, unsigned port, int flags)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct lookup *l;

	if (fd == -1)
		return (NULL);
	l = xcalloc(1, sizeof(*l));
	pthread_mutex_init(&l->lock, NULL);
	l->holders = 1;
	l->fd = fd;
	l->name = xstrdup(name);
	snprintf(l->port, sizeof(l->port), "%u", port);
	l->flags = flags;
	l->rc = look_up(l, AI_NUMERICHOST, &l->found);
	if (l->rc == EAI_NONAME)
		ask_others(l);
	else
		(void)eventfd_write(l->fd, 1);
	return (l);
}

int
lookup_fd(const struct lookup *l)
{
	return (l->fd);
}

struct addrinfo *
lookup_take(struct lookup *l, const char **why)
{
	struct addrinfo *found;

	pthread_mutex_lock(&l->lock);
	found = l->found;
	l->found = NULL;
	if (found == NULL)
		*why = gai_strerror(l->rc);
	pthread_mutex_unlock(&l->lock);
	return (found);
}

void
lookup_free(struct lookup *l)
{
	if (l == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	lookup_drop(l);
}

static void
wait_until_done(const struct lookup *l, uint64_t until)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	uint64_t now;

	while ((now = mono_us()) < until && poll(&p, 1, (int)((until - now + 999) / 1000)) == -1 &&
	    errno == EINTR)
		continue;
}

struct addrinfo *
lookup_host(const char *name, int flags, uint64_t until)
{
	struct lookup *l = lookup_new(name, 0, flags);
	struct addrinfo *found;
	const char *why;

	if (l == NULL)
		return (NULL);
	wait_until_done(l, until);
	found = lookup_take(l, &why);
	lookup_free(l);
	return (found);
}
