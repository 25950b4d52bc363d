#ifndef HL_AUTH_H
#define HL_AUTH_H

#include <stdint.h>

/*
 * Who asks.  Users and roles are rows of hdb_user and hdb_role; any thread may ask.
 */
struct data;
struct user;
struct auth;

/* Makes the default roles and the users of the environment or the credentials when absent. */
struct auth *auth_start(struct data *data, char **err);
void auth_stop(struct auth *a);
/*
 * Around reading and changing users or roles, so that what was read still holds; the thread
 * may wait long.
 */
void auth_change_begin(struct auth *a);
void auth_change_end(struct auth *a);
/* Users or roles changed, by whomever: look again at who was verified.  Any thread. */
void auth_changed(struct auth *a);

/* What a request says about who sends it: headers or NULL, and how it came. */
struct credentials {
	const char *authorization, *cookie, *origin;
	const char *from; /* address, for the log */
	int secure;       /* over TLS */
};

/*
 * Who that is, at once or later: `done` runs exactly once, on the caller's thread
 * before this returns or on a thread of auth's; `c` is only read before.  user is
 * counted and then the receiver's, or NULL with an HTTP status and its text;
 * without a text they are no credentials, such as the cookie of somebody else.
 */
void auth_check(struct auth *a, const struct credentials *c,
    void (*done)(struct user *u, int status, const char *error, void *arg), void *arg);
/*
 * The user with that password; blocks, so a worker's.  NULL with a status, and a text in
 * *error (caller frees) but for 401: the password is wrong, or there is no such user.
 */
struct user *auth_login(struct auth *a, const char *name, const char *password, const char *from,
    int *status, char **error);
/* The user whom a certificate that was verified names, counted; NULL with a status and a text, which
 * the caller frees.  It is no login: nothing can be guessed by it. */
struct user *auth_certified(struct auth *a, const char *name, int *status, char **error);
/* What the user may not go on for, with its status; NULL: nothing.  The caller frees. */
char *auth_refusal(const struct user *u, int *status);
struct tokens *auth_tokens(struct auth *a);
/* A session of the user: its id.  It ends with its password, by auth_session_end, or unused. */
void auth_session_begin(struct auth *a, const struct user *u, char id[37]);
void auth_session_end(struct auth *a, const char *id);
/* Another secret than a password was wrong: it counts as a login that failed. */
void auth_guessed(struct auth *a, const char *from);
uint64_t auth_failed(struct auth *a); /* logins with a wrong name or password, since the start */
/* Seconds until logins from the address, of which too many failed, are looked at again; 0: now. */
unsigned auth_retry_after(struct auth *a, const char *from);

#endif
