#ifndef HL_OP_CLUSTER_H
#define HL_OP_CLUSTER_H

#include "opsd/op/op.h"

/*
 * The operations of clustering: op_cluster.c has their table and those that
 * change subscriptions.  All run on threads that may wait for other nodes.
 */
struct replication;
struct table;

void op_routes_set(struct request *r);
void op_routes_get(struct request *r);
void op_routes_delete(struct request *r);
/* Those of replication.routes that lead to the host go, *n of them; 0, or -1 with the request answered. */
int op_routes_forget(struct request *r, const char *hostname, size_t *n);
void op_mesh_status(struct request *r);
void op_mesh_network(struct request *r);
void op_purge_stream(struct request *r);
void op_resync(struct request *r);
void op_renew_node_id(struct request *r);
/*
 * The answer of a call that changes subscriptions, with "proposed": those that it asked for, and that
 * the peer's side has not agreed to.
 */
struct proposal;
json_t *op_with_proposed(json_t *answer, const struct proposal *p);
/*
 * Transactions of a table committed before a time leave log and stream: how many, or -1 with
 * *err (caller frees).  Refused while a subscriber lacks them, unless forced; waits.
 */
int64_t op_purge_before(struct replication *rep, const struct table *t, const char *user,
    uint64_t ms, int force, char **err);

/*
 * What a call subscribes to: faults, or one for each table, without stamps.  To be cleared; `prefix`
 * is for the texts.
 */
struct subscriptions;
void op_field_subscriptions(struct subscriptions *into, struct faults *f, const json_t *body,
    const char *prefix);
/* A peer's name, under either of two fields; `prefix` is for the texts.  NULL with a fault. */
const char *op_field_node(struct request *r, struct faults *f, const json_t *body,
    const char *prefix, const char *old);

/*
 * Only some workers may wait for other nodes at once: these answer the nodes'
 * own questions as well.  0: the request was answered with 503.
 */
int op_wait_begin(struct request *r);
void op_wait_end(void);
/* Asks the peer of a planned proposal, and commits; 0, or -1 with its status and error. */
struct proposal;
int op_change_proposal(struct proposal *p);
/* Calls that name the other node by hostname or url (op_linked.c). */
void op_linked_change(struct request *r, int add);
/*
 * An update_node that names no node, and nothing but revoked_certificates: these are revoked, on a node
 * without other members as well.
 */
int op_only_revokes(const json_t *body);
void op_revoke(struct request *r);
/* One that was linked goes, as by remove_node; 0, or -1 with the request answered. */
struct peer;
int op_linked_end(struct request *r, const struct peer *p);
int op_linked_remove(struct request *r); /* 0: it is known over the NATS mesh alone */
/* 1 and answered with 400 when clustering is off. */
int op_is_off(struct request *r);

#endif
