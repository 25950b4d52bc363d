#ifndef HL_REPLICATION_H
#define HL_REPLICATION_H

#include "opsd/cluster/broken.h"
#include "opsd/store/data.h"
#include "opsd/store/group.h"

/*
 * Snapshots, which the room above this one takes and restores: another place where first copies come
 * from (firstcopy.h), and what peers are told of them.
 */
struct replication_snapshots {
	/* Whether copies of the table wait for one that is looked for.  NULL: there are none.  Commit thread. */
	int (*holds)(void *arg, const char *database, const char *table);
	/* Why none could be taken the last time; the caller frees it.  NULL: all is well.  Any thread. */
	char *(*fault)(void *arg);
	void *arg;
	_Atomic unsigned
	    rank; /* of this node among those that take them, see below; 0 takes none */
	_Atomic uint64_t taken_ms; /* the newest that is known here */
};
/* Who has more tables goes first, then who has all of them. */
#define SNAPSHOT_RANK(tables, whole) (2 * (unsigned)(tables) + ((whole) ? 1 : 0))
#define SNAPSHOT_RANK_MAX            SNAPSHOT_RANK(1u << 20, 1)

/* What this room works on: our data, and who gets and gives what of it. */
struct replication {
	struct data *data;
	struct nodes *nodes;       /* who subscribes to what */
	struct members *members;   /* who was linked with us */
	struct roster *roster;     /* what all members know alike */
	struct gossip *gossip;     /* how it spreads */
	struct cursors *cursors;   /* positions in the peers' logs */
	struct cluster *cluster;   /* the conversation with peers */
	_Atomic int carries;       /* the cluster is there, for the commit thread */
	struct carriers *carriers; /* what carries it: */
	struct carrier_nats *nats;
	struct carrier_link *link;
	struct daemons *daemons;     /* hubd and leafd, which do; NULL before the start */
	struct trustsync *trustsync; /* what is believed here and by all */
	struct renewing *renewing;   /* what this node shows on links */
	struct event *tick;
	struct workers *changes; /* one thread: calls that change subscriptions */
	struct broken broken;
	struct invited *invited; /* nodes whose word counts here for a while; NULL: none */
	struct pki *pki;       /* who we are on links, and whom we believe; NULL: there are none */
	uint64_t start_ms;     /* replication.startTime, 0: none */
	struct givens *givens; /* positions that came with copies */
	struct origins *origins; /* of tables that were made because a peer has them */
	uint64_t looked_us;      /* firstcopy.h: when copies were looked at last */
	struct replication_snapshots snapshots;
};

/*
 * Loads what the store has of it and hooks into the data (store/data.h); -1 with *err.
 */
int replication_load(struct replication *rep, struct data *data, char **err);
void replication_clear(struct replication *rep);

/* Peers are reached from here on; -1 with *err. */
int replication_start(struct replication *rep, char **err);
void replication_quiet(struct replication *rep); /* no more daemons; calls in flight end */
void replication_stop(struct replication *rep);

/* Whose commit a group is. */
struct replication *replication_of(struct group *g);

#endif
