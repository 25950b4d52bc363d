#include "config.h"

#include "opsd/auth/auth.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/tls/crypto.h"
#include "opsd/auth/authlog.h"
#include "opsd/auth/basic.h"
#include "opsd/auth/failures.h"
#include "opsd/auth/firstuser.h"
#include "opsd/auth/session.h"
#include "opsd/auth/token.h"
#include "opsd/auth/user.h"
#include "opsd/auth/verified.h"
#include "opsd/store/data.h"
#include "opsd/store/sysrow.h"

#define WAITING_MAX  512
#define HEADER_MAX   4096
#define FAILING_MAX  10000 /* addresses */
#define SESSIONS_MAX 10000
#define VERIFIED_MAX 10000

struct auth {
	struct data *data;
	struct workers *worker;    /* a single one: a password takes tens of milliseconds */
	struct verified *verified; /* has its own lock */
	pthread_mutex_t changing;  /* users and roles, by one at a time */
	pthread_mutex_t lock;      /* all below */
	uint64_t failed_ever;
	struct failures *failures;
	struct sessions *sessions;
	struct tokens *tokens; /* these two have their own locks */
	struct authlog *log;
	uint8_t salt[32];
	char *nobody; /* a hash to check when there is no such user */
};

struct check {
	struct auth *auth;
	uint8_t id[32];
	char *header, *from;
	void (*done)(struct user *u, int status, const char *error, void *arg);
	void *arg;
};

void
auth_change_begin(struct auth *a)
{
	pthread_mutex_lock(&a->changing);
}

void
auth_change_end(struct auth *a)
{
	pthread_mutex_unlock(&a->changing);
}

void
auth_changed(struct auth *a)
{
	verified_changed(a->verified);
}

/* ---- checking ---- */

static const char too_many[] = "Too many logins from this address have failed, please try again "
			       "later";

unsigned
auth_retry_after(struct auth *a, const char *from)
{
	unsigned seconds;

	pthread_mutex_lock(&a->lock);
	seconds = failures_wait(a->failures, from, mono_us());
	pthread_mutex_unlock(&a->lock);
	return (seconds);
}

uint64_t
auth_failed(struct auth *a)
{
	uint64_t n;

	pthread_mutex_lock(&a->lock);
	n = a->failed_ever;
	pthread_mutex_unlock(&a->lock);
	return (n);
}

static void
count_login(struct auth *a, const char *from, int good)
{
	pthread_mutex_lock(&a->lock);
	if (good)
		failures_clear(a->failures, from);
	else {
		failures_add(a->failures, from, mono_us());
		a->failed_ever++;
	}
	pthread_mutex_unlock(&a->lock);
}

void
auth_guessed(struct auth *a, const char *from)
{
	count_login(a, from, 0);
}

/* The user with that password, or NULL. */
static struct user *
verify_password(struct auth *a, const char *name, const char *password)
{
	json_t *row = sysrow_get(a->data, SYS_USER, name);
	const char *hashed = json_string_value(json_object_get(row, "password"));
	struct user *u = NULL;

	/* It takes as long for a user who is not there. */
	if (crypto_check_password(password, hashed != NULL ? hashed : a->nobody) && hashed != NULL)
		u = user_from_row(a->data, row);
	json_decref(row);
	return (u);
}

char *
auth_refusal(const struct user *u, int *status)
{
	if (!u->active) {
		*status = 401;
		return (xstrdup("Cannot complete request: User is inactive"));
	}
	if (u->nroles == 0) {
		*status = 403;
		return (xasprintf("User %s has no role or permissions.  Please assign the user a "
				  "valid role.",
		    u->name));
	}
	*status = 200;
	return (NULL);
}

/* Answers with the user, or with what is wrong with it. */
static void
conclude_check(struct check *c, struct user *u)
{
	int status;
	char *text = auth_refusal(u, &status);

	if (text == NULL) {
		c->done(u, 200, NULL, c->arg);
		return;
	}
	c->done(NULL, status, text, c->arg);
	free(text);
	user_unref(u);
}

struct user *
auth_login(struct auth *a, const char *name, const char *password, const char *from, int *status,
    char **error)
{
	struct user *u;

	*status = 429;
	if (auth_retry_after(a, from) > 0) {
		*error = xstrdup(too_many);
		return (NULL);
	}
	u = verify_password(a, name, password);
	count_login(a, from, u != NULL);
	if (u == NULL) {
		authlog_wrong(a->log, name, from);
		*status = 401;
		return (NULL);
	}
	if ((*error = auth_refusal(u, status)) == NULL)
		return (u);
	user_unref(u);
	return (NULL);
}

struct user *
auth_certified(struct auth *a, const char *name, int *status, char **error)
{
	struct user *u = user_load(a->data, name);

	if (u == NULL) {
		*status = 401;
		*error = xasprintf(
		    "the certificate of the client is for '%.100s', and there is no such user",
		    name);
	} else if ((*error = auth_refusal(u, status)) == NULL)
		return (u);
	user_unref(u);
	return (NULL);
}

static void
check_bearer(struct check *c, const char *token)
{
	uint64_t gen = verified_generation(c->auth->verified), now = wall_ms();
	json_t *claims = NULL;
	enum token_fault fault = token_read(c->auth->tokens, token, TOKEN_OPERATION, &claims);
	struct user *u = fault == TOKEN_GOOD ?
	    user_load(c->auth->data, json_string_value(json_object_get(claims, "username"))) :
	    NULL;
	uint64_t ends = (uint64_t)json_integer_value(json_object_get(claims, "exp")) * 1000;

	if (fault == TOKEN_EXPIRED)
		c->done(NULL, 403, "token expired", c->arg);
	else if (u == NULL || !token_is_of(claims, u)) {
		user_unref(u);
		c->done(NULL, 401, "invalid token", c->arg);
	} else {
		verified_add(c->auth->verified, c->id, u, gen,
		    ends > now ? (ends - now) * 1000 : 0);
		conclude_check(c, u);
	}
	json_decref(claims);
}

static void
check_basic(struct check *c, const char *encoded)
{
	char *password = NULL, *name = basic_read(encoded, &password);
	uint64_t gen = verified_generation(c->auth->verified);
	struct user *u = name != NULL ? verify_password(c->auth, name, password) : NULL;

	count_login(c->auth, c->from, u != NULL);
	if (u != NULL) {
		verified_add(c->auth->verified, c->id, u, gen, UINT64_MAX);
		conclude_check(c, u);
	} else {
		authlog_wrong(c->auth->log, name != NULL ? name : "", c->from);
		c->done(NULL, 401, "Login failed", c->arg);
	}
	basic_free(name, password);
}

static int
is_bearer(const char *header)
{
	return (strncasecmp(header, "Bearer ", 7) == 0);
}

static void
check_work(void *arg)
{
	struct check *c = arg;
	struct user *u = verified_find(c->auth->verified, c->id);

	/* Others with the same header may have waited before this one. */
	if (u != NULL)
		conclude_check(c, u);
	else if (is_bearer(c->header))
		check_bearer(c, c->header + strlen("Bearer "));
	/* Many may have been sent before the first of them failed. */
	else if (auth_retry_after(c->auth, c->from) > 0)
		c->done(NULL, 429, too_many, c->arg);
	else
		check_basic(c, c->header + strlen("Basic "));
	mem_wipe(c->header);
	free(c->from);
	free(c);
}

static void
header_id(struct auth *a, const char *header, uint8_t id[32])
{
	uint8_t text[sizeof(a->salt) + HEADER_MAX];
	size_t n = strlen(header);

	memcpy(text, a->salt, sizeof(a->salt));
	memcpy(text + sizeof(a->salt), header, n);
	crypto_sha256(text, sizeof(a->salt) + n, id);
}

/* The header is longer than any user with a password, or any token of ours. */
static void
refuse_long(struct auth *a, const struct credentials *c, struct check *now)
{
	if (is_bearer(c->authorization)) {
		now->done(NULL, 401, "invalid token", now->arg);
		return;
	}
	count_login(a, c->from, 0);
	authlog_wrong(a->log, "", c->from);
	now->done(NULL, 401, "Login failed", now->arg);
}

/* Who logged in and got that cookie; NULL: nobody, or the password is another one now. */
static struct user *
session_user(struct auth *a, const struct credentials *c)
{
	char *name = session_cookie_name(c->origin), id[37], *who = NULL;
	const char *found = NULL;
	const uint8_t *mark;
	uint8_t had[16];
	struct user *u;

	if (session_from_cookie(c->cookie, name, id)) {
		pthread_mutex_lock(&a->lock);
		if ((found = session_find(a->sessions, id, mono_us(), &mark)) != NULL) {
			who = xstrdup(found);
			memcpy(had, mark, sizeof(had));
		}
		pthread_mutex_unlock(&a->lock);
	}
	u = who != NULL ? user_load(a->data, who) : NULL;
	if (u != NULL && memcmp(u->mark, had, sizeof(had)) != 0) {
		user_unref(u);
		u = NULL;
	}
	free(who);
	free(name);
	return (u);
}

void
auth_check(struct auth *a, const struct credentials *c,
    void (*done)(struct user *u, int status, const char *error, void *arg), void *arg)
{
	struct check now = { .auth = a, .done = done, .arg = arg }, *later;
	const char *header = c->authorization;
	struct user *u;

	if (header == NULL) {
		u = c->cookie != NULL && data_conf_bool(a->data, AUTH_SESSIONS) ?
		    session_user(a, c) :
		    NULL;
		if (u != NULL)
			conclude_check(&now, u);
		else
			done(NULL, 401, NULL, arg);
		return;
	}
	if (strncasecmp(header, "Basic ", 6) != 0 && !is_bearer(header)) {
		done(NULL, 401, "Must login", arg);
		return;
	}
	if (strlen(header) <= HEADER_MAX) {
		header_id(a, header, now.id);
		if ((u = verified_find(a->verified, now.id)) != NULL) {
			conclude_check(&now, u);
			return;
		}
	}
	if (!is_bearer(header) && auth_retry_after(a, c->from) > 0) {
		done(NULL, 429, too_many, arg);
		return;
	}
	if (strlen(header) > HEADER_MAX) {
		refuse_long(a, c, &now);
		return;
	}
	later = xmemdup(&now, sizeof(now));
	later->header = xstrdup(header);
	later->from = xstrdup(c->from);
	if (workers_try(a->worker, WAITING_MAX, check_work, later) == 0)
		return;
	free(later->header);
	free(later->from);
	free(later);
	done(NULL, 503, "Too many logins are waiting to be checked, please try again later", arg);
}

/* ---- sessions and tokens ---- */

struct tokens *
auth_tokens(struct auth *a)
{
	return (a->tokens);
}

void
auth_session_begin(struct auth *a, const struct user *u, char id[37])
{
	pthread_mutex_lock(&a->lock);
	session_add(a->sessions, u, mono_us(), id);
	pthread_mutex_unlock(&a->lock);
}

void
auth_session_end(struct auth *a, const char *id)
{
	pthread_mutex_lock(&a->lock);
	session_end(a->sessions, id);
	pthread_mutex_unlock(&a->lock);
}

/* ---- life ---- */

struct auth *
auth_start(struct data *data, char **err)
{
	struct auth *a = xcalloc(1, sizeof(*a));
	struct conf *conf = data_conf(data);
	char *keys = conf_path(conf, "keys");

	a->data = data;
	a->verified = verified_new(data, VERIFIED_MAX);
	a->tokens = tokens_new(keys);
	a->sessions = sessions_new(SESSIONS_MAX);
	free(keys);
	conf_free(conf);
	pthread_mutex_init(&a->changing, NULL);
	pthread_mutex_init(&a->lock, NULL);
	crypto_random(a->salt, sizeof(a->salt));
	a->failures = failures_new(FAILING_MAX);
	a->log = authlog_new(data);
	a->nobody = crypto_hash_password("");
	if ((store_read_only(data->store) || firstuser_make(data, err) == 0) &&
	    (a->worker = workers_start(1, err)) != NULL)
		return (a);
	auth_stop(a);
	return (NULL);
}

void
auth_stop(struct auth *a)
{
	if (a == NULL)
		return;
	workers_stop(a->worker);
	verified_free(a->verified);
	failures_free(a->failures);
	sessions_free(a->sessions);
	tokens_free(a->tokens);
	authlog_free(a->log);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->changing);
	free(a->nobody);
	free(a);
}
