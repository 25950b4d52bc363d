#ifndef HL_NODES_H
#define HL_NODES_H

#include <jansson.h>
#include <stdint.h>

#include "opsd/cluster/peer.h"
#include "opsd/store/group.h"

/*
 * Who subscribes to what.  One subscription per (pair of nodes, database, table or "*"),
 * held alike on both sides and merged by the greater stamp.  CF_META "N" + node id
 * holds one peer as JSON; hdb_nodes shows it.  The commit thread changes, any
 * thread reads copies.
 */
struct nodes;
struct replication;

struct nodes *nodes_load(struct replication *rep, char **err);
void nodes_free(struct nodes *n);
/* Whether any peer gets the table. */
int nodes_get_it(struct nodes *n, const char *database, const char *table);
/* The same without those of whom `left_out` says so. */
int nodes_get_it_but(struct nodes *n, const char *database, const char *table,
    int (*left_out)(void *arg, const uint8_t *id), void *arg);
const struct scope *nodes_scope(const struct nodes *n); /* what of ours replicates */
/* Whether any peer gets the table or gives it to us. */
int nodes_share(struct nodes *n, const struct table *t);
/* How many peers have subscriptions; *all: with those that have only tombstones. */
size_t nodes_count(struct nodes *n, size_t *all);
int nodes_any(const struct nodes *n);          /* whether there is a peer in the manifest */
uint64_t nodes_changes(const struct nodes *n); /* how many there were since the start */

/* References; peer_free each. NULL: not known. A peer is known here ("in the
 * manifest") while it has a subscription that is not removed. */
struct peer *nodes_get(struct nodes *n, const char *name);
struct peer *nodes_by_id(struct nodes *n, const uint8_t *id);
/* with tombstones; free each and the array */
struct peer **nodes_all(struct nodes *n, size_t *count);
int nodes_active(struct nodes *n, const uint8_t *id); /* whether it is in the manifest */
int nodes_any_active(struct nodes *n);                /* or any is */
char *nodes_name(struct nodes *n, const uint8_t *id); /* caller frees; NULL: not known */
/* for the log: that, else the id; caller frees */
char *nodes_shown(struct nodes *n, const uint8_t *id);

/* On the commit thread: a copy of the peer (a new one when unknown; name updated) to change and store. */
struct peer *nodes_edit(struct group *g, const uint8_t *id, const char *name);
/* A node that is known has another clustering.nodeName now; frees itself. */
struct commit_job *nodes_rename_job(const uint8_t *id, const char *name);
void nodes_store(struct group *g, struct peer *p); /* takes p: its record and its hdb_nodes row */
/* The row alone, as its URL may be another; also of a member that no link was with yet. */
void nodes_show(struct group *g, const uint8_t *id);
void nodes_hide(struct group *g,
    const char *hostname); /* that of such a member, which is none any more */

#endif
