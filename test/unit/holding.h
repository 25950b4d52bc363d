#ifndef HL_HOLDING_H
#define HL_HOLDING_H

/* For tests: the commit thread stands still in a group that is not written yet. */

#include <semaphore.h>

#include "opsd/store/commit.h"

struct holding {
	struct commit_job job; /* first */
	void (*fn)(struct group *g);
	sem_t inside, go, done;
};

static inline void
holding_run(struct group *g, struct commit_job *j)
{
	struct holding *h = (struct holding *)j;

	if (h->fn != NULL)
		h->fn(g);
	sem_post(&h->inside);
	sem_wait(&h->go);
}

static inline void
holding_done(struct commit_job *j)
{
	sem_post(&((struct holding *)j)->done);
}

/* Once it stands; `fn`, unless NULL, has run in its group. */
static inline void
holding_begin(struct holding *h, struct commit *c, void (*fn)(struct group *g))
{
	*h = (struct holding){ .job.run = holding_run, .job.done = holding_done, .fn = fn };
	sem_init(&h->inside, 0, 0);
	sem_init(&h->go, 0, 0);
	sem_init(&h->done, 0, 0);
	commit_submit(c, &h->job);
	sem_wait(&h->inside);
}

/* Its group is written then. */
static inline void
holding_end(struct holding *h)
{
	sem_post(&h->go);
	sem_wait(&h->done);
}

#endif
