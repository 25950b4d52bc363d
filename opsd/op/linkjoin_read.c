#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/iso.h"
#include "common/base/mem.h"
#include "common/tls/serial.h"
#include "opsd/op/linkjoin.h"
#include "opsd/op/op_cluster.h"
#include "opsd/pki/enrol.h"

/* What a call gives that adds a node by hostname or url. */

#define API_PORT_SECURE  9925 /* of peers, when this node has none to go by */
#define REVOKED_CALL_MAX 1000

int
linkjoin_is(const json_t *body)
{
	return (json_object_get(body, "node_name") == NULL &&
	    (json_object_get(body, "hostname") != NULL || json_object_get(body, "url") != NULL));
}

/* ---- where it is ---- */

/* As a route: "hostname", "url" and "port" of the body. */
static json_t *
body_route(const json_t *body)
{
	static const char *const fields[] = { "hostname", "url", "port" };
	json_t *route = json_object(), *v;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if ((v = json_object_get(body, fields[i])) != NULL)
			json_object_set(route, fields[i], v);
	return (route);
}

static void
add_lines(struct faults *f, const char *prefix, const char *lines)
{
	const size_t skip = strlen("'body.");
	const char *line = lines;
	size_t n;

	for (; line != NULL && *line != '\0'; line += n + (line[n] == '\n')) {
		n = strcspn(line, "\n");
		if (n > skip)
			fault(f, "'%s%.*s", prefix, (int)(n - skip), line + skip);
	}
}

static int
read_place(struct request *r, struct faults *f, const json_t *body, const char *prefix,
    struct repconf_route *at)
{
	struct conf *c = data_conf(&r->ops->data);
	json_t *route = body_route(body);
	char *lines = repconf_route_fault("body", route), *own = repconf_hostname(c);
	int read = lines == NULL && repconf_route(c, route, at) == 0;

	add_lines(f, prefix, lines);
	if (read && strcasecmp(at->host, own) == 0)
		fault(f, "'%shostname' cannot be this node's own, '%s'", prefix, own);
	free(own);
	free(lines);
	json_decref(route);
	conf_free(c);
	return (read ? 0 : -1);
}

char *
linkjoin_hostname(struct request *r, struct faults *f, const json_t *body, const char *prefix)
{
	struct repconf_route at;

	return (read_place(r, f, body, prefix, &at) == 0 ? xstrdup(at.host) : NULL);
}

static char *
place_text(const struct repconf_route *at)
{
	char *url = repconf_url(at), *text = xasprintf("%s%s", url, at->path);

	free(url);
	return (text);
}

/* ---- credentials ---- */

static char *
read_authorization(struct faults *f, const json_t *body, const char *prefix)
{
	const json_t *given = json_object_get(body, "authorization");
	char *why = NULL, *header;

	if (given == NULL || json_is_null(given))
		return (NULL);
	if ((header = enrol_authorization(given, &why)) == NULL)
		fault(f, "'%sauthorization' %s", prefix, why);
	free(why);
	return (header);
}

static int
read_api_port(struct request *r, struct faults *f, const json_t *body, const char *prefix)
{
	const json_t *v = json_object_get(body, "operations_port");
	struct conf *c = data_conf(&r->ops->data);
	int own = conf_is_set(c, API_SECURE_PORT) ? (int)conf_int(c, API_SECURE_PORT) :
						    API_PORT_SECURE;
	double d = json_number_value(v);

	conf_free(c);
	if (v == NULL)
		return (own);
	if (!json_is_number(v) || d != floor(d) || d < 1 || d > 65535)
		fault(f, "'%soperations_port' must be an integer between 1 and 65535", prefix);
	return ((int)d);
}

/* 0 or 1; `absent` when it is not there. */
static int
read_switch(struct faults *f, const json_t *body, const char *prefix, const char *name, int absent)
{
	const json_t *v = json_object_get(body, name);

	if (v != NULL && !json_is_boolean(v))
		fault(f, "'%s%s' must be a boolean", prefix, name);
	return (v != NULL ? json_is_true(v) : absent);
}

/* A token is used up by the call. */
static int
read_retain(struct faults *f, const json_t *body, const char *prefix, const char *authorization)
{
	const json_t *given = json_object_get(body, "authorization");
	int retain = read_switch(f, body, prefix, "retain_authorization", -1);

	if (retain == 1 && (given == NULL || json_is_null(given)))
		fault(f, "'%sretain_authorization' needs '%sauthorization'", prefix, prefix);
	else if (retain == 1 && authorization != NULL && enrol_is_token(authorization))
		fault(f,
		    "'%sretain_authorization' does not go with a join token, which is good once",
		    prefix);
	return (retain);
}

/* ---- what is said of it ---- */

json_t *
linkjoin_revoked(struct faults *f, const json_t *body, const char *prefix)
{
	json_t *list = json_object_get(body, "revoked_certificates"), *one;
	char serial[SERIAL_MAX];
	size_t i;

	if (list != NULL && !json_is_array(list))
		fault(f, "'%srevoked_certificates' must be an array", prefix);
	if (json_array_size(list) > REVOKED_CALL_MAX) {
		fault(f, "'%srevoked_certificates' must contain less than or equal to %d items",
		    prefix, REVOKED_CALL_MAX);
		return (NULL);
	}
	json_array_foreach(list, i, one)
		if (!json_is_string(one) || serial_read(json_string_value(one), serial) == -1)
			fault(f,
			    "'%srevoked_certificates[%zu]' must be a serial number, in hexadecimal "
			    "digits",
			    prefix, i);
	return (json_array_size(list) > 0 ? list : NULL);
}

/* Kept and shown alone: there are no shards. */
static json_t *
read_shard(struct faults *f, const json_t *body, const char *prefix)
{
	json_t *v = json_object_get(body, "shard");

	if (v != NULL && !json_is_null(v) &&
	    (!json_is_integer(v) || json_integer_value(v) < 0 ||
		json_integer_value(v) > UINT32_MAX))
		fault(f, "'%sshard' must be an integer between 0 and %lu", prefix,
		    (unsigned long)UINT32_MAX);
	return (v);
}

static uint64_t
read_start_time(struct faults *f, const json_t *body, const char *prefix)
{
	const json_t *v = json_object_get(body, "start_time");
	int64_t ms = json_is_string(v) ? iso_ms(json_string_value(v), NULL) : -1;

	char *name;

	if (v == NULL || json_is_null(v))
		return (0);
	name = xasprintf("%sstart_time", prefix);
	if (ms > 0)
		field_not_future(f, name, (uint64_t)ms);
	free(name);
	if (ms < 0)
		fault(f,
		    "'%sstart_time' must be a date and time of ISO-8601, such as "
		    "2026-01-31T12:00:00Z",
		    prefix);
	return (ms > 0 ? (uint64_t)ms : 1);
}

static void
read_flows(struct linkjoin *j, struct faults *f, const json_t *body, const char *prefix)
{
	const json_t *given = json_object_get(body, "subscriptions");
	struct subscription all = {
		.database = (char *)(uintptr_t)SUBSCRIPTION_ALL,
		.table = (char *)(uintptr_t)SUBSCRIPTION_ALL,
		.publish = 1,
		.subscribe = 1,
		.start_ms = j->start_ms,
	};

	j->is_explicit = given != NULL && !json_is_null(given);
	if (!j->is_explicit) {
		subscriptions_take(&j->wanted, &all);
		return;
	}
	op_field_subscriptions(&j->wanted, f, body, prefix);
	for (size_t i = 0; i < j->wanted.n; i++)
		if (j->wanted.list[i].start_ms == 0)
			j->wanted.list[i].start_ms = j->start_ms;
}

struct linkjoin *
linkjoin_read(struct request *r, struct faults *f, const json_t *body, const char *prefix)
{
	struct linkjoin *j = xcalloc(1, sizeof(*j));

	j->ops = r->ops;
	if (read_place(r, f, body, prefix, &j->route) == 0)
		j->url = place_text(&j->route);
	j->authorization = read_authorization(f, body, prefix);
	j->api_port = read_api_port(r, f, body, prefix);
	j->verify_tls = read_switch(f, body, prefix, "verify_tls", 1);
	j->retain = read_retain(f, body, prefix, j->authorization);
	j->revoked = linkjoin_revoked(f, body, prefix);
	j->shard = read_shard(f, body, prefix);
	j->start_ms = read_start_time(f, body, prefix);
	read_flows(j, f, body, prefix);
	return (j);
}

void
linkjoin_free(struct linkjoin *j)
{
	if (j == NULL)
		return;
	subscriptions_clear(&j->wanted);
	mem_wipe(j->authorization);
	keyfiles_clear(&j->identity);
	retained_clear(&j->retained);
	free(j->serial);
	json_decref(j->trusted);
	free(j->api_pin);
	free(j->url);
	free(j->dial);
	free(j->error);
	free(j);
}
