#ifndef HL_AUTH_H
#define HL_AUTH_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

/*
 * Who asks, and what they may.  Users and roles are rows of hdb_user and
 * hdb_role; any thread may ask.
 */
struct ops;
struct op;
struct request;
struct table;

struct user {
	_Atomic int	 refs;
	char		*name;
	char		*role;		/* its name, or NULL: none */
	char		*role_id;
	json_t		*permission;	/* of the role; an object, only read */
	int		 super_user, cluster_user, active;
};

struct auth;

/* Makes the default roles and the users of the environment or the credentials when absent. */
struct auth *auth_start(struct ops *ops, char **err);
void auth_stop(struct auth *a);
void auth_changed(struct auth *a);	/* a user or a role did: forget what was verified */

/* Somebody who may everything and is no row: the domain socket. */
struct user *auth_local_user(void);
struct user *user_ref(struct user *u);
void user_unref(struct user *u);

/* What a request says about who sends it: headers or NULL, and how it came. */
struct credentials {
	const char	*authorization, *cookie, *origin;
	const char	*from;		/* address, for the log */
	int		 secure;	/* over TLS */
};

/*
 * Who that is, at once or later: `done` runs exactly once, on the caller's thread
 * before this returns or on a thread of auth's; `c` is only read before.  user is
 * counted and then the receiver's, or NULL with an HTTP status and its text;
 * without a text they are no credentials, such as the cookie of somebody else.
 */
void auth_check(struct auth *a, const struct credentials *c,
    void (*done)(struct user *u, int status, const char *error, void *arg), void *arg);

enum auth_right { AUTH_READ = 1, AUTH_INSERT = 2, AUTH_UPDATE = 4, AUTH_DELETE = 8 };

/* May the user do all of `rights` to the table?  Never for cluster users; system tables are for super users. */
int auth_can(const struct user *u, const struct table *t, unsigned rights);
int auth_can_read(const struct user *u, const struct table *t);
/* 1, or 0 with the request answered (403).  records: of the request, or NULL. */
int auth_may_read(struct request *r, const struct table *t);
int auth_may_write(struct request *r, const struct table *t, unsigned rights, const json_t *records);
int auth_may_structure(struct request *r, const char *db);	/* create_table and the like */
void auth_reply_super(struct request *r);			/* 403: not a super_user */
/* Attributes of system tables that nobody ever sees. */
int auth_hidden_attribute(uint32_t table_id, const char *name);

/*
 * A row of hdb_user for sysrow_put; password and role id may be NULL: not changed.
 * A cluster user's password is kept so that the node itself can log in with it.
 */
json_t *auth_user_row(struct ops *ops, const char *name, const char *password, const char *role_id,
    int cluster_user);
/* The password of a cluster user in clear, or NULL; the caller frees. */
char *auth_cluster_password(struct ops *ops, const char *username);

#endif
