#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/auth/permission.h"
#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/op/op_permission.h"
#include "opsd/op/op_table.h"
#include "opsd/store/key.h"

struct sizes {
	uint64_t rows, audit;
};

static uint64_t
table_bytes(struct ops *o, enum store_cf cf, const struct table *t)
{
	struct buf from = { 0 }, to = { 0 };
	uint64_t size;

	key_row(&from, t->id, NULL, 0);
	key_table_end(&to, t->id);
	size = store_size(o->data.store, cf, from.data, from.len, to.data, to.len);
	buf_free(&from);
	buf_free(&to);
	return (size);
}

static uint64_t
table_size(struct ops *o, const struct table *t)
{
	return (table_bytes(o, CF_ROWS, t) + table_bytes(o, CF_INDEX, t));
}

/* What the user may not read does not count. */
static void
add_sizes(struct sizes *s, struct request *r, const struct table *t)
{
	if (!permission_reads(r->user, t))
		return;
	s->rows += table_size(r->ops, t);
	s->audit += table_bytes(r->ops, CF_AUDIT, t);
}

/* The table's attributes that the user has any right to. */
static json_t *
describe_attributes(struct request *r, const struct table *t)
{
	json_t *definition = table_definition(t), *shown = json_array(), *a;
	size_t i;

	json_array_foreach(json_object_get(definition, "attributes"), i, a) {
		const char *name = json_string_value(json_object_get(a, "attribute"));

		if (!user_hidden_attribute(t->id, name, strlen(name)) &&
		    permission_sees_attribute(r->user, t, name))
			json_array_append(shown, a);
	}
	json_decref(definition);
	return (shown);
}

/* Counts are kept with each change: exact, and never counted, so there is no estimate. */
static void
describe_rows(struct request *r, const struct table *t, json_t *j)
{
	uint64_t updated = t->stat->updated;

	json_object_set_new(j, "record_count", json_integer((json_int_t)t->stat->count));
	json_object_set_new(j, "table_size", json_integer((json_int_t)table_size(r->ops, t)));
	json_object_set_new(j, "last_updated_record",
	    updated == 0 ? json_null() : json_integer((json_int_t)(updated >> 16)));
}

static json_t *
describe_one(struct request *r, const struct table *t, const struct sizes *db)
{
	json_t *j;
	char stream[33], *full = xasprintf("%s.%s", t->database, t->name);

	crypto_md5_hex(full, strlen(full), stream);
	free(full);
	j = json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:s, s:I, s:I}", "schema", t->database,
	    "name", t->name, "hash_attribute", t->primary_key, "audit", t->audit, "schema_defined",
	    t->declared, "attributes", describe_attributes(r, t), "clustering_stream_name", stream,
	    "db_size", (json_int_t)db->rows, "db_audit_size", (json_int_t)db->audit);
	if (permission_reads(r->user, t))
		describe_rows(r, t, j);
	if (t->expiration != 0)
		json_object_set_new(j, "expiration", json_integer(t->expiration));
	if (t->residence != NULL)
		json_object_set_new(j, "residence", json_deep_copy(t->residence));
	table_replicate_write(t->replicate, j);
	return (j);
}

/* {table: TABLE} of one database, with what the user has any right to. */
static json_t *
describe_tables(struct request *r, const char *db)
{
	json_t *all = json_object();
	struct table **list;
	struct sizes size = { 0 };
	size_t n, i;

	list = catalog_tables(r->ops->data.catalog, db, &n);
	for (i = 0; i < n; i++)
		add_sizes(&size, r, list[i]);
	for (i = 0; i < n; i++) {
		if (permission_sees(r->user, list[i]))
			json_object_set_new(all, list[i]->name, describe_one(r, list[i], &size));
		table_unref(list[i]);
	}
	free(list);
	return (all);
}

/* Taken from whoever sends them; neither changes anything here. */
static void
fault_options(struct faults *f, const json_t *body)
{
	field_bool(f, body, "exact_count", 0);
	field_bool(f, body, "include_computed", 0);
}

static void
describe_all(struct request *r)
{
	struct faults f = { 0 };
	json_t *all, *names, *name, *tables;
	size_t i;

	fault_options(&f, r->body);
	if (faults_answer(r, &f))
		return;
	all = json_object();
	names = catalog_databases(r->ops->data.catalog);
	json_array_foreach(names, i, name) {
		tables = describe_tables(r, json_string_value(name));
		if (json_object_size(tables) > 0 || r->user->super_user)
			json_object_set(all, json_string_value(name), tables);
		json_decref(tables);
	}
	json_decref(names);
	reply_json(r, 200, all);
}

static void
describe_database(struct request *r)
{
	struct faults f = { 0 };
	const char *db = field_database(&f, r->body);
	json_t *tables;

	fault_options(&f, r->body);
	if (faults_answer(r, &f))
		return;
	if (r->user->super_user && !catalog_has_database(r->ops->data.catalog, db)) {
		reply_error(r, 404, "database '%s' does not exist", db);
		return;
	}
	tables = describe_tables(r, db);
	if (json_object_size(tables) == 0 && !r->user->super_user) {
		json_decref(tables);
		op_permission_no_database(r, db);
		return;
	}
	reply_json(r, 200, tables);
}

static struct sizes
database_sizes(struct request *r, const char *db)
{
	struct table **list;
	struct sizes size = { 0 };
	size_t n, i;

	list = catalog_tables(r->ops->data.catalog, db, &n);
	for (i = 0; i < n; i++) {
		add_sizes(&size, r, list[i]);
		table_unref(list[i]);
	}
	free(list);
	return (size);
}

static void
describe_table(struct request *r)
{
	struct faults f = { 0 };
	struct sizes size;
	struct table *t;

	fault_options(&f, r->body);
	if ((t = op_table(r, &f, 400, 404)) == NULL)
		return;
	size = database_sizes(r, t->database);
	reply_json(r, 200, describe_one(r, t, &size));
	table_unref(t);
}

const struct op ops_describe[] = {
	{ "describe_all", "describeAll", RIGHT_ANYONE, ON_HTTP, describe_all },
	{ "describe_database", "describeSchema", RIGHT_TABLE, ON_HTTP, describe_database },
	{ "describe_schema", "describeSchema", RIGHT_TABLE, ON_HTTP, describe_database },
	{ "describe_table", "describeTable", RIGHT_TABLE, ON_HTTP, describe_table },
	{ NULL },
};
