#ifndef HL_OP_USER_H
#define HL_OP_USER_H

#include <jansson.h>

/* What the operations on users and on roles have in common. */
struct ops;
struct request;

const char *user_row_text(const json_t *row, const char *name); /* "" when it is no string */
json_t *role_named(struct ops *ops, const char *name);          /* new reference, or NULL */
int role_is(const json_t *role, const char *type);              /* "super_user", "cluster_user" */

/* The roles that a row of hdb_user has, an array; new reference. */
json_t *roles_of(struct ops *ops, const json_t *user);
int roles_are(const json_t *roles, const char *type); /* one of them is */

/* Runs fn while nobody else changes users or roles; it answers the request. */
void op_user_change(struct request *r, void (*fn)(struct request *r));
/* Active super_users; without the user of that name, and were it not for the role of that id. */
unsigned user_supers(struct ops *ops, const char *but_user, const char *but_role);
/*
 * Is the user, or the role of that id, what the node is a member of the cluster with?  By the
 * configuration in force, or by the one that a restart puts in force.
 */
int user_cluster_needs(struct ops *ops, const char *user, const char *role);
/*
 * Why the nodes' certificates must not be made of this password of a user with these roles, to
 * follow "it"; NULL: they may, or they are not.
 */
const char *user_weak_secret(struct ops *ops, const json_t *roles, const char *username,
    const char *password);
void op_user_show_all(struct request *r); /* list_users */
void op_user_show_own(struct request *r); /* user_info */

#endif
