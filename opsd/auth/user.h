#ifndef HL_USER_H
#define HL_USER_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

/*
 * Somebody who may ask: a row of hdb_user with its rows of hdb_role.  Counted and
 * only read, so any thread may have it; who looks again later gets what is then.
 */
struct data;

#define USER_ROLES_MAX 20
#define USER_NAME_MAX  250 /* bytes */

/* What a user may is what its roles may together. */
struct user_role {
	char *id, *name;
	json_t *permission; /* an object */
	json_t *attributes; /* permission_index() of it */
	json_t *operations; /* its users may these only, {name: null}; NULL: all */
	int super_user, cluster_user;
};

struct user {
	_Atomic int refs;
	char *name;
	struct user_role *roles[USER_ROLES_MAX];
	size_t nroles; /* 0: it may nothing */
	int super_user, cluster_user, active;
	int limited;        /* one of its roles has operations */
	uint8_t mark[16];   /* changes with the password */
	struct user *whole; /* of user_part(): whose roles they are */
};

/* Why nobody can have that name, to follow "username"; NULL: somebody can. */
const char *user_name_fault(const char *name);
/* NULL when there is none of that name. */
struct user *user_load(struct data *data, const char *name);
struct user *user_from_row(struct data *data, const json_t *row);
/* Somebody who may everything and is no row: the domain socket. */
struct user *user_local(void);
struct user *user_ref(struct user *u);
void user_unref(struct user *u);

/* The user with no roles; user_part_add gives it those that it is to have of its own. */
struct user *user_part(struct user *u);
void user_part_add(struct user *part, size_t role);
/* A super_user, or cluster_user, also without the role of that id? */
int user_is_super_without(const struct user *u, const char *role_id);
int user_is_cluster_without(const struct user *u, const char *role_id);

/* The ids in a row of hdb_user: an array, new reference. */
json_t *user_role_ids(const json_t *row);
/*
 * A row of hdb_user for sysrow_put; password and role ids may be NULL: not changed.
 * A cluster user's password is kept as well, so that the node itself can log in with it; that
 * stays on this node.
 */
json_t *user_row(struct data *data, const char *name, const char *password, const json_t *role_ids,
    int cluster_user);
/* The password of a cluster user in clear. */
enum cluster_secret {
	SECRET_KNOWN,
	SECRET_NO_USER,  /* no such user, or no active one with a role cluster_user */
	SECRET_NOT_KEPT, /* it got that role after its password */
	SECRET_SEALED    /* not with our key: that was damaged or removed, or is another node's */
};
/* *password, unless that is NULL: what the caller frees, NULL when it is not known. */
enum cluster_secret user_cluster_secret(struct data *data, const char *username, char **password);
/* Attributes of system tables that nobody ever sees. */
int user_hidden_attribute(uint32_t table_id, const char *name, size_t n);

#endif
