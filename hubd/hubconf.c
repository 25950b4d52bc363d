#include "config.h"

#include "hubconf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "natsd.h"

#define PAYLOAD_ROOM	(256 << 10)	/* around the largest transaction */
#define ROUTES_MAX	1000
#define HOST_MAX	255

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

/* What is missing for a hub to run; NULL: nothing. */
static const char *
missing(const struct hub_settings *s)
{
	if (s->node == NULL || *s->node == '\0')
		return ("clustering.nodeName is not set");
	if (s->node_id == NULL)
		return ("the node has no id");
	if (s->user == NULL || *s->user == '\0')
		return ("clustering.user is not set");
	if (s->password == NULL || *s->password == '\0')
		return ("the cluster user has no password");
	if (s->cert == NULL || s->key == NULL)
		return ("there is no certificate for inter-node links");
	return (NULL);
}

struct hub_settings *
hub_settings_read(const void *json, size_t len, char **err)
{
	json_error_t		 why;
	json_t			*root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &why);
	const json_t		*tls = json_object_get(root, "tls");
	struct hub_settings	*s;

	if (!json_is_object(root)) {
		*err = xasprintf("not an object: %s", root == NULL ? why.text : "other JSON");
		json_decref(root);
		return (NULL);
	}
	s = xcalloc(1, sizeof(*s));
	s->enabled = is_true(root, "enabled");
	s->node = dup_string(root, "node");
	s->node_id = dup_string(root, "node_id");
	s->user = dup_string(root, "user");
	s->password = dup_string(root, "password");
	s->cert = dup_string(tls, "certificate");
	s->key = dup_string(tls, "privateKey");
	s->ca = dup_string(tls, "certificateAuthority");
	s->insecure = is_true(tls, "insecure");
	s->verify = is_true(tls, "verify");
	s->conf = conf_from_tree(json_object_get(root, "config"), err);
	json_decref(root);
	if (s->conf != NULL && (!s->enabled || missing(s) == NULL))
		return (s);
	if (s->conf != NULL)
		*err = xstrdup(missing(s));
	hub_settings_free(s);
	return (NULL);
}

void
hub_settings_free(struct hub_settings *s)
{
	if (s == NULL)
		return;
	free(s->node);
	free(s->node_id);
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

static void
add_path(struct buf *b, const char *key, const char *dir, const char *file)
{
	char *path = xasprintf("%s/%s", dir, file);

	add_string(b, key, path);
	free(path);
}

static void
add_tls_files(struct buf *b, const struct hub_settings *s)
{
	add_string(b, "cert_file", s->cert);
	add_string(b, "key_file", s->key);
	if (s->ca != NULL)
		add_string(b, "ca_file", s->ca);
}

int
hubconf_open_routes(const struct hub_settings *s)
{
	return (s->insecure && s->ca == NULL);
}

/*
 * On routes nats-server asks who connects for a certificate and verifies it
 * whatever we say; `insecure` only spares whom we connect to.
 */
static void
add_route_tls(struct buf *b, const struct hub_settings *s, const char *open_dir)
{
	buf_addf(b, "tls {\n");
	if (hubconf_open_routes(s)) {
		add_path(b, "cert_file", open_dir, "route.crt");
		add_path(b, "key_file", open_dir, "route.key");
		add_path(b, "ca_file", open_dir, "route-ca.crt");
	} else
		add_tls_files(b, s);
	buf_addf(b, "%s\ntimeout: 5\n}\n", s->insecure ? "insecure: true" : "verify: true");
}

static void
add_leaf_tls(struct buf *b, const struct hub_settings *s)
{
	buf_addf(b, "tls {\n");
	add_tls_files(b, s);
	buf_addf(b, "verify: %s\ntimeout: 5\n}\n", !s->insecure && s->verify ? "true" : "false");
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

/* Host and port of one route; -1 when it is not one. */
static int
route_read(const json_t *route, const char **host, int64_t *port)
{
	const json_t *p = json_object_get(route, "port");

	*host = json_string_value(json_object_get(route, "host"));
	*port = json_is_string(p) ? strtoll(json_string_value(p), NULL, 10) : json_integer_value(p);
	if (*host == NULL || **host == '\0' || strlen(*host) > HOST_MAX)
		return (-1);
	/* It goes into a URL: names and addresses only. */
	if ((*host)[strspn(*host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789-._:%[]")] != '\0')
		return (-1);
	return (*port >= 1 && *port <= 65535 ? 0 : -1);
}

static void
add_host_port(struct buf *b, const char *host, int64_t port)
{
	int bare_v6 = strchr(host, ':') != NULL && *host != '[';

	buf_addf(b, "%s%s%s:%" PRId64, bare_v6 ? "[" : "", host, bare_v6 ? "]" : "", port);
}

static void
add_route(struct buf *b, const struct hub_settings *s, const char *host, int64_t port)
{
	struct buf url = { 0 };

	buf_addf(&url, "nats-route://");
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

json_t *
hubconf_routes(const struct hub_settings *s)
{
	const json_t	*list = conf_list(s->conf, HUB_ROUTES), *route;
	json_t		*out = json_array();
	const char	*host;
	int64_t		 port;
	size_t		 i;

	json_array_foreach(list, i, route) {
		if (json_array_size(out) < ROUTES_MAX && route_read(route, &host, &port) == 0)
			json_array_append_new(out, json_pack("{s:s, s:I}", "host", host,
			    "port", (json_int_t)port));
	}
	return (out);
}

static void
add_routes(struct buf *b, const struct hub_settings *s)
{
	json_t	*list = hubconf_routes(s);
	json_t	*route;
	size_t	 i;

	buf_addf(b, "routes: [\n");
	json_array_foreach(list, i, route)
		add_route(b, s, json_string_value(json_object_get(route, "host")),
		    json_integer_value(json_object_get(route, "port")));
	buf_addf(b, "]\n");
	json_decref(list);
}

static void
add_cluster(struct buf *b, const struct hub_settings *s, const char *open_dir, int live)
{
	const char *advertise = conf_str(s->conf, HUB_CLUSTER_ADVERTISE);

	buf_addf(b, "cluster {\n");
	add_string(b, "name", conf_str(s->conf, HUB_CLUSTER_NAME));
	add_address(b, s->conf, HUB_CLUSTER_HOST, HUB_CLUSTER_PORT);
	if (advertise != NULL && *advertise != '\0')
		add_string(b, "advertise", advertise);
	/* Clients stay on their own node. */
	buf_addf(b, "no_advertise: true\nauthorization {\n");
	add_string(b, "user", s->user);
	add_string(b, "password", s->password);
	buf_addf(b, "timeout: 5\n}\n");
	add_route_tls(b, s, open_dir);
	if (live)
		add_routes(b, s);
	buf_addf(b, "}\n");
}

static void
add_accounts(struct buf *b, const struct hub_settings *s, const char *sys_password)
{
	buf_addf(b, "accounts {\nSYS { users: [ {\n");
	add_string(b, "user", HUBCONF_SYS_USER);
	add_string(b, "password", sys_password);
	buf_addf(b, "} ] }\nDATA { users: [ {\n");
	add_string(b, "user", s->user);
	add_string(b, "password", s->password);
	buf_addf(b, "} ] }\n}\nsystem_account: SYS\n");
}

static void
add_log_level(struct buf *b, const struct conf *c)
{
	const char *level = conf_str(c, CL_LOG_LEVEL);

	buf_addf(b, "debug: %s\n", strcmp(level, "debug") == 0 || strcmp(level, "trace") == 0 ?
	    "true" : "false");
	buf_addf(b, "trace: %s\n", strcmp(level, "trace") == 0 ? "true" : "false");
}

char *
hubconf_text(const struct hub_settings *s, const struct hubconf_run *run, int live)
{
	struct buf	 b = { 0 };
	/* Two servers of one name connect to each other ever faster. */
	char		*name = xasprintf("%s-hub.%s", s->node, run->instance);

	add_string(&b, "server_name", name);
	free(name);
	add_address(&b, s->conf, HUB_HOST, HUB_PORT);
	buf_addf(&b, "max_payload: %" PRId64 "\n", conf_int(s->conf, CL_MAX_TRANSACTION) + PAYLOAD_ROOM);
	buf_addf(&b, "write_deadline: \"10s\"\nping_interval: \"20s\"\n"
	    "lame_duck_grace_period: \"1s\"\nlame_duck_duration: \"30s\"\n");
	if (live)
		add_log_level(&b, s->conf);
	add_cluster(&b, s, run->dir, live);
	/* Leafs stay on their own hub as well. */
	buf_addf(&b, "leafnodes {\n");
	add_address(&b, s->conf, HUB_LEAF_HOST, HUB_LEAF_PORT);
	buf_addf(&b, "no_advertise: true\n");
	add_leaf_tls(&b, s);
	buf_addf(&b, "}\n");
	add_accounts(&b, s, run->sys_password);
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
}

char *
hubconf_url(const char *host, int64_t port)
{
	struct buf b = { 0 };

	if (*host == '\0' || strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	else if (strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0)
		host = "::1";
	buf_addf(&b, "nats://");
	add_host_port(&b, host, port);
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
}
