#include "config.h"

#include "hubd/hubconf.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/conf/natsconf.h"
#include "common/nats/natstext.h"

#define ROUTES_MAX 1000

static void
add_path(struct buf *b, const char *key, const char *dir, const char *file)
{
	char *path = xasprintf("%s/%s", dir, file);

	natstext_string(b, key, path);
	free(path);
}

int
hubconf_open_routes(const struct settings *s)
{
	return (s->insecure && s->ca == NULL);
}

/*
 * On routes nats-server asks who connects for a certificate and verifies it
 * whatever we say; `insecure` only spares whom we connect to.
 */
static void
add_pins(struct buf *b, const struct settings *s)
{
	const json_t *pin;
	size_t i;

	if (s->pins == NULL)
		return;
	buf_addf(b, "pinned_certs: [\n");
	json_array_foreach(s->pins, i, pin) {
		natstext_quote(b, json_string_value(pin));
		buf_u8(b, '\n');
	}
	buf_addf(b, "]\n");
}

static void
add_route_tls(struct buf *b, const struct settings *s, const char *open_dir, int live)
{
	buf_addf(b, "tls {\n");
	natstext_tls_suites(b);
	if (hubconf_open_routes(s)) {
		add_path(b, "cert_file", open_dir, "route.crt");
		add_path(b, "key_file", open_dir, "route.key");
		add_path(b, "ca_file", open_dir, "route-ca.crt");
	} else
		natstext_tls_files(b, s);
	if (live)
		add_pins(b, s);
	buf_addf(b, "%s\ntimeout: 5\n}\n", s->insecure ? "insecure: true" : "verify: true");
}

/* The server takes over other pins by a reload for routes, not for these. */
static void
add_leaf_tls(struct buf *b, const struct settings *s)
{
	buf_addf(b, "tls {\n");
	natstext_tls_suites(b);
	natstext_tls_files(b, s);
	add_pins(b, s);
	/* Who a node is, its certificate says, where all have been made of the secret. */
	if (s->link_users != NULL)
		buf_addf(b, "verify_and_map: true\ntimeout: 5\n}\n");
	else
		buf_addf(b, "verify: %s\ntimeout: 5\n}\n",
		    !s->insecure && (s->verify || s->pins != NULL) ? "true" : "false");
}

/* The same leaf links through firewalls that let only HTTPS out. */
static void
add_websocket(struct buf *b, const struct settings *s)
{
	int64_t port = conf_int(s->conf, HUB_LEAF_WEBSOCKET_PORT);

	if (port == 0)
		return;
	buf_addf(b, "websocket {\n");
	natstext_address(b, s->conf, HUB_LEAF_HOST, HUB_LEAF_WEBSOCKET_PORT);
	add_leaf_tls(b, s);
	buf_addf(b, "}\n");
}

json_t *
hubconf_routes(const struct settings *s)
{
	const json_t *list = conf_list(s->conf, HUB_ROUTES), *route;
	json_t *out = json_array();
	const char *host;
	int64_t port;
	size_t i;

	/* External servers have their own. */
	if (natsconf_is_external(s->conf))
		return (out);
	json_array_foreach(list, i, route) {
		if (json_array_size(out) < ROUTES_MAX && natstext_route(route, &host, &port) == 0)
			json_array_append_new(out,
			    json_pack("{s:s, s:I}", "host", host, "port", (json_int_t)port));
	}
	return (out);
}

static void
add_routes(struct buf *b, const struct settings *s)
{
	/* Whose certificates pass, has the secret. */
	struct natstext_login login = { s->link_users == NULL ? s->user : NULL, s->password };
	json_t *list = hubconf_routes(s);
	json_t *route;
	size_t i;

	buf_addf(b, "routes: [\n");
	json_array_foreach(list, i, route)
		natstext_route_url(b, &login, "nats-route",
		    json_string_value(json_object_get(route, "host")),
		    json_integer_value(json_object_get(route, "port")));
	buf_addf(b, "]\n");
	json_decref(list);
}

/* Where others are told to reach it. */
static void
add_advertise(struct buf *b, const struct settings *s, const struct hubconf_run *run, int live)
{
	const char *set = conf_str(s->conf, HUB_CLUSTER_ADVERTISE);
	char *own;

	if (set != NULL && *set != '\0')
		natstext_string(b, "advertise", set);
	else if (live && run->advertise != NULL) {
		own = natstext_host_port(run->advertise, conf_int(s->conf, HUB_CLUSTER_PORT));
		natstext_string(b, "advertise", own);
		free(own);
	}
}

static void
add_cluster(struct buf *b, const struct settings *s, const struct hubconf_run *run, int live)
{
	buf_addf(b, "cluster {\n");
	natstext_string(b, "name", conf_str(s->conf, HUB_CLUSTER_NAME));
	natstext_address(b, s->conf, HUB_CLUSTER_HOST, HUB_CLUSTER_PORT);
	add_advertise(b, s, run, live);
	/* Clients stay on their own node. */
	buf_addf(b, "no_advertise: true\n");
	if (s->link_users == NULL) {
		buf_addf(b, "authorization {\n");
		natstext_user(b, s);
		buf_addf(b, "timeout: 5\n}\n");
	}
	add_route_tls(b, s, run->dir, live);
	if (live)
		add_routes(b, s);
	buf_addf(b, "}\n");
}

char *
hubconf_text(const struct settings *s, const struct hubconf_run *run, int live)
{
	struct buf b = { 0 };
	/* Two servers of one name connect to each other ever faster. */
	char *name = xasprintf("%s-hub.%s", s->node, run->instance);

	natstext_string(&b, "server_name", name);
	free(name);
	natstext_address(&b, s->conf, HUB_HOST, HUB_PORT);
	natstext_limits(&b, s->conf);
	buf_addf(&b, "lame_duck_grace_period: \"1s\"\nlame_duck_duration: \"30s\"\n");
	if (live) {
		natstext_made(&b, s);
		natstext_log_level(&b, s->conf);
	}
	add_cluster(&b, s, run, live);
	/* Leafs stay on their own hub as well. */
	buf_addf(&b, "leafnodes {\n");
	natstext_address(&b, s->conf, HUB_LEAF_HOST, HUB_LEAF_PORT);
	buf_addf(&b, "no_advertise: true\n");
	add_leaf_tls(&b, s);
	buf_addf(&b, "}\n");
	add_websocket(&b, s);
	natstext_accounts(&b, s,
	    &(struct natstext_accounts){ .sys_password = run->sys_password,
		.data = "",
		.link_users = live ? s->link_users : NULL,
		.removed = live && s->link_users != NULL ? s->removed : NULL });
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
}
