#include "config.h"

#include "leafconf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "natsd.h"

#define ROUTES_MAX	1000
#define HOST_MAX	255
#define MAX_STORE	(1LL << 50)	/* the stream has its own limit */

/*
 * JetStream's API at this node that peers have no use for.  They need
 * STREAM.INFO, STREAM.MSG.GET, CONSUMER.CREATE, INFO, DELETE and MSG.NEXT.
 */
static const char *const denied_api[] = {
	"INFO",
	"ACCOUNT.>",
	"SERVER.>",
	"META.>",
	"DIRECT.GET.>",
	"STREAM.CREATE.*",
	"STREAM.UPDATE.*",
	"STREAM.DELETE.*",
	"STREAM.PURGE.*",
	"STREAM.SNAPSHOT.*",
	"STREAM.RESTORE.*",
	"STREAM.NAMES",
	"STREAM.LIST",
	"STREAM.MSG.DELETE.*",
	"STREAM.PEER.>",
	"STREAM.LEADER.>",
	"STREAM.TEMPLATE.>",
	"CONSUMER.DURABLE.>",
	"CONSUMER.NAMES.*",
	"CONSUMER.LIST.*",
	"CONSUMER.LEADER.>",
	"CONSUMER.PAUSE.>",
	"CONSUMER.UNPIN.>",
	"CONSUMER.RESET.>",
};

/* Settings */

static char *
dup_string(const json_t *root, const char *key)
{
	return (xstrdup(json_string_value(json_object_get(root, key))));
}

static int
is_true(const json_t *root, const char *key)
{
	return (json_is_true(json_object_get(root, key)));
}

static int
hex_digit(char ch)
{
	static const char	 digits[] = "0123456789abcdef0123456789ABCDEF";
	const char		*at = ch != '\0' ? strchr(digits, ch) : NULL;

	return (at != NULL ? (int)((at - digits) % 16) : -1);
}

int
node_id_read(const char *hex, uint8_t out[NODE_ID_LEN])
{
	size_t	i;
	int	high, low;

	if (hex == NULL || strlen(hex) != 2 * NODE_ID_LEN)
		return (-1);
	for (i = 0; i < NODE_ID_LEN; i++) {
		high = hex_digit(hex[2 * i]);
		low = hex_digit(hex[2 * i + 1]);
		if (high == -1 || low == -1)
			return (-1);
		out[i] = (uint8_t)(high << 4 | low);
	}
	return (0);
}

/* What is missing for a leaf to run; NULL: nothing. */
static const char *
missing(const struct leaf_settings *s, const char *node_id)
{
	uint8_t id[NODE_ID_LEN];

	if (s->node == NULL || *s->node == '\0')
		return ("clustering.nodeName is not set");
	if (node_id_read(node_id, id) == -1)
		return ("the node has no id");
	if (s->user == NULL || *s->user == '\0')
		return ("clustering.user is not set");
	if (s->password == NULL || *s->password == '\0')
		return ("the cluster user has no password");
	return (NULL);
}

static struct leaf_settings *
read_object(const json_t *root, char **err)
{
	struct leaf_settings	*s = xcalloc(1, sizeof(*s));
	const json_t		*tls = json_object_get(root, "tls");
	const char		*id = json_string_value(json_object_get(root, "node_id"));

	s->enabled = is_true(root, "enabled");
	s->node = dup_string(root, "node");
	(void)node_id_read(id, s->node_id);
	s->user = dup_string(root, "user");
	s->password = dup_string(root, "password");
	s->cert = dup_string(tls, "certificate");
	s->key = dup_string(tls, "privateKey");
	s->ca = dup_string(tls, "certificateAuthority");
	s->insecure = is_true(tls, "insecure");
	s->verify = is_true(tls, "verify");
	s->conf = conf_from_tree(json_object_get(root, "config"), err);
	if (s->conf != NULL && (!s->enabled || missing(s, id) == NULL))
		return (s);
	if (s->conf != NULL)
		*err = xstrdup(missing(s, id));
	leaf_settings_free(s);
	return (NULL);
}

struct leaf_settings *
leaf_settings_read(const void *json, size_t len, char **err)
{
	json_error_t		 why;
	json_t			*root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &why);
	struct leaf_settings	*s = NULL;

	if (json_is_object(root))
		s = read_object(root, err);
	else
		*err = xasprintf("not an object: %s", root == NULL ? why.text : "other JSON");
	json_decref(root);
	return (s);
}

void
leaf_settings_free(struct leaf_settings *s)
{
	if (s == NULL)
		return;
	free(s->node);
	free(s->user);
	free(s->password);
	free(s->cert);
	free(s->key);
	free(s->ca);
	conf_free(s->conf);
	free(s);
}

/* Text */

static void
add_string(struct buf *b, const char *key, const char *value)
{
	buf_addf(b, "%s: ", key);
	natsd_quote(b, value);
	buf_u8(b, '\n');
}

static void
add_address(struct buf *b, const struct conf *c, enum conf_key host, enum conf_key port)
{
	add_string(b, "host", conf_str(c, host));
	buf_addf(b, "port: %" PRId64 "\n", conf_int(c, port));
}

/* As in a URL's user part (RFC 3986: unreserved stays). */
static void
add_percent(struct buf *b, const char *s)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *s != '\0'; s++) {
		if (strchr(plain, *s) != NULL)
			buf_u8(b, (uint8_t)*s);
		else
			buf_addf(b, "%%%02X", (unsigned char)*s);
	}
}

static void
add_host_port(struct buf *b, const char *host, int64_t port)
{
	int bare_v6 = strchr(host, ':') != NULL && *host != '[';

	buf_addf(b, "%s%s%s:%" PRId64, bare_v6 ? "[" : "", host, bare_v6 ? "]" : "", port);
}

/* A wildcard address is one to listen on, not one to dial. */
static const char *
dialled(const char *host)
{
	if (*host == '\0' || strcmp(host, "0.0.0.0") == 0)
		return ("127.0.0.1");
	if (strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0)
		return ("::1");
	return (host);
}

static void
add_url(struct buf *b, const struct leaf_settings *s, const char *scheme, const char *host,
    int64_t port)
{
	struct buf url = { 0 };

	buf_addf(&url, "%s://", scheme);
	add_percent(&url, s->user);
	buf_u8(&url, ':');
	add_percent(&url, s->password);
	buf_u8(&url, '@');
	add_host_port(&url, host, port);
	buf_u8(&url, 0);
	natsd_quote(b, (const char *)url.data);
	buf_u8(b, '\n');
	buf_free(&url);
}

static void
add_tls(struct buf *b, const struct leaf_settings *s, int insecure)
{
	buf_addf(b, "tls {\n");
	if (s->cert != NULL && s->key != NULL) {
		add_string(b, "cert_file", s->cert);
		add_string(b, "key_file", s->key);
	}
	if (s->ca != NULL)
		add_string(b, "ca_file", s->ca);
	if (insecure)
		buf_addf(b, "insecure: true\n");
	buf_addf(b, "timeout: 5\n}\n");
}

/*
 * Only requests and what consumers ask for cross a link: no node publishes
 * into another one's stream, and none manages it.
 */
static void
add_denied(struct buf *b, const char *node)
{
	char	*subject;
	size_t	 i;

	buf_addf(b, "deny_exports: [ \"hl.txn.>\" ]\ndeny_imports: [\n\"hl.txn.>\"\n");
	for (i = 0; i < sizeof(denied_api) / sizeof(denied_api[0]); i++) {
		subject = xasprintf("$JS.%s.API.%s", node, denied_api[i]);
		natsd_quote(b, subject);
		buf_u8(b, '\n');
		free(subject);
	}
	buf_addf(b, "]\n");
}

/* Remotes */

struct route {
	const char	*scheme, *host;
	int64_t		 port;
	int		 separate;
};

static const char *
route_scheme(const json_t *tls)
{
	const char *word = json_string_value(tls);

	if (tls == NULL || json_is_null(tls) || json_is_true(tls))
		return ("tls");
	if (json_is_false(tls))
		return ("nats");
	return (word != NULL && strcmp(word, "wss") == 0 ? "wss" : NULL);
}

/* -1 when it is no route. */
static int
route_read(const json_t *json, struct route *r)
{
	const json_t *p = json_object_get(json, "port");

	r->host = json_string_value(json_object_get(json, "host"));
	r->port = json_is_string(p) ? strtoll(json_string_value(p), NULL, 10) : json_integer_value(p);
	r->scheme = route_scheme(json_object_get(json, "tls"));
	r->separate = is_true(json, "separate");
	if (r->host == NULL || *r->host == '\0' || strlen(r->host) > HOST_MAX || r->scheme == NULL)
		return (-1);
	/* It goes into a URL: names and addresses only. */
	if (r->host[strspn(r->host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789-._:%[]")] != '\0')
		return (-1);
	return (r->port >= 1 && r->port <= 65535 ? 0 : -1);
}

static void
begin_remote(struct buf *b)
{
	buf_addf(b, "{\naccount: DATA\nurls: [\n");
}

static void
end_remote(struct buf *b, const struct leaf_settings *s, const char *scheme, int insecure)
{
	buf_addf(b, "]\n");
	if (strcmp(scheme, "nats") != 0)
		add_tls(b, s, insecure);
	add_denied(b, s->node);
	buf_addf(b, "}\n");
}

/* The own hub is whoever has the port here: its certificate says nothing more. */
static void
add_own_hub(struct buf *b, const struct leaf_settings *s)
{
	begin_remote(b);
	add_url(b, s, "tls", dialled(conf_str(s->conf, HUB_LEAF_HOST)),
	    conf_int(s->conf, HUB_LEAF_PORT));
	end_remote(b, s, "tls", 1);
}

static void
add_separate(struct buf *b, const struct leaf_settings *s, const struct route *r)
{
	begin_remote(b);
	add_url(b, s, r->scheme, r->host, r->port);
	end_remote(b, s, r->scheme, s->insecure);
}

static void
add_leaf_routes(struct buf *b, const struct leaf_settings *s, struct buf *faults)
{
	const json_t	*list = conf_list(s->conf, LEAF_ROUTES), *json;
	const char	*scheme = NULL;
	struct buf	 separate = { 0 };
	struct route	 r;
	size_t		 i;

	json_array_foreach(list, i, json) {
		if (i >= ROUTES_MAX || route_read(json, &r) == -1) {
			buf_addf(faults, "leaf route %zu is no {host, port, tls, separate}\n", i + 1);
		} else if (r.separate) {
			add_separate(&separate, s, &r);
		} else if (scheme != NULL && strcmp(scheme, r.scheme) != 0) {
			buf_addf(faults, "leaf route %s:%" PRId64 " is left out: one link cannot "
			    "be %s and %s\n", r.host, r.port, scheme, r.scheme);
		} else {
			if (scheme == NULL)
				begin_remote(b);
			scheme = r.scheme;
			add_url(b, s, r.scheme, r.host, r.port);
		}
	}
	if (scheme != NULL)
		end_remote(b, s, scheme, s->insecure);
	buf_add(b, separate.data, separate.len);
	buf_free(&separate);
}

static void
add_jetstream(struct buf *b, const struct leaf_settings *s)
{
	buf_addf(b, "jetstream {\n");
	add_string(b, "store_dir", conf_str(s->conf, STREAM_PATH));
	add_string(b, "domain", s->node);
	buf_addf(b, "max_memory_store: %d\nmax_file_store: %lld\n}\n", 64 << 20, MAX_STORE);
}

static void
add_accounts(struct buf *b, const struct leaf_settings *s, const char *sys_password)
{
	buf_addf(b, "accounts {\nSYS { users: [ {\nuser: \"hubleaf-sys\"\n");
	add_string(b, "password", sys_password);
	buf_addf(b, "} ] }\nDATA { jetstream: enabled, users: [ {\n");
	add_string(b, "user", s->user);
	add_string(b, "password", s->password);
	buf_addf(b, "} ] }\n}\nsystem_account: SYS\n");
}

static void
add_log_level(struct buf *b, const struct conf *c)
{
	const char	*level = conf_str(c, CL_LOG_LEVEL);
	int		 trace = strcmp(level, "trace") == 0;

	buf_addf(b, "debug: %s\n", trace || strcmp(level, "debug") == 0 ? "true" : "false");
	buf_addf(b, "trace: %s\n", trace ? "true" : "false");
}

char *
leafconf_text(const struct leaf_settings *s, const char *instance, const char *sys_password,
    char **faults)
{
	struct buf	 b = { 0 }, wrong = { 0 };
	char		*name = xasprintf("%s-leaf.%s", s->node, instance);

	add_string(&b, "server_name", name);
	free(name);
	add_address(&b, s->conf, LEAF_HOST, LEAF_PORT);
	buf_addf(&b, "max_payload: %" PRId64 "\n",
	    conf_int(s->conf, CL_MAX_TRANSACTION) + LEAFCONF_PAYLOAD_ROOM);
	buf_addf(&b, "write_deadline: \"10s\"\nping_interval: \"20s\"\n");
	add_log_level(&b, s->conf);
	add_jetstream(&b, s);
	buf_addf(&b, "leafnodes { remotes: [\n");
	add_own_hub(&b, s);
	add_leaf_routes(&b, s, &wrong);
	buf_addf(&b, "] }\n");
	add_accounts(&b, s, sys_password);
	buf_u8(&b, 0);
	*faults = NULL;
	if (wrong.len > 0)
		*faults = xstrndup((const char *)wrong.data, wrong.len - 1);
	buf_free(&wrong);
	return ((char *)buf_take(&b, NULL));
}

char *
leafconf_url(const struct conf *c)
{
	struct buf b = { 0 };

	buf_addf(&b, "nats://");
	add_host_port(&b, dialled(conf_str(c, LEAF_HOST)), conf_int(c, LEAF_PORT));
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
}
