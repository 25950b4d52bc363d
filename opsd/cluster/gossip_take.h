#ifndef HL_GOSSIP_TAKE_H
#define HL_GOSSIP_TAKE_H

#include "opsd/cluster/replication.h"
#include "opsd/cluster/roster.h"
#include "opsd/store/commit.h"

/*
 * Entries of the roster (roster.h) that come from another node, or are said here, on their way into
 * the store; and what follows: a member that was removed is forgotten, a node that was removed itself
 * forgets the others.  CF_META "G" + kind + " " + key -> {"said","introduction"?,"taken"}.
 */
struct gossip_take {
	struct commit_job job; /* first; 503 when the store takes nothing */
	struct replication *rep;
	uint8_t who[NODE_ID_LEN]; /* who hands it over, */
	int vouched;              /* which is known for sure */
	struct roster_offer *list;
	size_t n;
	size_t taken; /* out: how many brought something new */
};

/* The commit thread's roster, from the store; -1 with *err. */
int gossip_take_load(struct replication *rep, char **err);

/* From an array of entries; what is broken is logged and left out.  It checks signatures: on a worker. */
struct gossip_take *gossip_take_new(struct replication *rep, const json_t *entries,
    const uint8_t *who);
/* What is said here; takes the offer.  On any thread. */
struct gossip_take *gossip_take_own(struct replication *rep, struct roster_offer *o);
void gossip_take_free(struct gossip_take *t);

/* What is over goes (roster_sweep); waits.  A job's status. */
int gossip_take_sweep(struct replication *rep);

/*
 * On the commit thread.  A link is admitted to a node as its certificate was asked for here then, or a
 * call adds it (UINT64_MAX): if it was removed, or was known by another key or introduced before that, it
 * is introduced anew; and if this node was removed itself, that is over.  A link with the key of before may
 * stand for long.
 */
void gossip_take_back(struct group *g, const uint8_t *id, const char *spki, uint64_t asked_ms);

/* Nothing is known of members, and this node has said nothing: waits.  A job's status. */
int gossip_take_alone(struct replication *rep);

/* What this node says of itself goes: it begins anew, or has another id from its next start on. */
void gossip_take_drop_own(struct group *g);

#endif
