#include "config.h"

#include "common/conf/natsconf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/hex.h"
#include "common/base/mem.h"
#include "common/conf/conf_priv.h"

#define PREFIX_MAX    64
#define PAYLOAD_USUAL (1 << 20)   /* max_payload of a server that nobody set it for */
#define PAYLOAD_ROOM  (256 << 10) /* around the largest transaction */

int
natsconf_is_external(const struct conf *c)
{
	return (json_array_size(conf_list(c, NATS_URLS)) > 0);
}

int
natsconf_is_bundled(const struct conf *c)
{
	return (conf_bool(c, CL_ENABLED) && !natsconf_is_external(c));
}

struct natsconf_names
natsconf_names(const struct conf *c)
{
	int external = natsconf_is_external(c);

	return ((struct natsconf_names){
	    .subjects = conf_str(c, NATS_SUBJECT_PREFIX),
	    .streams = conf_str(c, NATS_STREAM_PREFIX),
	    .external = external,
	    .domain = external ? conf_str(c, NATS_DOMAIN) : NULL,
	});
}

int64_t
natsconf_max_transaction(const struct conf *c)
{
	if (natsconf_is_external(c) && !conf_is_set(c, CL_MAX_TRANSACTION))
		return (PAYLOAD_USUAL - PAYLOAD_ROOM);
	return (conf_int(c, CL_MAX_TRANSACTION));
}

int64_t
natsconf_max_payload(const struct conf *c)
{
	return (natsconf_max_transaction(c) + PAYLOAD_ROOM);
}

/* ---- URLs ---- */

static char *
url_decoded(const char *s, size_t n)
{
	char *out = xcalloc(n + 1, 1);
	size_t at = 0;
	uint8_t byte;

	for (size_t i = 0; i < n; i++) {
		char two[3] = { 0 };

		if (s[i] == '%' && n - i > 2)
			memcpy(two, s + i + 1, 2);
		if (two[0] != '\0' && hex_read(two, &byte, 1) == 0 && byte != 0) {
			out[at++] = (char)byte;
			i += 2;
		} else
			out[at++] = s[i];
	}
	return (out);
}

static void
url_login(struct natsconf_url *u, const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);

	if (colon == NULL)
		u->token = url_decoded(s, n);
	else {
		u->user = url_decoded(s, (size_t)(colon - s));
		u->password = url_decoded(colon + 1, n - (size_t)(colon - s) - 1);
	}
}

/* After the scheme; -1: it is no host and port. */
static int
url_place(struct natsconf_url *u, const char *s)
{
	struct repaddress a;
	size_t n = strlen(s);
	char *place = xstrndup(s, n > 0 && s[n - 1] == '/' ? n - 1 : n);
	int rc = repaddress_read(&a, place);

	free(place);
	if (rc == -1 || a.scheme != REPADDRESS_BARE || a.host[0] == '\0')
		return (-1);
	memcpy(u->host, a.host, sizeof(u->host));
	u->port = a.port != 0 ? a.port : NATSCONF_PORT;
	return (0);
}

int
natsconf_url_read(struct natsconf_url *u, const char *text, char **err)
{
	const char *s = text, *at, *scheme = strstr(text, "://");

	*u = (struct natsconf_url){ 0 };
	if (scheme != NULL) {
		u->tls = strncasecmp(text, "tls://", 6) == 0;
		s = scheme + 3;
		if (!u->tls && strncasecmp(text, "nats://", 7) != 0) {
			*err = xasprintf("must begin with nats:// or tls://");
			return (-1);
		}
	}
	/* A password may have an @ as it is. */
	if ((at = strrchr(s, '@')) != NULL) {
		url_login(u, s, (size_t)(at - s));
		s = at + 1;
	}
	if (url_place(u, s) == 0)
		return (0);
	natsconf_url_clear(u);
	*err = xasprintf("must be a URL such as nats://server-one:4222");
	return (-1);
}

void
natsconf_url_clear(struct natsconf_url *u)
{
	free(u->user);
	mem_wipe(u->password);
	mem_wipe(u->token);
	*u = (struct natsconf_url){ 0 };
}

char *
natsconf_url_text(const struct natsconf_url *u)
{
	int colons = strchr(u->host, ':') != NULL;

	return (xasprintf("%s://%s%s%s:%d", u->tls ? "tls" : "nats", colons ? "[" : "", u->host,
	    colons ? "]" : "", u->port));
}

/* ---- the node's own leaf server ---- */

struct repaddress
natsconf_leaf(const struct conf *c)
{
	struct repaddress leaf = { .port = (int)conf_int(c, LEAF_PORT) }, bind = { 0 };
	const char *host = conf_str(c, LEAF_HOST);
	json_t *v = conf_value(c, NATS_BIND);

	snprintf(leaf.host, sizeof(leaf.host), "%s", host != NULL ? host : "");
	if (json_is_integer(v))
		leaf.port = (int)json_integer_value(v);
	else if (json_is_string(v) && repaddress_read(&bind, json_string_value(v)) == 0)
		leaf = bind;
	json_decref(v);
	return (leaf);
}

/* ---- what may be ---- */

/* Letters, digits, _ and -, in tokens with dots between them where there may be several. */
static int
is_prefix(const char *s, int dots)
{
	size_t n = strlen(s);

	if (n == 0 || n > PREFIX_MAX || s[0] == '.' || s[n - 1] == '.' || strstr(s, "..") != NULL)
		return (0);
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr(dots ? "_-." : "_-", *s) == NULL)
			return (0);
	return (1);
}

static void
check_prefix(const struct conf *c, enum conf_key key, int dots, struct buf *errs)
{
	const char *s = conf_str(c, key);

	if (s != NULL && !is_prefix(s, dots))
		conf_fault(errs, "'%s' must be 1 to %d letters, digits, '_'%s", conf_name(key),
		    PREFIX_MAX, dots ? ", '-' and, between others, '.'" : " and '-'");
}

static int
is_hidden(const char *s)
{
	return (s != NULL && strcmp(s, NATSCONF_HIDDEN) == 0);
}

static void
check_hidden(const struct conf *c, enum conf_key key, struct buf *errs)
{
	if (is_hidden(conf_str(c, key)))
		conf_fault(errs, "'%s' must not be %s: that is how it is shown", conf_name(key),
		    NATSCONF_HIDDEN);
}

static void
check_urls(const struct conf *c, struct buf *errs)
{
	const json_t *one;
	struct natsconf_url u;
	char *why = NULL;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)conf_list(c, NATS_URLS), i, one) {
		if (natsconf_url_read(&u, json_string_value(one), &why) == -1) {
			conf_fault(errs, "'%s[%zu]' %s", conf_name(NATS_URLS), i, why);
			free(why);
			continue;
		}
		if (is_hidden(u.password) || is_hidden(u.token))
			conf_fault(errs,
			    "'%s[%zu]' must have its password, not %s: that is how it is shown",
			    conf_name(NATS_URLS), i, NATSCONF_HIDDEN);
		natsconf_url_clear(&u);
	}
}

/* Who logs in does it in one way. */
static void
check_login(const struct conf *c, struct buf *errs)
{
	static const enum conf_key ways[] = { NATS_USER, NATS_TOKEN, NATS_CREDS, NATS_SEED };
	enum conf_key one = CONF_KEYS;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (conf_str(c, ways[i]) == NULL)
			continue;
		if (one != CONF_KEYS)
			conf_fault(errs, "'%s' and '%s' do not go together", conf_name(one),
			    conf_name(ways[i]));
		one = ways[i];
	}
	if (conf_str(c, NATS_PASSWORD) != NULL && conf_str(c, NATS_USER) == NULL)
		conf_fault(errs, "'%s' is required when '%s' is set", conf_name(NATS_USER),
		    conf_name(NATS_PASSWORD));
	if ((conf_str(c, NATS_CERT) == NULL) != (conf_str(c, NATS_KEY) == NULL))
		conf_fault(errs, "'%s' and '%s' go together", conf_name(NATS_CERT),
		    conf_name(NATS_KEY));
}

static void
check_whose(const struct conf *c, struct buf *errs)
{
	static const enum conf_key own[] = { NATS_BIND, NATS_SERVER_CONFIG };

	if (!natsconf_is_external(c)) {
		if (conf_int(c, LOG_REPLICAS) > 1)
			conf_fault(errs,
			    "'%s' must be 1 without '%s': the node's own server is one",
			    conf_name(LOG_REPLICAS), conf_name(NATS_URLS));
		return;
	}
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (conf_is_set(c, own[i]))
			conf_fault(errs,
			    "'%s' and '%s' do not go together: the node then has no server",
			    conf_name(own[i]), conf_name(NATS_URLS));
}

void
natsconf_check(const struct conf *c, struct buf *errs)
{
	check_urls(c, errs);
	check_login(c, errs);
	check_hidden(c, NATS_PASSWORD, errs);
	check_hidden(c, NATS_TOKEN, errs);
	check_prefix(c, NATS_SUBJECT_PREFIX, 1, errs);
	check_prefix(c, NATS_STREAM_PREFIX, 0, errs);
	check_prefix(c, NATS_DOMAIN, 0, errs);
	check_whose(c, errs);
}

int
natsconf_same(const struct conf *a, const struct conf *b)
{
	for (int key = 0; key < CONF_KEYS; key++)
		if ((strncmp(conf_name((enum conf_key)key), "nats.", 5) == 0 ||
			key == LOG_REPLICAS) &&
		    !conf_equal(a, b, (enum conf_key)key))
			return (0);
	return (1);
}

/* ---- what is shown ---- */

static json_t *
url_shown(const json_t *one)
{
	const char *text = json_string_value(one), *place, *scheme, *colon;
	json_t *shown;

	if (text == NULL || (place = strrchr(text, '@')) == NULL)
		return (json_copy((json_t *)(uintptr_t)one));
	scheme = strstr(text, "://");
	scheme = scheme != NULL && scheme < place ? scheme + 3 : text;
	colon = memchr(scheme, ':', (size_t)(place - scheme));
	if (colon != NULL)
		scheme = colon + 1;
	shown = json_sprintf("%.*s%s%s", (int)(scheme - text), text, NATSCONF_HIDDEN, place);
	return (shown != NULL ? shown : json_string(NATSCONF_HIDDEN));
}

json_t *
natsconf_shown(enum conf_key key, json_t *value)
{
	json_t *shown = value;
	const json_t *one;
	size_t i;

	if ((key == NATS_PASSWORD || key == NATS_TOKEN) && !json_is_null(value))
		shown = json_string(NATSCONF_HIDDEN);
	else if (key == NATS_URLS) {
		shown = json_array();
		json_array_foreach(value, i, one)
			json_array_append_new(shown, url_shown(one));
	}
	if (shown != value)
		json_decref(value);
	return (shown);
}

json_t *
natsconf_tree(const struct conf *c)
{
	json_t *tree = conf_tree(c), *nats = json_object_get(tree, "nats");
	static const struct {
		enum conf_key key;
		const char *name;
	} secrets[] = { { NATS_URLS, "urls" }, { NATS_PASSWORD, "user_password" },
		{ NATS_TOKEN, "token" } };

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		json_object_set_new(nats, secrets[i].name,
		    natsconf_shown(secrets[i].key, conf_value(c, secrets[i].key)));
	return (tree);
}
