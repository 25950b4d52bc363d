#include "config.h"

#include "common/nats/natsopts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/iso.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/nats/creds.h"
#include "common/nats/nkey.h"

#define CONNECT_MS 2000 /* for one attempt */
#define WRITE_MS   2000 /* a server that does not read for so long is left */
#define PING_MS    5000
#define SEED_MAX   65536

struct natsopts {
	char *name;
	char *url, *user, *password; /* of the one server; url is NULL: those of conf */
	struct conf *conf;
};

struct natsopts *
natsopts_new(const struct nats_opts *o)
{
	struct natsopts *n = xcalloc(1, sizeof(*n));

	n->url = xstrdup(o->url);
	n->user = xstrdup(o->user);
	n->password = xstrdup(o->password);
	n->conf = conf_dup(o->conf);
	n->name = xstrdup(o->name != NULL ? o->name : o->url);
	return (n);
}

void
natsopts_free(struct natsopts *n)
{
	free(n->name);
	free(n->url);
	free(n->user);
	mem_wipe(n->password);
	conf_free(n->conf);
	free(n);
}

const char *
natsopts_name(const struct natsopts *n)
{
	return (n->name);
}

int
natsopts_is_external(const struct natsopts *n)
{
	return (n->url == NULL);
}

static const json_t *
url_list(const struct natsopts *n)
{
	return (conf_list(n->conf, NATS_URLS));
}

unsigned
natsopts_servers(const struct natsopts *n)
{
	return (n->url != NULL ? 1 : (unsigned)json_array_size(url_list(n)));
}

unsigned
natsopts_wait_ms(const struct natsopts *n)
{
	return ((unsigned)conf_int(n->conf, NATS_WAIT) * 1000);
}

unsigned
natsopts_retries(const struct natsopts *n)
{
	return ((unsigned)conf_int(n->conf, NATS_RETRIES));
}

/* The configuration was checked. */
static struct natsconf_url
read_url(const struct natsopts *n, unsigned server)
{
	struct natsconf_url u = { 0 };
	const char *text = json_string_value(json_array_get(url_list(n), server));
	char *err = NULL;

	if (text != NULL && natsconf_url_read(&u, text, &err) == -1)
		free(err);
	return (u);
}

char *
natsopts_url(const struct natsopts *n, unsigned server)
{
	struct natsconf_url u;
	char *text;

	if (n->url != NULL)
		return (xstrdup(n->url));
	u = read_url(n, server);
	text = natsconf_url_text(&u);
	natsconf_url_clear(&u);
	return (text);
}

/* The library puts "(file.c:123): " before it. */
const char *
natsopts_said(natsStatus s)
{
	const char *why = nats_GetLastError(NULL), *end;

	if (why == NULL || *why == '\0')
		return (natsStatus_GetText(s));
	end = *why == '(' ? strstr(why, "): ") : NULL;
	return (end != NULL ? end + 3 : why);
}

/* The servers only say that they do not let it in. */
static char *
why_expired(const struct natsopts *n)
{
	const char *path = n->url == NULL ? conf_str(n->conf, NATS_CREDS) : NULL;
	char *text = path != NULL ? file_read(path, SEED_MAX, NULL) : NULL, *why = NULL;
	char when[ISO_TEXT];
	int64_t end = text != NULL ? creds_end_ms(text) : 0;

	if (end != 0 && end <= (int64_t)wall_ms())
		why = xasprintf("the JWT in nats.creds_file %s expired at %s", path,
		    iso_text(end, when));
	mem_wipe(text);
	return (why);
}

char *
natsopts_why(const struct natsopts *n, natsStatus s)
{
	char *why = xstrdup(natsopts_said(s)), *more = why_expired(n), *both;

	if (more == NULL)
		return (why);
	both = xasprintf("%s: %s", why, more);
	free(more);
	free(why);
	return (both);
}

/* ---- logging in ---- */

/* The library puts these texts into JSON as they are, up to 3.14 at least. */
static char *
json_escape(const char *s)
{
	struct buf b = { 0 };

	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addf(&b, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			buf_addf(&b, "\\u%04x", (unsigned char)*s);
		else
			buf_u8(&b, (uint8_t)*s);
	}
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
}

static natsStatus
use_user(natsOptions *opts, const char *user, const char *password)
{
	char *u = json_escape(user), *p = json_escape(password != NULL ? password : "");
	natsStatus s = natsOptions_SetUserInfo(opts, u, p);

	free(u);
	mem_wipe(p);
	return (s);
}

static natsStatus
use_token(natsOptions *opts, const char *token)
{
	char *t = json_escape(token);
	natsStatus s = natsOptions_SetToken(opts, t);

	mem_wipe(t);
	return (s);
}

/* The library signs with the seed, but does not find the public key by itself. */
static natsStatus
use_seed(natsOptions *opts, const char *path, char **err)
{
	char *text = file_read(path, SEED_MAX, NULL), public[NKEY_PUBLIC_LEN];
	natsStatus s = NATS_INVALID_ARG;

	if (text == NULL)
		*err = xasprintf("nats.seed_file %s: %s", path, strerror(errno));
	else if (nkey_public(text, public) == -1)
		*err = xasprintf("nats.seed_file %s has no seed of a user's NKey (SU...)", path);
	else
		s = natsOptions_SetNKeyFromSeed(opts, public, path);
	mem_wipe(text);
	return (s);
}

/* What the URL says counts most. */
static natsStatus
use_login(natsOptions *opts, const struct conf *c, const struct natsconf_url *u, char **err)
{
	const char *user = conf_str(c, NATS_USER), *token = conf_str(c, NATS_TOKEN);
	const char *creds = conf_str(c, NATS_CREDS), *seed = conf_str(c, NATS_SEED);

	if (u->user != NULL)
		return (use_user(opts, u->user, u->password));
	if (u->token != NULL)
		return (use_token(opts, u->token));
	if (user != NULL)
		return (use_user(opts, user, conf_str(c, NATS_PASSWORD)));
	if (token != NULL)
		return (use_token(opts, token));
	if (creds != NULL)
		return (natsOptions_SetUserCredentialsFromFiles(opts, creds, NULL));
	if (seed != NULL)
		return (use_seed(opts, seed, err));
	return (NATS_OK);
}

/* ---- TLS ---- */

static natsStatus
load_file(natsStatus s, const char *key, const char *path, char **err)
{
	if (s != NATS_OK)
		*err = xasprintf("%s %s: %s", key, path, natsopts_said(s));
	return (s);
}

static natsStatus
use_tls(natsOptions *opts, const struct conf *c, const struct natsconf_url *u, char **err)
{
	const char *ca = conf_str(c, NATS_CA), *cert = conf_str(c, NATS_CERT);
	natsStatus s;

	if (!u->tls && ca == NULL && cert == NULL)
		return (NATS_OK);
	s = natsOptions_SetSecure(opts, true);
	if (s == NATS_OK)
		s = natsOptions_SetExpectedHostname(opts, u->host);
	if (s == NATS_OK && ca != NULL)
		s = load_file(natsOptions_LoadCATrustedCertificates(opts, ca), "nats.ca_file", ca,
		    err);
	if (s == NATS_OK && cert != NULL)
		s = load_file(natsOptions_LoadCertificatesChain(opts, cert, conf_str(c, NATS_KEY)),
		    "nats.cert_file", cert, err);
	return (s);
}

/* ---- all of them ---- */

/* Without it the library would write to stderr itself; what is wrong it also returns. */
static void
natsopts_error_cb(natsConnection *conn, natsSubscription *sub, natsStatus s, void *arg)
{
	const char *text = NULL;

	(void)natsConnection_GetLastError(conn, &text);
	log_warnx("nats: %s", text != NULL && *text != '\0' ? text : natsStatus_GetText(s));
}

static natsStatus
use_rest(natsOptions *opts, const struct natsopts *n)
{
	natsStatus s = natsOptions_SetName(opts, n->name);

	if (s == NATS_OK)
		s = natsOptions_SetAllowReconnect(opts, false);
	if (s == NATS_OK)
		s = natsOptions_SetIgnoreDiscoveredServers(opts, true);
	if (s == NATS_OK)
		s = natsOptions_SetTimeout(opts, CONNECT_MS);
	if (s == NATS_OK)
		s = natsOptions_SetWriteDeadline(opts, WRITE_MS);
	if (s == NATS_OK)
		s = natsOptions_SetPingInterval(opts, PING_MS);
	/* Else its flusher thread adds a millisecond to each message. */
	if (s == NATS_OK)
		s = natsOptions_SetSendAsap(opts, true);
	/* One thread for all subscriptions. */
	if (s == NATS_OK)
		s = natsOptions_UseGlobalMessageDelivery(opts, true);
	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(opts, natsopts_error_cb, NULL);
	return (s);
}

static natsStatus
use_external(natsOptions *opts, const struct natsopts *n, unsigned server, char **err)
{
	struct natsconf_url u = read_url(n, server);
	natsStatus s = use_login(opts, n->conf, &u, err);

	if (s == NATS_OK)
		s = use_tls(opts, n->conf, &u, err);
	natsconf_url_clear(&u);
	return (s);
}

natsOptions *
natsopts_make(const struct natsopts *n, unsigned server, char **err)
{
	natsOptions *opts = NULL;
	char *url = natsopts_url(n, server);
	natsStatus s = natsOptions_Create(&opts);

	*err = NULL;
	if (s == NATS_OK)
		s = natsOptions_SetURL(opts, url);
	if (s == NATS_OK)
		s = use_rest(opts, n);
	if (s == NATS_OK && n->url == NULL)
		s = use_external(opts, n, server, err);
	else if (s == NATS_OK && n->user != NULL)
		s = use_user(opts, n->user, n->password);
	free(url);
	if (s == NATS_OK)
		return (opts);
	if (*err == NULL)
		*err = xstrdup(natsStatus_GetText(s));
	natsOptions_Destroy(opts);
	return (NULL);
}
