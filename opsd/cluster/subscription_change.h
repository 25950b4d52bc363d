#ifndef HL_SUBSCRIPTION_CHANGE_H
#define HL_SUBSCRIPTION_CHANGE_H

#include "opsd/cluster/proposal.h"
#include "opsd/store/commit.h"

/*
 * What a call changes in the subscriptions of this node, as one job: peers' answers that are
 * taken over, and edits of our own.
 */
struct take;
struct change_edit;

struct subscription_change {
	struct commit_job job; /* first */
	struct change_edit *edits;
	size_t nedits;
	struct take **takes; /* peers' answers */
	size_t ntakes;
};

struct subscription_change *subscription_change_new(void);
void subscription_change_free(struct subscription_change *c);
/*
 * Takes the proposal's answer, of which this side agrees to what the proposal has asked for; that
 * stays until the end.  A peer of its name under another id was installed anew: its
 * subscriptions end.
 */
void subscription_change_take(struct subscription_change *c, struct proposal *p);
/* Those of the peer end. */
void subscription_change_end(struct subscription_change *c, struct replication *rep,
    const struct peer *p);
/* Those of all peers of this name end; of all but the one with this id when not NULL. */
void subscription_change_retire(struct subscription_change *c, struct replication *rep,
    const char *name, const uint8_t *but);
/* Waits; status, error in the job. */
int subscription_change_commit(struct replication *rep, struct subscription_change *c);
/* Send the edits to whom they concern.  Best effort: the next comparison does it too. */
void subscription_change_notify(struct replication *rep, const struct subscription_change *c);
/*
 * Those that were asked get back what they had: by subscriptions that are newer still, which are
 * kept here, and reach a peer that is away when it returns.
 */
void subscription_change_undo(struct replication *rep, struct proposal **list, size_t n);

#endif
