#include "config.h"

#include "common/base/lookup.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/base/mem.h"

/* Shared by who waits and the thread that asks; whoever lets go last frees it. */
struct lookup {
	pthread_mutex_t lock; /* over the rest */
	pthread_cond_t done;
	unsigned holders;
	int is_done;
	char *name;
	struct addrinfo hints, *found;
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
	pthread_cond_destroy(&l->done);
	if (l->found != NULL)
		freeaddrinfo(l->found);
	free(l->name);
	free(l);
}

static void *
lookup_thread(void *arg)
{
	struct lookup *l = arg;
	struct addrinfo *found = NULL;
	int rc = getaddrinfo(l->name, NULL, &l->hints, &found);

	pthread_mutex_lock(&l->lock);
	l->found = rc == 0 ? found : NULL;
	l->is_done = 1;
	pthread_cond_signal(&l->done);
	lookup_drop(l);
	return (NULL);
}

static struct lookup *
lookup_new(const char *name, int flags)
{
	struct lookup *l = xcalloc(1, sizeof(*l));
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* as mono_us */
	pthread_cond_init(&l->done, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&l->lock, NULL);
	l->holders = 1;
	l->name = xstrdup(name);
	l->hints.ai_socktype = SOCK_STREAM;
	l->hints.ai_flags = flags;
	return (l);
}

struct addrinfo *
lookup_host(const char *name, int flags, uint64_t until)
{
	const struct timespec end = { (time_t)(until / 1000000), (long)(until % 1000000 * 1000) };
	struct lookup *l = lookup_new(name, flags);
	struct addrinfo *found;
	pthread_t thread;

	pthread_mutex_lock(&l->lock);
	if (pthread_create(&thread, NULL, lookup_thread, l) == 0) {
		pthread_detach(thread);
		l->holders++;
		while (!l->is_done && pthread_cond_timedwait(&l->done, &l->lock, &end) == 0)
			;
	}
	found = l->found;
	l->found = NULL;
	lookup_drop(l);
	return (found);
}
