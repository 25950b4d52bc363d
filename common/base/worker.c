#include "config.h"

#include "common/base/worker.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/base/mem.h"

struct work {
	struct work *next;
	void (*fn)(void *arg);
	void *arg;
};

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *head, **tail;
	unsigned waiting;
	int stop;
	unsigned n;
	pthread_t threads[];
};

static void *
worker_main(void *arg)
{
	struct workers *w = arg;
	struct work *j;

	pthread_setname_np(pthread_self(), "worker");
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->head == NULL && !w->stop)
			pthread_cond_wait(&w->more, &w->lock);
		if ((j = w->head) == NULL)
			break;
		w->waiting--;
		if ((w->head = j->next) == NULL)
			w->tail = &w->head;
		pthread_mutex_unlock(&w->lock);
		j->fn(j->arg);
		free(j);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return (NULL);
}

struct workers *
workers_start(unsigned threads, char **err)
{
	struct workers *w = xcalloc(1, sizeof(*w) + threads * sizeof(w->threads[0]));

	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	w->tail = &w->head;
	for (; w->n < threads; w->n++)
		if (pthread_create(&w->threads[w->n], NULL, worker_main, w) != 0) {
			*err = xasprintf("cannot start a worker thread");
			workers_stop(w);
			return (NULL);
		}
	return (w);
}

void
workers_stop(struct workers *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = 1;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n; i++)
		pthread_join(w->threads[i], NULL);
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* Whether it was taken. */
static int
push_work(struct workers *w, unsigned most, void (*fn)(void *arg), void *arg)
{
	struct work *j = xmalloc(sizeof(*j));
	int taken;

	*j = (struct work){ NULL, fn, arg };
	pthread_mutex_lock(&w->lock);
	taken = !w->stop && w->waiting < most;
	if (taken) {
		*w->tail = j;
		w->tail = &j->next;
		w->waiting++;
		pthread_cond_signal(&w->more);
	}
	pthread_mutex_unlock(&w->lock);
	if (!taken)
		free(j);
	return (taken);
}

int
workers_try(struct workers *w, unsigned most, void (*fn)(void *arg), void *arg)
{
	return (push_work(w, most, fn, arg) ? 0 : -1);
}

void
workers_run(struct workers *w, void (*fn)(void *arg), void *arg)
{
	if (!push_work(w, UINT_MAX, fn, arg))
		fn(arg);
}
