#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "opsd/cluster/nodes.h"
#include "opsd/op/node.h"
#include "opsd/op/op_cluster.h"
#include "opsd/op/op_table.h"

/* What a call that changes subscriptions asks for. */

#define SUBSCRIPTIONS_CALL_MAX 10000 /* of one call */

static int
match_digits(const char *s, const char *form)
{
	for (; *form != '\0'; s++, form++)
		if (*form == 'd' ? *s < '0' || *s > '9' : *s != *form)
			return (0);
	return (1);
}

/* YYYY-MM-DDTHH:mm:ss[.sss]Z; 0: not a time like that. */
static uint64_t
start_time_ms(const char *s)
{
	struct tm tm = { 0 }, back;
	uint64_t ms = 0;
	time_t t;

	if (!match_digits(s, "dddd-dd-ddTdd:dd:dd"))
		return (0);
	tm.tm_year = atoi(s) - 1900;
	tm.tm_mon = atoi(s + 5) - 1;
	tm.tm_mday = atoi(s + 8);
	tm.tm_hour = atoi(s + 11);
	tm.tm_min = atoi(s + 14);
	tm.tm_sec = atoi(s + 17);
	s += 19;
	if (*s == '.' && match_digits(s + 1, "d")) {
		uint64_t unit = 100;

		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			ms += (uint64_t)(*s - '0') * unit;
	}
	back = tm;
	t = timegm(&back);
	if (strcmp(s, "Z") != 0 || t < 0 || back.tm_mon != tm.tm_mon ||
	    back.tm_mday != tm.tm_mday || back.tm_hour != tm.tm_hour || back.tm_min != tm.tm_min ||
	    back.tm_sec != tm.tm_sec)
		return (0);
	ms += (uint64_t)t * 1000;
	return (ms != 0 ? ms : 1);
}

static int
read_flag(struct faults *f, const json_t *sub, const char *path, size_t i, const char *name)
{
	const json_t *v = json_object_get(sub, name);

	if (v == NULL)
		fault(f, "'%s[%zu].%s' is required", path, i, name);
	else if (!json_is_boolean(v))
		fault(f, "'%s[%zu].%s' must be a boolean", path, i, name);
	return (json_is_true(v));
}

/* A database's or table's name; NULL with a fault. */
static const char *
read_table_name(struct faults *f, const json_t *v, const char *path, size_t i, const char *name)
{
	char *field = xasprintf("%s[%zu].%s", path, i, name);
	const char *s = NULL;

	if (v == NULL)
		fault(f, "'%s' is required", field);
	else if (!json_is_string(v))
		fault(f, "'%s' must be a string", field);
	else if (strlen(json_string_value(v)) != json_string_length(v))
		fault(f, "'%s' must not contain a NUL character", field);
	else {
		s = json_string_value(v);
		fault_name(f, field, s);
	}
	free(field);
	return (s);
}

static uint64_t
read_start(struct faults *f, const json_t *sub, const char *path, size_t i)
{
	const json_t *v = json_object_get(sub, "start_time");
	uint64_t ms = json_is_string(v) ? start_time_ms(json_string_value(v)) : 0;

	char *name = xasprintf("%s[%zu].start_time", path, i);

	if (v != NULL && !json_is_null(v) && ms == 0)
		fault(f, "'%s' must be in UTC YYYY-MM-DDTHH:mm:ss.sssZ format", name);
	field_not_future(f, name, ms);
	free(name);
	return (ms);
}

static void
read_one(struct subscriptions *into, struct faults *f, const json_t *sub, const char *path,
    size_t i)
{
	const char *word = json_object_get(sub, "database") != NULL ? "database" : "schema";
	const json_t *v = json_object_get(sub, word);
	const char *db, *table;
	struct subscription s = { 0 };

	if (!json_is_object(sub)) {
		fault(f, "'%s[%zu]' must be of type object", path, i);
		return;
	}
	db = v == NULL ? "data" : read_table_name(f, v, path, i, word);
	if (db != NULL && strcmp(db, "system") == 0)
		fault(f, "'%s[%zu]' invalid database name, 'system' name is reserved", path, i);
	table = read_table_name(f, json_object_get(sub, "table"), path, i, "table");
	s.publish = read_flag(f, sub, path, i, "publish");
	s.subscribe = read_flag(f, sub, path, i, "subscribe");
	s.start_ms = read_start(f, sub, path, i);
	if (db == NULL || table == NULL)
		return;
	if (strcmp(db, "*") == 0 && strcmp(table, "*") != 0)
		fault(f, "'%s[%zu].table' must be '*' where the database is", path, i);
	s.database = (char *)(uintptr_t)db;
	s.table = (char *)(uintptr_t)table;
	/* Twice one table in a call: which is meant? */
	if (subscriptions_find(into, db, table) != NULL)
		fault(f, "'%s[%zu]' contains a duplicate value", path, i);
	subscriptions_take(into, &s);
}

void
op_field_subscriptions(struct subscriptions *into, struct faults *f, const json_t *body,
    const char *prefix)
{
	char *path = xasprintf("%ssubscriptions", prefix);
	const json_t *given = json_object_get(body, "subscriptions"), *g;
	size_t i;

	if (given == NULL)
		fault(f, "'%s' is required", path);
	else if (!json_is_array(given))
		fault(f, "'%s' must be an array", path);
	else if (json_array_size(given) == 0)
		fault(f, "'%s' must contain at least 1 items", path);
	else if (json_array_size(given) > SUBSCRIPTIONS_CALL_MAX)
		fault(f, "'%s' must contain less than or equal to %d items", path,
		    SUBSCRIPTIONS_CALL_MAX);
	else
		json_array_foreach(given, i, g)
			read_one(into, f, g, path, i);
	free(path);
}

static int
is_listed(struct ops *ops, const json_t *name)
{
	struct peer *p = nodes_get(ops->rep.nodes, json_string_value(name));
	int listed = p != NULL && strlen(p->name) == json_string_length(name);

	peer_free(p);
	return (listed);
}

const char *
op_field_node(struct request *r, struct faults *f, const json_t *body, const char *prefix,
    const char *old)
{
	const json_t *v = field_either(body, "node_name", old);
	const char *name = json_string_value(v);
	char *own;

	if (v == NULL)
		fault(f, "'%snode_name' is required", prefix);
	else if (name == NULL)
		fault(f, "'%snode_name' must be a string", prefix);
	else if (is_listed(r->ops, v))
		return (name); /* whatever is listed can be removed */
	else if (name[0] == '\0' && json_string_length(v) == 0)
		fault(f, "'%snode_name' is not allowed to be empty", prefix);
	else if (json_string_length(v) > NODE_NAME_MAX)
		fault(f, "'%snode_name' length must be less than or equal to %d characters long",
		    prefix, NODE_NAME_MAX);
	else if (!node_name_ok(name, json_string_length(v)) &&
	    !(r->ops->data.live.replicates && node_host_ok(name, json_string_length(v))))
		fault(f, "'%snode_name' must not contain '.', ',', '*', '>' or white space",
		    prefix);
	else {
		own = data_node_name(&r->ops->data);
		if (strcmp(own, name) == 0)
			fault(f, "'%snode_name' cannot be the name of this node", prefix);
		free(own);
		return (name);
	}
	return (NULL);
}
