#ifndef HL_TAKE_H
#define HL_TAKE_H

#include "opsd/cluster/offer.h"
#include "opsd/store/commit.h"

/*
 * What another node offers, taken over: its newer subscriptions, tables made on the side that
 * lacks them, cursors begun and ended.  The same on both sides, for a call's question, for
 * its answer and for the later comparison.
 */
struct take {
	struct commit_job job; /* first */
	struct offer *offer;   /* owned */
	struct offer *answer;  /* ours, after a successful run; owned */
	int answered;          /* fill in `answer` */
	int compared;          /* nobody calls: what both have is compared */
	int vouched;           /* its carrier vouches for the sender: consent counts (consent.h) */
	const struct subscriptions
	    *asked; /* that a call here has asked for; NULL: none; borrowed */
};

/* With so many tables, none is made because another node has it: each costs memory here. */
#define TAKE_TABLES_MAX 100000
/* Whether one more may be; else the log says so. */
int take_has_room(struct group *g, const char *db, const char *name);

struct take *take_new(struct offer *offer); /* takes it */
void take_free(struct take *t);

#endif
