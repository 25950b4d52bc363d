#ifndef HL_CLUSTER_H
#define HL_CLUSTER_H

#include <jansson.h>
#include <stdint.h>

#include "opsd/cluster/peer_view.h"
#include "opsd/cluster/replication.h"

/*
 * The conversation with peers, whatever carries it (carrier.h): the status exchange,
 * questions, what cursors lack, what of the log leaves.  The functions here may be called
 * from any thread unless they say otherwise.
 */
struct carrier_ops;
struct cluster;
struct outlet;
struct peer;
struct subscriptions;
struct topology_report;

/* These on the loop's thread. */
struct cluster *cluster_new(struct replication *rep);
/* once, before all else */
void cluster_carry(struct cluster *c, const struct carrier_ops *ops, void *arg);
void cluster_tick(struct cluster *c);  /* several times a second */
void cluster_quiet(struct cluster *c); /* nobody may wait for an answer any more: 503 */
void cluster_free(struct cluster *c);
struct outlet *cluster_outlet(struct cluster *c); /* what of the log leaves */

void cluster_logged(struct cluster *c); /* there is more in the log */
/* A peer is being asked to take these subscriptions, or (`on` 0) the call is over (outlet.h). */
void cluster_expect(struct cluster *c, const struct subscriptions *subs, int on);
void cluster_kick(struct cluster *c); /* cursors or subscriptions changed: look again */
int cluster_reachable(struct cluster *c, const char *node);
/* It, and not another one that has its name now. */
int cluster_peer_reachable(struct cluster *c, const struct peer *p);
/*
 * Own lost writes are being fetched: others must not copy from here yet.  A peer that gives nothing, or
 * gives without end, does not make them wait: they copy again when it is done.
 */
int cluster_recovering(struct cluster *c);

/*
 * Ask a node and wait (worker threads only); `body` gets what compat_say adds.  The answer
 * (new reference, or NULL) and its status; 504 when it did not answer in time, 503 when hubd is
 * away, 409 with "error" when the two share no format.
 */
int cluster_ask(struct cluster *c, const char *node, const char *verb, json_t *body,
    unsigned timeout_ms, json_t **answer);
/*
 * Messages of a table that hold only log entries up to `upto` leave the stream; waits
 * (worker threads only).  How many, or -1: the leaf server is away.
 */
int64_t cluster_purge(struct cluster *c, const char *database, const char *table, uint64_t upto);
/*
 * What a peer answered to a catch-up question could be read, or it was broken: from then on
 * it is asked nothing for a second, and each time in a row for twice as long, up to a minute.
 */
void cluster_answer_read(struct cluster *c, const uint8_t *peer, int broken);
/*
 * The peer says that it has of our log what is of an incarnation, which is not in it: whether that is
 * to be looked into, which costs everybody a copy.  Whoever is vouched for (else NULL) is believed once
 * a minute, after each time for twice as long not, up to an hour, and of no time to come.
 */
int cluster_may_claim(struct cluster *c, const uint8_t *who, uint64_t incarnation);
/* that time, mono_us; 0: now */
uint64_t cluster_catch_up_after(struct cluster *c, const uint8_t *peer);
struct catchup_question;
/*
 * Ask a node for rows and wait (threads that may block only): catchup.h's answer, or 503 while
 * leafd is away, 504 when none came in time.
 */
int cluster_catch_up(struct cluster *c, const char *node, const struct catchup_question *q,
    struct buf *answer);
/* The mesh as cluster_network shows it; NULL when hubd is away. */
json_t *cluster_network(struct cluster *c, unsigned timeout_ms);

/* What is known of a peer from the status exchange (peer_view.h); peer_view_clear. */
void cluster_view(struct cluster *c, const uint8_t *peer, struct peer_view *v);
/* The hash of the key that the peer shows on links, as it has said over whatever carries; NULL: it has not.
 * Caller frees. */
char *cluster_link_key(struct cluster *c, const uint8_t *peer);
/* How many positions and heads of tables were told to peers since the start. */
uint64_t cluster_told(const struct cluster *c);
/* Reports for topology_gaps: our own, then those of peers; topology_report_free each, and the array. */
struct topology_report **cluster_topology(struct cluster *c, size_t *n);

#endif
