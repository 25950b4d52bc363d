#ifndef HL_CLUSTER_PRIV_H
#define HL_CLUSTER_PRIV_H

#include <pthread.h>
#include <uthash.h>

#include "opsd/cluster/carrier.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/positions.h"
#include "opsd/cluster/status.h"

/* What the core's files share: cluster.c, cluster_ask.c, compat.c, exchange.c, incoming.c, pursuit.c. */

struct view {
	uint8_t id[NODE_ID_LEN];
	double latency_ms;
	int64_t skew_ms, skew_from; /* from: our clock's then (cluster_clock) */
	uint64_t uptime_ms, seen_ms, clock_ms, asked_us, synced_us;
	int asking, syncing;
	int met; /* its tables are to be compared, whatever it says */
	int cluster_port, api_port;
	json_t *system_info;
	struct status_base base;          /* for our next question to it */
	struct positions *received;       /* from its questions: all up to ... */
	int64_t received_life;            /* ... of this life of it, */
	uint64_t received_upto;           /* these moves of its cursors */
	struct topology_report *topology; /* its report, or NULL */
	int64_t topology_digest;          /* of that */
	unsigned broken;                  /* answers in a row that could not be read */
	uint64_t catch_up_after_us;       /* nothing is asked before: pursuit.c */
	unsigned questions, logs;         /* of pursuit.c that are not done, and for the log */
	int silent;                       /* the last of them was not answered */
	uint64_t claimed_us;              /* that it has what our log has not: the last believed */
	unsigned claims;                  /* so many, each soon after the one before */
	char *refused;                    /* why (compat.h), or NULL */
	unsigned snapshot_rank;           /* of status.h */
	uint64_t snapshot_ms;
	char *link_key; /* it shows on links, as it says; or NULL */
	UT_hash_handle hh;
};

struct cluster {
	struct replication *rep;
	const struct carrier_ops *carrier;
	void *carrier_arg;
	struct event *tick;
	pthread_mutex_t lock; /* views, quiet, questions */
	struct view *views;
	uint64_t refusals;                /* how often one began or ended; under lock */
	unsigned questions;               /* of pursuit.c that are not done, to all peers */
	size_t turn;                      /* which peer is asked first */
	struct topology_report *topology; /* our report */
	int64_t topology_digest;
	uint64_t topology_changes; /* what it was made from */
	uint64_t retained_us;
	unsigned retentions;
	int64_t life;            /* of this process, to peers */
	int quiet;               /* the loop is about to end: nobody may wait for it */
	struct outlet *outlet;   /* what of the log leaves */
	struct postlater *later; /* frames of links that are done */
	_Atomic int kicked;
	_Atomic uint64_t told;
};

/* What the wall clock is ahead of the time that only passes: it differs when the clock was set. */
int64_t cluster_clock(void);
/* made when absent; under lock */
struct view *cluster_view_of(struct cluster *c, const uint8_t *id);

/* How carriers know a peer; borrowed from it. */
struct carrier_node cluster_node_of(const struct peer *p);

struct peer;
/* A question to a peer; borrowed, and gets what compat_say adds.  As carrier_ops' ask. */
void cluster_question(struct cluster *c, const struct peer *p, const char *verb, json_t *question,
    unsigned timeout_ms, carrier_answered *cb, void *arg);

/* exchange.c: ask peers for their status when it is due. */
void exchange_run(struct cluster *c);
/* The answer's topology, unless the asker has it; on the loop's thread. */
void exchange_add_topology(struct cluster *c, const struct status_question *q,
    struct status_answer *a);

/* pursuit.c: ask for what cursors lack. */
void pursuit_run(struct cluster *c);

#endif
