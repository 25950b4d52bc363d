#include "config.h"

#include "opsd/snapshot/snapcall.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/post.h"
#include "opsd/cluster/carrier_call.h"
#include "opsd/cluster/daemons.h"

#define WAIT_MS     30000
#define AGAIN_S     1
#define PATIENCE_US 30000000

struct snapcalls {
	struct replication *rep;
	pthread_mutex_t lock;
	pthread_cond_t cond; /* the one that waits may go on: there is one thread */
	int quiet;
};

struct snapcall_waiting {
	struct snapcalls *c;
	enum msg_type type;
	struct buf *question, *answer;
	int done, status;
};

struct snapcalls *
snapcalls_new(struct replication *rep)
{
	struct snapcalls *c = xcalloc(1, sizeof(*c));

	c->rep = rep;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->cond, NULL);
	return (c);
}

void
snapcalls_free(struct snapcalls *c)
{
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->cond);
	free(c);
}

void
snapcalls_quiet(struct snapcalls *c)
{
	pthread_mutex_lock(&c->lock);
	c->quiet = 1;
	pthread_cond_broadcast(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

static void
answered_cb(const struct carrier_answer *a, void *arg)
{
	struct snapcall_waiting *w = arg;
	struct snapcalls *c = w->c;

	pthread_mutex_lock(&c->lock);
	w->status = a->status;
	if (a->body != NULL)
		buf_add(w->answer, a->body, a->n);
	w->done = 1;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

static void
call_run(void *arg)
{
	struct snapcall_waiting *w = arg;
	struct daemons *d = w->c->rep->daemons;
	struct chan *leaf = d != NULL && daemons_leaf_ready(d) ? daemons_leaf(d) : NULL;

	carrier_call(leaf, w->type, w->question, WAIT_MS, 0, NULL, answered_cb, w);
}

int
snapcall(struct snapcalls *c, enum msg_type type, struct buf *question, struct buf *answer)
{
	struct snapcall_waiting w = { c, type, question, answer, 0, 503 };

	buf_clear(answer);
	pthread_mutex_lock(&c->lock);
	if (!c->quiet) {
		post(c->rep->data->svc->post, call_run, &w);
		while (!w.done)
			pthread_cond_wait(&c->cond, &c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	buf_free(question);
	return (w.status);
}

/* 0: nobody may wait any more. */
static int
pause_calls(struct snapcalls *c)
{
	struct timespec until;
	int goes_on;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += AGAIN_S;
	pthread_mutex_lock(&c->lock);
	while (!c->quiet && pthread_cond_timedwait(&c->cond, &c->lock, &until) == 0)
		;
	goes_on = !c->quiet;
	pthread_mutex_unlock(&c->lock);
	return (goes_on);
}

int
snapcall_patiently(struct snapcalls *c, enum msg_type type, struct buf *question,
    struct buf *answer)
{
	uint64_t began = mono_us();
	struct buf once = { 0 };
	int status;

	do {
		buf_clear(&once);
		buf_add(&once, question->data, question->len);
		status = snapcall(c, type, &once, answer);
	} while (status >= 503 && mono_us() - began < PATIENCE_US && pause_calls(c));
	buf_free(question);
	return (status);
}
