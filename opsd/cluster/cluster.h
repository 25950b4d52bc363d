#ifndef HL_CLUSTER_H
#define HL_CLUSTER_H

#include <jansson.h>
#include <stdint.h>

#include "opsd/cluster/replication.h"

/*
 * The conversation with hubd and leafd, on the loop's thread: settings out, log
 * out, frames in, pulls, the status exchange with peers.  The functions here may
 * be called from any thread.
 */
struct cluster;
struct peer;

struct cluster *cluster_start(struct replication *rep, char **err);
void cluster_quiet(struct cluster *c);	/* no more daemons; calls in flight end */
void cluster_stop(struct cluster *c);

void cluster_logged(struct cluster *c);		/* there is more in the log */
/* A peer is being asked to take these entries, or (`on` 0) the call is over (outlet.h). */
void cluster_expect(struct cluster *c, const json_t *entries, int on);
void cluster_kick(struct cluster *c);		/* cursors or entries changed: look again */
void cluster_settings(struct cluster *c);	/* the configuration changed */
enum restart_daemons { RESTART_HUBD = 1, RESTART_LEAFD = 2 };
void cluster_restart(struct cluster *c, unsigned which);	/* these of the daemons */
int cluster_reachable(struct cluster *c, const char *node);
/* It, and not another one that has its name now. */
int cluster_peer_reachable(struct cluster *c, const struct peer *p);
/* Own lost writes are being fetched: others must not copy from here yet. */
int cluster_recovering(struct cluster *c);

/*
 * Ask a node and wait (worker threads only).  The answer (new reference, or NULL)
 * and its status; 504 when it did not answer in time, 503 when hubd is away.
 */
int cluster_ask(struct cluster *c, const char *node, const char *verb, json_t *body,
    unsigned timeout_ms, json_t **answer);
/*
 * Messages of a table that hold only log entries up to `upto` leave the stream; waits
 * (worker threads only).  How many, or -1: the leaf server is away.
 */
int64_t cluster_purge(struct cluster *c, const char *database, const char *table, uint64_t upto);
struct catchup_question;
/*
 * Ask a node for rows and wait (threads that may block only): pull.h's answer, or 503 while
 * leafd is away, 504 when none came in time.
 */
int cluster_pull(struct cluster *c, const char *node, const struct catchup_question *q, struct buf *answer);
/* The mesh as cluster_network shows it; NULL when hubd is away. */
json_t *cluster_network(struct cluster *c, unsigned timeout_ms);

/* What is known of a peer from the status exchange; copies. */
struct peer_view {
	int		 reachable;
	double		 latency_ms;	/* -1: never answered */
	int64_t		 skew_ms;	/* its clock minus ours */
	uint64_t	 uptime_ms;	/* of the peer */
	uint64_t	 seen_ms;	/* when it last answered, wall clock */
	int		 cluster_port, api_port;
	json_t		*system_info;	/* new reference or NULL */
	struct positions *received;	/* what it has of ours; or NULL */
	uint64_t	 incarnation;	/* of our log */
};
void cluster_view(struct cluster *c, const uint8_t *peer, struct peer_view *v);
void peer_view_clear(struct peer_view *v);
/* The last entry of our table that it has, 0: none; ms, unless NULL: that entry's commit time. */
uint64_t peer_view_has(const struct peer_view *v, uint32_t table, uint64_t *ms);
/* How many positions and heads of tables were told to peers since the start. */
uint64_t cluster_told(const struct cluster *c);
/* Reports for topology_gaps: our own, then those of peers; new reference. */
json_t *cluster_topology(struct cluster *c);
/* {"hub":{"status","pid"},"leaf":{...}} new reference */
json_t *cluster_servers(struct cluster *c);
/* Whether hubd or leafd is connected. */
int cluster_daemon_up(struct cluster *c, enum role role);
/*
 * NULL, or what is wrong with hubd or leafd, to follow its name: it is away for longer than
 * a start takes, or did not answer, and counts as away until it connects anew.
 */
const char *cluster_daemon_fault(struct cluster *c, enum role role);
/* What hubd said last (MESH); new reference, NULL when it is away. */
json_t *cluster_mesh(struct cluster *c);
/* What leafd said last (LEAF_STATE); new reference, NULL when it is away. */
json_t *cluster_leaf(struct cluster *c);

#endif
