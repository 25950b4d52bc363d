#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "group.h"
#include "key.h"
#include "mem.h"
#include "op_table.h"
#include "ops.h"
#include "right.h"
#include "role.h"
#include "user.h"

static void
reply_done(struct request *r, const struct ddl *d)
{
	switch (d->kind) {
	case DDL_CREATE_DATABASE:
		reply_message(r, "database '%s' successfully created", d->database);
		return;
	case DDL_DROP_DATABASE:
		reply_message(r, "successfully deleted '%s'", d->database);
		return;
	case DDL_CREATE_TABLE:
		reply_message(r, "table '%s.%s' successfully created.", d->database, d->table);
		return;
	case DDL_DROP_TABLE:
		reply_message(r, "successfully deleted table '%s.%s'", d->database, d->table);
		return;
	case DDL_CREATE_ATTRIBUTE:
		reply_message(r, "attribute '%s.%s.%s' successfully created.", d->database,
		    d->table, d->attribute);
		return;
	case DDL_DROP_ATTRIBUTE:
		reply_message(r, "successfully deleted attribute '%s'", d->attribute);
	}
}

static void
op_schema_done_cb(struct job *j)
{
	struct ddl	*d = (struct ddl *)j;
	struct request	*r = j->arg;

	if (j->status != 200)
		reply_error(r, j->status, "%s", j->error != NULL ? j->error : "not written");
	else
		reply_done(r, d);
	ddl_free(d);
}

static void
submit(struct request *r, struct ddl *d)
{
	d->user = xstrdup(r->user->name);
	d->job.done = op_schema_done_cb;
	d->job.arg = r;
	commit_submit(r->ops->commit, &d->job);
}

static void
fault_database(struct faults *f, const char *db)
{
	fault_name(f, "database", db);
	if (role_reserved(db))
		fault(f, "'database' name '%s' is reserved: in a role it is a privilege", db);
}

static void
create_database(struct request *r)
{
	struct faults	 f = { 0 };
	const char	*db = field_database(&f, r->body);

	if (db != NULL)
		fault_database(&f, db);
	if (op_faults(r, &f) || op_is_system(r, db))
		return;
	submit(r, ddl_new(DDL_CREATE_DATABASE, db, NULL));
}

static void
drop_database(struct request *r)
{
	struct faults	 f = { 0 };
	const char	*db = NULL;

	if (field_either(r->body, "database", "schema") == NULL)
		fault(&f, "'database' is required");
	else
		db = field_database(&f, r->body);
	if (op_faults(r, &f) || op_is_system(r, db))
		return;
	submit(r, ddl_new(DDL_DROP_DATABASE, db, NULL));
}

static void
fault_attribute(struct faults *f, size_t i, const json_t *a)
{
	const json_t	*name = field_either(a, "name", "attribute");
	const json_t	*type = json_object_get(a, "type");
	const json_t	*indexed = json_object_get(a, "indexed");
	char		*field;

	if (!json_is_object(a)) {
		fault(f, "'attributes[%zu]' must be of type object", i);
		return;
	}
	field = xasprintf("attributes[%zu].name", i);
	if (name == NULL)
		fault(f, "'%s' is required", field);
	else if (!json_is_string(name) || strlen(json_string_value(name)) !=
	    json_string_length(name))
		fault(f, "'%s' must be a string", field);
	else
		fault_name(f, field, json_string_value(name));
	if (type != NULL && !json_is_string(type))
		fault(f, "'attributes[%zu].type' must be a string", i);
	if (indexed != NULL && !json_is_boolean(indexed))
		fault(f, "'attributes[%zu].indexed' must be a boolean", i);
	free(field);
}

/* "primary_key" or "hash_attribute". */
static const char *
field_primary_key(struct faults *f, const json_t *body)
{
	const char	*name = json_object_get(body, "primary_key") == NULL &&
	    json_object_get(body, "hash_attribute") != NULL ? "hash_attribute" : "primary_key";
	const char	*key = field_string(f, body, name, 1);

	if (key == NULL)
		return (NULL);
	fault_name(f, name, key);
	if (strcmp(key, "__createdtime__") == 0 || strcmp(key, "__updatedtime__") == 0)
		fault(f, "'%s' cannot be an internal timestamp attribute", name);
	return (key);
}

static int
may_structure(struct request *r, const char *db)
{
	if (right_structure(r->user, db))
		return (1);
	right_reply_super(r);
	return (0);
}

/* Seconds; 0 without it. */
static uint32_t
field_expiration(struct faults *f, const json_t *body)
{
	const json_t	*v = json_object_get(body, "expiration");

	if (v == NULL || json_is_null(v))
		return (0);
	if (!json_is_number(v))
		fault(f, "'expiration' must be a number");
	else if (!json_is_integer(v) || json_integer_value(v) > EXPIRATION_MAX)
		fault(f, "'expiration' must be an integer of seconds");
	else if (json_integer_value(v) < 1)
		fault(f, "'expiration' must be greater than or equal to 1");
	else
		return ((uint32_t)json_integer_value(v));
	return (0);
}

static void
create_table(struct request *r)
{
	struct faults	 f = { 0 };
	const char	*db = field_database(&f, r->body);
	const char	*table = field_string(&f, r->body, "table", 1);
	const char	*key = field_primary_key(&f, r->body);
	json_t		*attributes = field_array(&f, r->body, "attributes", 0), *a;
	int		 audit = field_bool(&f, r->body, "audit", 0);
	uint32_t	 expiration;
	struct ddl	*d;
	size_t		 i;

	if (db != NULL)
		fault_database(&f, db);
	if (table != NULL)
		fault_name(&f, "table", table);
	json_array_foreach(attributes, i, a)
		fault_attribute(&f, i, a);
	expiration = field_expiration(&f, r->body);
	if (op_faults(r, &f) || op_is_system(r, db) || !may_structure(r, db))
		return;
	if (json_object_get(r->body, "residence") != NULL && !r->ops->live.clustering) {
		reply_error(r, 400, "Clustering does not appear to be enabled. Cannot insert table "
		    "with property 'residence'.");
		return;
	}
	d = ddl_new(DDL_CREATE_TABLE, db, table);
	d->primary_key = xstrdup(key);
	d->attributes = json_incref(attributes);
	d->audit = audit != 0;
	d->expiration = expiration;
	submit(r, d);
}

static void
drop_table(struct request *r)
{
	struct faults	 f = { 0 };
	const char	*db = field_database(&f, r->body);
	const char	*table = field_string(&f, r->body, "table", 1);

	if (op_faults(r, &f) || op_is_system(r, db) || !may_structure(r, db))
		return;
	submit(r, ddl_new(DDL_DROP_TABLE, db, table));
}

/* create_attribute also comes with inserting, which makes attributes anyway. */
static int
may_ddl(struct request *r, enum ddl_kind kind, const char *db, const char *table, const char *name)
{
	struct table	*t = kind == DDL_CREATE_ATTRIBUTE ?
	    catalog_get(r->ops->catalog, db, table) : NULL;
	int		 may = t != NULL && right_table(r->user, t, MAY_INSERT) &&
	    right_attribute(r->user, t, name, MAY_INSERT);

	table_unref(t);
	return (may || may_structure(r, db));
}

/* 1 and answered when the table cannot be without it. */
static int
is_fixed(struct request *r, const char *db, const char *table, const char *name)
{
	struct table	*t = catalog_get(r->ops->catalog, db, table);
	int		 key = t != NULL && strcmp(t->primary_key, name) == 0;

	table_unref(t);
	if (key)
		reply_error(r, 400, "You cannot drop a hash attribute");
	else if (strcmp(name, "__createdtime__") == 0 || strcmp(name, "__updatedtime__") == 0) {
		reply_error(r, 400, "cannot drop internal timestamp attribute: %s", name);
		key = 1;
	}
	return (key);
}

static void
attribute_ddl(struct request *r, enum ddl_kind kind)
{
	struct faults	 f = { 0 };
	const char	*db = field_database(&f, r->body);
	const char	*table = field_string(&f, r->body, "table", 1);
	const char	*name = field_string(&f, r->body, "attribute", 1);
	struct ddl	*d;

	if (name != NULL && kind == DDL_CREATE_ATTRIBUTE)
		fault_name(&f, "attribute", name);
	if (op_faults(r, &f) || op_is_system(r, db) || !may_ddl(r, kind, db, table, name) ||
	    (kind == DDL_DROP_ATTRIBUTE && is_fixed(r, db, table, name)))
		return;
	d = ddl_new(kind, db, table);
	d->attribute = xstrdup(name);
	submit(r, d);
}

static void
create_attribute(struct request *r)
{
	attribute_ddl(r, DDL_CREATE_ATTRIBUTE);
}

static void
drop_attribute(struct request *r)
{
	attribute_ddl(r, DDL_DROP_ATTRIBUTE);
}

static uint64_t
table_size(struct ops *o, const struct table *t)
{
	struct buf	from = { 0 }, to = { 0 };
	uint64_t	size;

	key_row(&from, t->id, NULL, 0);
	key_table_end(&to, t->id);
	size = store_size(o->store, CF_ROWS, from.data, from.len, to.data, to.len) +
	    store_size(o->store, CF_INDEX, from.data, from.len, to.data, to.len);
	buf_free(&from);
	buf_free(&to);
	return (size);
}

/* The table's attributes that the user may read. */
static json_t *
describe_attributes(struct request *r, const struct table *t)
{
	json_t	*definition = table_definition(t), *shown = json_array(), *a;
	size_t	 i;

	json_array_foreach(json_object_get(definition, "attributes"), i, a) {
		const char *name = json_string_value(json_object_get(a, "attribute"));

		if (!user_hidden_attribute(t->id, name) &&
		    right_attribute(r->user, t, name, MAY_READ))
			json_array_append(shown, a);
	}
	json_decref(definition);
	return (shown);
}

static json_t *
describe(struct request *r, const struct table *t, uint64_t db_size)
{
	json_t		*j;
	uint64_t	 updated = t->stat->updated;
	char		 stream[33], *full = xasprintf("%s.%s", t->database, t->name);

	crypto_md5_hex(full, strlen(full), stream);
	free(full);
	j = json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:s, s:I, s:I, s:I}", "schema", t->database,
	    "name", t->name, "hash_attribute", t->primary_key, "audit", t->audit,
	    "schema_defined", t->declared, "attributes", describe_attributes(r, t),
	    "clustering_stream_name", stream, "record_count", (json_int_t)t->stat->count,
	    "db_size", (json_int_t)db_size, "table_size", (json_int_t)table_size(r->ops, t));
	json_object_set_new(j, "last_updated_record",
	    updated == 0 ? json_null() : json_integer((json_int_t)(updated >> 16)));
	if (t->expiration != 0)
		json_object_set_new(j, "expiration", json_integer(t->expiration));
	return (j);
}

/* {table: TABLE} of one database, with what the user may read. */
static json_t *
describe_tables(struct request *r, const char *db)
{
	json_t		*all = json_object();
	struct table	**list;
	uint64_t	 size = 0;
	size_t		 n, i;

	list = catalog_tables(r->ops->catalog, db, &n);
	for (i = 0; i < n; i++)
		size += table_size(r->ops, list[i]);
	for (i = 0; i < n; i++) {
		if (right_table(r->user, list[i], MAY_READ))
			json_object_set_new(all, list[i]->name, describe(r, list[i], size));
		table_unref(list[i]);
	}
	free(list);
	return (all);
}

static void
describe_all(struct request *r)
{
	json_t	*all = json_object(), *names = catalog_databases(r->ops->catalog), *name, *tables;
	size_t	 i;

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
	struct faults	 f = { 0 };
	const char	*db = field_database(&f, r->body);
	json_t		*tables;

	if (op_faults(r, &f))
		return;
	if (r->user->super_user && !catalog_has_database(r->ops->catalog, db)) {
		reply_error(r, 404, "database '%s' does not exist", db);
		return;
	}
	tables = describe_tables(r, db);
	if (json_object_size(tables) == 0 && !r->user->super_user) {
		json_decref(tables);
		reply_error(r, 403, "Your role does not have permission to view database metadata "
		    "for '%s'", db);
		return;
	}
	reply_json(r, 200, tables);
}

static uint64_t
database_size(struct ops *o, const char *db)
{
	struct table	**list;
	uint64_t	 size = 0;
	size_t		 n, i;

	list = catalog_tables(o->catalog, db, &n);
	for (i = 0; i < n; i++) {
		size += table_size(o, list[i]);
		table_unref(list[i]);
	}
	free(list);
	return (size);
}

/* The table when the user may see it; else the answer is the same whether it is there or not. */
static struct table *
visible_table(struct request *r)
{
	struct faults	 f = { 0 };
	const char	*db = field_database(&f, r->body);
	const char	*name = field_string(&f, r->body, "table", 1);
	struct table	*t;

	if (op_faults(r, &f))
		return (NULL);
	t = catalog_get(r->ops->catalog, db, name);
	if (t != NULL && right_table(r->user, t, MAY_READ))
		return (t);
	table_unref(t);
	reply_error(r, 403, "Your role does not have permission to view database.table metadata "
	    "for '%s.%s'", db, name);
	return (NULL);
}

static void
describe_table(struct request *r)
{
	struct faults	 f = { 0 };
	struct table	*t = r->user->super_user ? op_table(r, &f, 400, 404) : visible_table(r);

	if (t == NULL)
		return;
	reply_json(r, 200, describe(r, t, database_size(r->ops, t->database)));
	table_unref(t);
}

const struct op ops_schema[] = {
	{ "create_database", "createSchema", RIGHT_SUPER, ON_HTTP, create_database },
	{ "create_schema", "createSchema", RIGHT_SUPER, ON_HTTP, create_database },
	{ "drop_database", "dropSchema", RIGHT_SUPER, ON_HTTP, drop_database },
	{ "drop_schema", "dropSchema", RIGHT_SUPER, ON_HTTP, drop_database },
	{ "create_table", "createTable", RIGHT_TABLE, ON_HTTP, create_table },
	{ "drop_table", "dropTable", RIGHT_TABLE, ON_HTTP, drop_table },
	{ "create_attribute", "createAttribute", RIGHT_TABLE, ON_HTTP, create_attribute },
	{ "drop_attribute", "dropAttribute", RIGHT_TABLE, ON_HTTP, drop_attribute },
	{ "describe_all", "describeAll", RIGHT_ANYONE, ON_HTTP, describe_all },
	{ "describe_database", "describeSchema", RIGHT_TABLE, ON_HTTP, describe_database },
	{ "describe_schema", "describeSchema", RIGHT_TABLE, ON_HTTP, describe_database },
	{ "describe_table", "describeTable", RIGHT_TABLE, ON_HTTP, describe_table },
	{ NULL },
};
