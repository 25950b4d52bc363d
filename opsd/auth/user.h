#ifndef HL_USER_H
#define HL_USER_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

/*
 * Somebody who may ask: a row of hdb_user with its row of hdb_role.  Counted and
 * only read, so any thread may have it; who looks again later gets what is then.
 */
struct ops;

struct user {
	_Atomic int	 refs;
	char		*name;
	char		*role;		/* its name, or NULL: none */
	char		*role_id;
	json_t		*permission;	/* of the role; an object, or NULL: none */
	json_t		*attributes;	/* right_index() of it */
	int		 super_user, cluster_user, active;
	uint8_t		 mark[16];	/* changes with the password */
};

/* NULL when there is none of that name. */
struct user *user_load(struct ops *ops, const char *name);
struct user *user_from_row(struct ops *ops, const json_t *row);
/* Somebody who may everything and is no row: the domain socket. */
struct user *user_local(void);
struct user *user_ref(struct user *u);
void user_unref(struct user *u);

/*
 * A row of hdb_user for sysrow_put; password and role id may be NULL: not changed.
 * A new password ends the refresh token; a cluster user's is kept so that the node
 * itself can log in with it.
 */
json_t *user_row(struct ops *ops, const char *name, const char *password, const char *role_id,
    int cluster_user);
/* The password of a cluster user in clear. */
enum cluster_secret {
	SECRET_KNOWN,
	SECRET_NO_USER,		/* no such user, or no active one with a role cluster_user */
	SECRET_NOT_KEPT,	/* it got that role after its password */
	SECRET_SEALED		/* not with our key: that was damaged or removed, or is another node's */
};
/* *password, unless that is NULL: what the caller frees, NULL when it is not known. */
enum cluster_secret user_cluster_secret(struct ops *ops, const char *username, char **password);
/* Attributes of system tables that nobody ever sees. */
int user_hidden_attribute(uint32_t table_id, const char *name);

#endif
