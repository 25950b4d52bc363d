#include "config.h"

#include "opsd/cluster/linkconf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/formats.h"
#include "common/base/mem.h"
#include "common/conf/repconf.h"
#include "common/tls/serial.h"

#define PAYLOAD_MIN \
	(40 << 20) /* the largest transaction of any node has to pass, and what is around it */
#define PAYLOAD_MAX (60 << 20) /* a message has to go over opsd's socket as well (proto.h) */

/* ---- who we are ---- */

static json_t *
links_hello(const struct conf *c, const char *node_hex)
{
	char *hostname = repconf_hostname(c);
	const char *name = conf_bool(c, CL_ENABLED) ? conf_str(c, CL_NODENAME) : NULL;
	json_t *o = json_pack("{s:s, s:s, s:s*, s:s*, s:s, s:[i,i]}", "id", node_hex, "hostname",
	    hostname, "nodeName", name, "url", conf_str(c, REP_URL), "version", PACKAGE_VERSION,
	    "format", formats.wire_oldest, formats.wire);

	free(hostname);
	return (o);
}

/* ---- certificates ---- */

static json_t *
links_tls(const struct conf *c, const struct linkconf_keys *keys)
{
	if (keys == NULL)
		return (json_null());
	return (json_pack("{s:s, s:s, s:s?, s:b}", "certificate", keys->certificate, "key",
	    keys->key, "authorities", keys->authorities, "system_roots",
	    conf_bool(c, REP_ROOT_CAS)));
}

/* ---- where to listen, and whom to dial ---- */

static void
add_listen(const struct conf *c, int secure, json_t *list)
{
	struct repaddress at;

	if (repconf_listen(c, secure, &at))
		json_array_append_new(list,
		    json_pack("{s:s*, s:i, s:b}", "host", at.host[0] != '\0' ? at.host : NULL,
			"port", at.port, "secure", secure));
}

static json_t *
links_listen(const struct conf *c, int has_tls)
{
	json_t *list = json_array();

	if (has_tls)
		add_listen(c, 1, list);
	add_listen(c, 0, list);
	return (list);
}

static int
is_dialled(const json_t *list, const char *key)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (strcmp(json_string_value(json_object_get(o, "key")), key) == 0)
			return (1);
	return (0);
}

static void
add_dial(const struct repconf_route *r, json_t *list)
{
	char *key = repconf_url(r);

	if (!is_dialled(list, key))
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:i, s:b, s:s, s:s}", "key", key, "host", r->host, "port",
			r->port, "secure", r->secure, "name", r->host, "path", r->path));
	free(key);
}

/* All nodes may have the same list: who is in it is not dialled by itself. */
static void
add_dials(const struct conf *c, const json_t *routes, int has_tls, json_t *list)
{
	char *own = repconf_hostname(c);
	struct repconf_route r;
	const json_t *route;
	size_t i;

	json_array_foreach(routes, i, route)
		if (repconf_route(c, route, &r) == 0 && strcasecmp(r.host, own) != 0 &&
		    (has_tls || !r.secure))
			add_dial(&r, list);
	free(own);
}

static json_t *
links_dial(const struct conf *c, const json_t *dials, int has_tls)
{
	json_t *list = json_array();

	add_dials(c, conf_list(c, REP_ROUTES), has_tls, list);
	add_dials(c, dials, has_tls, list);
	return (list);
}

/* ---- revoked certificates ---- */

json_t *
linkconf_revoked(const struct conf *c)
{
	json_t *serials = json_object();
	char serial[SERIAL_MAX];
	struct repconf_route r;
	const json_t *route, *one;
	size_t i, k;

	json_array_foreach(conf_list(c, REP_ROUTES), i, route)
		if (repconf_route(c, route, &r) == 0)
			json_array_foreach(r.revoked, k, one)
				if (serial_read(json_string_value(one), serial) == 0)
					json_object_set_new(serials, serial, json_null());
	return (serials);
}

static json_t *
links_revoked(const struct conf *c, const json_t *revoked)
{
	json_t *serials = linkconf_revoked(c), *list = json_array(), *v;
	const char *serial;

	if (revoked != NULL)
		json_object_update(serials, (json_t *)(uintptr_t)revoked);
	json_object_foreach(serials, serial, v)
		json_array_append_new(list, json_string(serial));
	json_decref(serials);
	return (list);
}

int
linkconf_revokes(const struct conf *c, const char *serial)
{
	json_t *serials = linkconf_revoked(c);
	char normal[SERIAL_MAX];
	int yes = serial_read(serial, normal) == 0 && json_object_get(serials, normal) != NULL;

	json_decref(serials);
	return (yes);
}

/* ---- all of it ---- */

static int
any_secure(const struct conf *c, const json_t *routes)
{
	struct repconf_route r;
	const json_t *route;
	size_t i;

	json_array_foreach(routes, i, route)
		if (repconf_route(c, route, &r) == 0 && r.secure)
			return (1);
	return (0);
}

int
linkconf_needs_tls(const struct conf *c, const json_t *dials)
{
	struct repaddress at;

	return (repconf_listen(c, 1, &at) ||
	    (repconf_on(c) && (any_secure(c, conf_list(c, REP_ROUTES)) || any_secure(c, dials))));
}

static json_int_t
max_payload(const struct conf *c)
{
	int64_t max = conf_int(c, REP_MAX_PAYLOAD);

	return (max < PAYLOAD_MIN ? PAYLOAD_MIN : max > PAYLOAD_MAX ? PAYLOAD_MAX : max);
}

void
linkconf_add_told(const struct conf *c, json_t *dials, const json_t *told)
{
	int is_secure = linkconf_needs_tls(c, dials);
	struct repconf_route r;
	json_t *url;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)told, i, url)
		if (repconf_route(c, url, &r) == 0 && (r.secure || !is_secure))
			json_array_append(dials, url);
}

json_t *
linkconf_links(const struct conf *c, const char *node_hex, const struct linkconf_keys *keys,
    const json_t *revoked, const json_t *dials)
{
	if (!repconf_on(c))
		return (json_object());
	return (json_pack("{s:o, s:o, s:s?, s:I, s:I, s:b, s:o, s:o, s:o}", "hello",
	    links_hello(c, node_hex), "listen", links_listen(c, keys != NULL), "proxy",
	    conf_str(c, REP_PROXY), "max_payload", max_payload(c), "in_flight",
	    (json_int_t)conf_int(c, REP_MAX_IN_FLIGHT), "compress", conf_bool(c, LOG_COMPRESS),
	    "revoked", links_revoked(c, revoked), "dial", links_dial(c, dials, keys != NULL), "tls",
	    links_tls(c, keys)));
}
