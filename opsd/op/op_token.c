#include "config.h"

#include "opsd/op/op.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/base/mem.h"
#include "opsd/auth/auth.h"
#include "opsd/auth/authlog.h"
#include "opsd/auth/session.h"
#include "opsd/auth/token.h"
#include "opsd/auth/user.h"
#include "opsd/op/node.h"

/* Ways to be somebody without a password in each request: tokens, and sessions with a cookie. */

static void
log_login(struct request *r, const char *name, const char *refused)
{
	struct authlog_event e = {
		.user = name,
		.from = r->from,
		.local = r->local,
		.method = "POST",
		.path = "/",
		.operation = r->op->name,
	};

	authlog_login(&r->ops->data.live, &e, refused);
}

/*
 * Who logs in: by username and password in the body, or whoever sends the request.
 * Counted; NULL with the request answered, a wrong password with `wrong`.
 */
static struct user *
who_logs_in(struct request *r, const char *wrong)
{
	struct faults f = { 0 };
	int named = json_object_get(r->body, "username") != NULL ||
	    json_object_get(r->body, "password") != NULL,
	    status;
	const char *name = named ? field_string(&f, r->body, "username", 1) : NULL;
	const char *password = named ? field_string(&f, r->body, "password", 0) : NULL;
	struct user *u = NULL;
	char *error = NULL;

	if (faults_answer(r, &f))
		return (NULL);
	if (named && password == NULL)
		status = 401; /* nothing that could be looked at */
	else if (named) {
		u = auth_login(r->ops->auth, name, password, r->from, &status, &error);
		if (u != NULL || status != 429)
			log_login(r, name, u != NULL ? NULL : error != NULL ? error : wrong);
	}
	/* Who may everything on the node itself is no user whom a token could name. */
	else if (r->user != NULL)
		u = user_load(&r->ops->data, r->user->name);
	if (u == NULL && !named)
		reply_error(r, 401, "Must login");
	else if (u == NULL)
		reply_error(r, status, "%s", error != NULL ? error : wrong);
	free(error);
	return (u);
}

/* ---- tokens ---- */

/* The token as a member of *o, made when NULL; -1 with the request answered. */
static int
add_token(struct request *r, json_t **o, const char *name, const struct user *u,
    enum token_kind kind, int64_t ms)
{
	char *err = NULL, *token = token_make(auth_tokens(r->ops->auth), u, kind, ms, &err);

	if (token == NULL) {
		json_decref(*o);
		reply_error(r, 500, "%s", err);
		free(err);
		return (-1);
	}
	if (*o == NULL)
		*o = json_object();
	json_object_set_new(*o, name, json_string(token));
	free(token);
	return (0);
}

static void
create_authentication_tokens(struct request *r)
{
	const json_t *in = json_object_get(r->body, "expires_in");
	int64_t ms = in != NULL ? conf_ms(in) : data_conf_int(&r->ops->data, AUTH_OPERATION_TOKEN);
	struct user *u;
	json_t *o = NULL;

	if (ms < 1) {
		reply_error(r, 400,
		    "'expires_in' must be a number of milliseconds, or such as 30s, "
		    "10m, 12h, 3d");
		return;
	}
	if ((u = who_logs_in(r, "invalid credentials")) == NULL)
		return;
	if (add_token(r, &o, "operation_token", u, TOKEN_OPERATION, ms) == 0 &&
	    add_token(r, &o, "refresh_token", u, TOKEN_REFRESH,
		data_conf_int(&r->ops->data, AUTH_REFRESH_TOKEN)) == 0)
		reply_json(r, 200, o);
	user_unref(u);
}

/* In the body, or as Bearer. */
static const char *
refresh_token(struct request *r, struct faults *f)
{
	const char *header = request_header(r, "Authorization");

	if (json_object_get(r->body, "refresh_token") == NULL && header != NULL &&
	    strncasecmp(header, "Bearer ", 7) == 0)
		return (header + 7);
	return (field_string(f, r->body, "refresh_token", 1));
}

static void
refresh_operation_token(struct request *r)
{
	struct faults f = { 0 };
	const char *token = refresh_token(r, &f);
	enum token_fault fault;
	json_t *claims = NULL, *o = NULL;
	struct user *u = NULL;
	char *refusal;
	int status;

	if (faults_answer(r, &f))
		return;
	fault = token_read(auth_tokens(r->ops->auth), token, TOKEN_REFRESH, &claims);
	if (fault == TOKEN_GOOD)
		u = user_load(&r->ops->data,
		    json_string_value(json_object_get(claims, "username")));
	if (fault == TOKEN_EXPIRED)
		reply_error(r, 403, "token expired");
	else if (u == NULL || !token_is_of(claims, u))
		reply_error(r, 401, "invalid token");
	else if ((refusal = auth_refusal(u, &status)) != NULL) {
		reply_error(r, status, "%s", refusal);
		free(refusal);
	} else if (add_token(r, &o, "operation_token", u, TOKEN_OPERATION,
		       data_conf_int(&r->ops->data, AUTH_OPERATION_TOKEN)) == 0)
		reply_json(r, 200, o);
	user_unref(u);
	json_decref(claims);
}

/* ---- sessions ---- */

/* The page that asks comes from the host that is asked, as far as it says where it comes from. */
static int
is_same_host(struct request *r)
{
	const char *origin = request_header(r, "Origin"), *host = request_header(r, "Host");
	const char *from = origin != NULL ? strstr(origin, "://") : NULL;
	size_t n;

	if (from == NULL || host == NULL)
		return (0);
	from += 3;
	n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	return (strncasecmp(from, host, n) == 0 && (from[n] == '\0' || from[n] == ':'));
}

/*
 * Pages of other sites, such as a console, send it over TLS alone, as browsers want it then.
 * Their cookies have other names (session_cookie_name).
 */
static const char *
cookie_scope(struct request *r)
{
	if (!r->secure)
		return ("SameSite=Lax");
	return (is_same_host(r) ? "SameSite=Lax; Secure" : "SameSite=None; Secure");
}

static void
set_cookie(struct request *r, const char *id, uint64_t seconds)
{
	char *name = session_cookie_name(request_header(r, "Origin")), *text, until[40];
	time_t t = seconds > 0 ? time(NULL) + (time_t)seconds : 0;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(until, sizeof(until), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	text = xasprintf("%s=%s; Path=/; Expires=%s; HttpOnly; %s", name, id, until,
	    cookie_scope(r));
	reply_header(r, "Set-Cookie", text);
	if (r->secure)
		reply_header(r, "X-Hdb-Session", "Secure");
	free(text);
	free(name);
}

static void
login_session(struct request *r)
{
	int enabled;
	struct user *u;
	char id[37];

	enabled = data_conf_bool(&r->ops->data, AUTH_SESSIONS);
	if (!enabled) {
		reply_error(r, 400,
		    "There are no sessions: authentication.enableSessions is false");
		return;
	}
	if ((u = who_logs_in(r, "Login failed")) == NULL)
		return;
	auth_session_begin(r->ops->auth, u, id);
	set_cookie(r, id, SESSION_IDLE_US / 1000000);
	reply_message(r, "Login successful");
	user_unref(u);
}

static void
logout_session(struct request *r)
{
	const char *cookie = request_header(r, "Cookie");
	char *name = session_cookie_name(request_header(r, "Origin")), id[37];

	if (cookie != NULL && session_from_cookie(cookie, name, id)) {
		auth_session_end(r->ops->auth, id);
		set_cookie(r, "", 0);
	}
	free(name);
	reply_message(r, "Logout successful");
}

const struct op ops_token[] = {
	{ "create_authentication_tokens", "createTokens", RIGHT_OPEN, ON_WORKER,
	    create_authentication_tokens },
	{ "refresh_operation_token", "refreshOperationToken", RIGHT_OPEN, ON_WORKER,
	    refresh_operation_token },
	{ "login", "login", RIGHT_OPEN, ON_WORKER, login_session },
	{ "logout", "logout", RIGHT_SELF, ON_HTTP, logout_session },
	{ NULL },
};
