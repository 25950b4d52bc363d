#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/address.h"
#include "common/base/iso.h"
#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/conf/conf_priv.h"
#include "common/conf/repaddress.h"
#include "common/conf/repconf.h"
#include "common/tls/serial.h"

/* Whether the values of replication.* are what their keys take. */

#define ROUTES_MAX    1000
#define DATABASES_MAX 1000
#define SERIALS_MAX   1000

/* ---- a date, a place to listen ---- */

json_t *
conf_check_date(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	if (json_is_string(v) && iso_ms(json_string_value(v), NULL) != -1)
		return (json_copy((json_t *)(uintptr_t)v));
	conf_fault(errs, "'%s' must be a date and time of ISO-8601, such as 2026-01-31T12:00:00Z",
	    k->name);
	return (NULL);
}

json_t *
conf_check_listen(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	struct repaddress a;

	if (json_is_integer(v) && json_integer_value(v) >= 1 && json_integer_value(v) <= 65535)
		return (json_copy((json_t *)(uintptr_t)v));
	if (json_is_string(v) && repaddress_read(&a, json_string_value(v)) == 0 &&
	    a.scheme == REPADDRESS_BARE && a.port != 0)
		return (a.host[0] == '\0' ? json_integer(a.port) :
					    json_copy((json_t *)(uintptr_t)v));
	conf_fault(errs, "'%s' must be a port between 1 and 65535, or address:port", k->name);
	return (NULL);
}

/* ---- databases ---- */

/* One of the names: what else is said of one changes nothing here. */
static json_t *
database_name(const struct conf_info *k, size_t i, const json_t *v, struct buf *errs)
{
	const json_t *name = json_is_object(v) ? json_object_get(v, "name") : v, *sharded;

	sharded = json_object_get(v, "sharded");
	if (sharded != NULL && !json_is_boolean(sharded))
		conf_fault(errs, "'%s[%zu].sharded' must be a boolean", k->name, i);
	else if (json_is_string(name) && json_string_length(name) > 0)
		return (json_copy((json_t *)(uintptr_t)name));
	else if (json_is_object(v))
		conf_fault(errs, "'%s[%zu].name' must be a string", k->name, i);
	else
		conf_fault(errs, "'%s[%zu]' must be a string or an object with a name", k->name, i);
	return (NULL);
}

json_t *
conf_check_databases(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	json_t *names = json_array(), *one, *name;
	size_t i, before = errs->len;

	if (json_is_string(v) && json_string_length(v) > 0)
		json_array_append(names, (json_t *)(uintptr_t)v);
	else if (!json_is_array(v) || json_array_size(v) > DATABASES_MAX)
		conf_fault(errs, "'%s' must be \"*\", a name, or an array of at most %d of them",
		    k->name, DATABASES_MAX);
	else
		json_array_foreach(v, i, one)
			if ((name = database_name(k, i, one, errs)) != NULL)
				json_array_append_new(names, name);
	if (errs->len == before)
		return (names);
	json_decref(names);
	return (NULL);
}

/* ---- routes ---- */

static void
check_address(const char *name, const json_t *v, int is_host, struct buf *errs)
{
	struct repaddress a;

	if (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v) &&
	    repaddress_read(&a, json_string_value(v)) == 0 &&
	    node_host_ok(a.host, strlen(a.host)) &&
	    !(is_host && (a.scheme != REPADDRESS_BARE || a.port != 0)))
		return;
	if (is_host && json_is_string(v) && strpbrk(json_string_value(v), ":/") != NULL &&
	    !address_ok(json_string_value(v)))
		conf_fault(errs,
		    "'%s' must be a host name or an address: a URL is given as url, a port as port",
		    name);
	else
		conf_fault(errs,
		    is_host ? "'%s' must be a host name or an address" :
			      "'%s' must be a host name, or a URL such as wss://server-two:9933",
		    name);
}

static void
check_serials(const char *name, const json_t *v, struct buf *errs)
{
	char read[SERIAL_MAX];
	const json_t *serial;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) > SERIALS_MAX)
		conf_fault(errs, "'%s' must be an array of at most %d items", name, SERIALS_MAX);
	json_array_foreach(v, i, serial)
		if (!json_is_string(serial) || serial_read(json_string_value(serial), read) == -1)
			conf_fault(errs, "'%s[%zu]' must be a serial number in hexadecimal", name,
			    i);
}

static void
check_number(const char *name, const json_t *v, int64_t min, int64_t max, struct buf *errs)
{
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		conf_fault(errs, "'%s' must be an integer between %lld and %lld", name,
		    (long long)min, (long long)max);
}

static void
check_flag(const char *name, const json_t *v, struct buf *errs)
{
	if (!json_is_boolean(v))
		conf_fault(errs, "'%s' must be a boolean", name);
}

/* The fields of an object; `name` is where it stands. */
static void
check_fields(const char *name, const json_t *o,
    void (*one)(const char *at, const char *field, const json_t *v, struct buf *errs),
    struct buf *errs)
{
	const char *field;
	json_t *v;
	char *at;

	json_object_foreach((json_t *)(uintptr_t)o, field, v) {
		at = xasprintf("%s.%.100s", name, field);
		one(at, field, v, errs);
		free(at);
	}
}

static int
is_way(const char *field)
{
	return (strcmp(field, "sends") == 0 || strcmp(field, "receives") == 0);
}

static void
check_way(const char *name, const char *field, const json_t *v, struct buf *errs)
{
	static const char *const known[] = { "sends", "receives", NULL };

	if (is_way(field))
		check_flag(name, v, errs);
	else
		conf_fault_unknown(errs, name, field, known);
}

/* One word for both ways, or one for each. */
static void
check_replicates(const char *name, const json_t *v, struct buf *errs)
{
	if (!json_is_object(v) && !json_is_boolean(v))
		conf_fault(errs, "'%s' must be a boolean, or an object {sends, receives}", name);
	check_fields(name, v, check_way, errs);
}

static void
check_node_field(const char *name, const char *field, const json_t *v, struct buf *errs)
{
	static const char *const known[] = { "hostname", "url", "port", "shard", "startTime",
		"replicates", "revokedCertificates", "sends", "receives", NULL };

	if (strcmp(field, "hostname") == 0 || strcmp(field, "url") == 0)
		check_address(name, v, field[0] == 'h', errs);
	else if (strcmp(field, "port") == 0)
		check_number(name, v, 1, 65535, errs);
	else if (strcmp(field, "shard") == 0)
		check_number(name, v, 0, UINT32_MAX, errs);
	else if (strcmp(field, "startTime") == 0)
		json_decref(conf_check_date(&(struct conf_info){ .name = name }, v, errs));
	else if (strcmp(field, "replicates") == 0)
		check_replicates(name, v, errs);
	else if (strcmp(field, "revokedCertificates") == 0)
		check_serials(name, v, errs);
	else if (is_way(field))
		check_flag(name, v, errs);
	else
		conf_fault_unknown(errs, name, field, known);
}

/* The name that links verify is the URL's host, so another name would mean nothing. */
static void
check_host(const char *name, const json_t *node, struct buf *errs)
{
	const char *url = json_string_value(json_object_get(node, "url"));
	const char *host = json_string_value(json_object_get(node, "hostname"));
	struct repaddress a;

	if (url == NULL || repaddress_read(&a, url) == -1)
		return;
	if (host != NULL && strcasecmp(host, a.host) != 0)
		conf_fault(errs, "'%s.hostname' must be the host of its URL, '%s'", name, a.host);
	if (json_object_get(node, "port") != NULL)
		conf_fault(errs, "'%s.port' goes with a host name: a URL has its own", name);
}

/* `name` is where it stands. */
static void
check_node(const char *name, const json_t *node, struct buf *errs)
{
	if (!json_is_object(node))
		check_address(name, node, 0, errs);
	else if (json_object_get(node, "hostname") == NULL && json_object_get(node, "url") == NULL)
		conf_fault(errs, "'%s.hostname' or '%s.url' is required", name, name);
	check_fields(name, node, check_node_field, errs);
	check_host(name, node, errs);
}

json_t *
conf_check_nodes(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	size_t i, before = errs->len;
	json_t *node;
	char *at;

	if (!json_is_array(v) || json_array_size(v) > ROUTES_MAX)
		conf_fault(errs, "'%s' must be an array of at most %d items", k->name, ROUTES_MAX);
	else
		json_array_foreach(v, i, node) {
			at = xasprintf("%s[%zu]", k->name, i);
			check_node(at, node, errs);
			free(at);
		}
	return (errs->len == before ? json_deep_copy(v) : NULL);
}

char *
repconf_route_fault(const char *name, const json_t *route)
{
	struct buf errs = { 0 };
	char *err;

	check_node(name, route, &errs);
	conf_faults(&errs, &err);
	return (err);
}
