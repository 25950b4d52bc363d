#ifndef HL_BATCH_H
#define HL_BATCH_H

#include <jansson.h>

#include "opsd/cluster/target.h"
#include "opsd/store/commit.h"

/*
 * What a call changes in the entries of this node, as one job: peers' answers that are
 * taken over, and edits of our own.
 */
struct take;

struct batch {
	struct commit_job	  job;		/* first */
	json_t		 *edits;	/* [{"id","name","notify","entries":[...]}] */
	struct take	**takes;	/* peers' answers */
	size_t		  n;
};

struct batch *batch_new(size_t takes);	/* room for so many */
void batch_free(struct batch *b);
/* The target's answer; a peer of its name under another id was installed anew: its entries end. */
void batch_take(struct batch *b, const struct target *t);
/* Entries of all peers of this name end; of all but the one with this id when not NULL. */
void batch_retire(struct batch *b, struct replication *rep, const char *name, const char *but);
int batch_commit(struct replication *rep, struct batch *b);	/* waits; status, error in the job */
/* Send the edits to whom they concern.  Best effort: the next comparison of entries does it too. */
void batch_notify(struct replication *rep, const struct batch *b);
/*
 * Those that were asked get back what they had: entries that are newer still are
 * kept here, and reach a peer that is away when it returns.
 */
void batch_undo(struct replication *rep, struct target **list, size_t n);

#endif
