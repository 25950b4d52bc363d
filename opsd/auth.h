#ifndef HL_AUTH_H
#define HL_AUTH_H

/*
 * Who asks.  Users and roles are rows of hdb_user and hdb_role; any thread may ask.
 */
struct ops;
struct user;
struct auth;

/* Makes the default roles and the users of the environment or the credentials when absent. */
struct auth *auth_start(struct ops *ops, char **err);
void auth_stop(struct auth *a);
/*
 * Around reading and changing users or roles, so that what was read still holds; the thread
 * may wait long.  After a change, and before anybody hears of it: forget what was verified.
 */
void auth_change_begin(struct auth *a);
void auth_change_end(struct auth *a);
void auth_changed(struct auth *a);

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
/* Seconds until logins from the address, of which too many failed, are looked at again; 0: now. */
unsigned auth_retry_after(struct auth *a, const char *from);

#endif
