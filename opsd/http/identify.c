#include "config.h"

#include <pthread.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/auth/auth.h"
#include "opsd/auth/user.h"
#include "opsd/http/clientcert.h"
#include "opsd/http/exchange.h"

/* Who asks. */

static int
is_loopback(const char *address)
{
	return (strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 ||
	    strncmp(address, "::ffff:127.", 11) == 0);
}

/* Any page in a browser on this machine could be who asks: it must have been named. */
static int
is_trusted_page(struct exchange *x)
{
	const char *origin = head_find(&x->head, "Origin");

	return (origin == NULL || cors_names(x->thread->http->cors, origin));
}

static void
no_credentials(struct exchange *x)
{
	x->known = 1;
	if (is_loopback(x->from) && data_conf_bool(x->thread->http->data, AUTH_LOCAL) &&
	    is_trusted_page(x))
		x->r.user = user_local();
	else
		x->nobody = 1;
	exchange_want_body(x);
}

static void
user_known(void *arg)
{
	struct exchange *x = arg;

	x->r.user = x->checked;
	x->known = 1;
	if (x->conn == NULL)
		exchange_free(x);
	else if (x->checked == NULL && x->check_error == NULL)
		no_credentials(x);
	else {
		x->nobody = x->checked == NULL;
		exchange_want_body(x);
	}
}

static void
on_user(struct user *u, int status, const char *error, void *arg)
{
	struct exchange *x = arg;

	x->checked = u;
	x->check_status = status;
	x->check_error = xstrdup(error);
	if (pthread_equal(pthread_self(), x->thread->id))
		user_known(x);
	else if (!http_post(x->thread, user_known, x)) {
		user_unref(u);
		exchange_free(x);
	}
}

/* Whom the client's certificate names, or nobody: with that for a reason. */
static void
take_certified(struct exchange *x, enum clientcert_says says, const char *text)
{
	x->certified = 1;
	x->checked = NULL;
	x->check_status = 401;
	if (says == CLIENTCERT_USER)
		x->checked = auth_certified(x->thread->http->auth, text, &x->check_status,
		    &x->check_error);
	else
		x->check_error = xstrdup(text);
	user_known(x);
}

/*
 * A page of another origin could have the browser show the certificate, as with a cookie.  What
 * the request itself says counts more.
 */
static int
takes_cert(struct exchange *x, enum clientcert_says says, const struct credentials *given)
{
	if (says == CLIENTCERT_REFUSED)
		return (1);
	return (says != CLIENTCERT_NOTHING && given->authorization == NULL && is_trusted_page(x) &&
	    (says == CLIENTCERT_USER || given->cookie == NULL));
}

void
identify_user(struct exchange *x)
{
	const char *text = NULL;
	enum clientcert_says says = clientcert_ask(x->conn, &text);
	struct credentials given = {
		.authorization = head_find(&x->head, "Authorization"),
		.cookie = head_find(&x->head, "Cookie"),
		.origin = head_find(&x->head, "Origin"),
		.from = x->from,
		.secure = x->r.secure,
	};

	if (x->r.local) {
		x->known = 1;
		x->r.user = user_local();
		exchange_want_body(x);
	} else if (takes_cert(x, says, &given))
		take_certified(x, says, text);
	else if (given.authorization != NULL || given.cookie != NULL)
		auth_check(x->thread->http->auth, &given, on_user, x);
	else
		no_credentials(x);
}
