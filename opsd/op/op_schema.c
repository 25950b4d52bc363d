#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/auth/permission.h"
#include "opsd/auth/role.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/scope_change.h"
#include "opsd/cluster/subscription.h"
#include "opsd/op/node.h"
#include "opsd/op/op_table.h"
#include "opsd/store/group.h"

#define ATTRIBUTES_FIXED 3 /* the key and two times */

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
	case DDL_ALTER_TABLE:
		reply_message(r, "table '%s.%s' successfully altered.", d->database, d->table);
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
op_schema_done_cb(struct commit_job *j)
{
	struct ddl *d = (struct ddl *)j;
	struct request *r = j->arg;

	if (j->status != 200)
		reply_error(r, j->status, "%s", j->error != NULL ? j->error : "not written");
	else {
		if (d->kind == DDL_ALTER_TABLE || d->replicate != REPLICATE_UNSAID)
			scope_changed(&r->ops->rep);
		reply_done(r, d);
	}
	ddl_free(d);
}

static void
submit_ddl(struct request *r, struct ddl *d)
{
	d->user = xstrdup(r->user->name);
	d->job.done = op_schema_done_cb;
	d->job.arg = r;
	commit_submit(r->ops->data.commit, &d->job);
}

/* The name of something new. */
static void
fault_new_name(struct faults *f, const char *field, const char *name)
{
	fault_name(f, field, name);
	if (strcmp(name, SUBSCRIPTION_ALL) == 0)
		fault(f, "'%s' name '%s' is reserved: in a subscription it is every %s", field,
		    name, field);
}

static void
fault_database(struct faults *f, const char *db)
{
	fault_new_name(f, "database", db);
	if (role_reserved(db))
		fault(f, "'database' name '%s' is reserved: in a role it is a privilege", db);
}

static void
make_database(struct request *r)
{
	struct faults f = { 0 };
	const char *db = field_database(&f, r->body);

	if (db != NULL)
		fault_database(&f, db);
	if (faults_answer(r, &f) || op_is_system(r, db))
		return;
	submit_ddl(r, ddl_new(DDL_CREATE_DATABASE, db, NULL));
}

static void
remove_database(struct request *r)
{
	struct faults f = { 0 };
	const char *db = NULL;

	if (field_either(r->body, "database", "schema") == NULL)
		fault(&f, "'database' is required");
	else
		db = field_database(&f, r->body);
	if (faults_answer(r, &f) || op_is_system(r, db))
		return;
	submit_ddl(r, ddl_new(DDL_DROP_DATABASE, db, NULL));
}

static void
fault_attribute(struct faults *f, size_t i, const json_t *a)
{
	const json_t *name = field_either(a, "name", "attribute");
	const json_t *type = json_object_get(a, "type");
	const json_t *indexed = json_object_get(a, "indexed");
	char *field;

	if (!json_is_object(a)) {
		fault(f, "'attributes[%zu]' must be of type object", i);
		return;
	}
	field = xasprintf("attributes[%zu].name", i);
	if (name == NULL)
		fault(f, "'%s' is required", field);
	else if (!json_is_string(name) ||
	    strlen(json_string_value(name)) != json_string_length(name))
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
	const char *name = json_object_get(body, "primary_key") == NULL &&
		json_object_get(body, "hash_attribute") != NULL ?
	    "hash_attribute" :
	    "primary_key";
	const char *key = field_string(f, body, name, 1);

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
	if (permission_structure(r->user, db))
		return (1);
	reply_json(r, 403, permission_no_super(r->op->internal, ""));
	return (0);
}

/* Seconds; 0 without it. */
static uint32_t
field_expiration(struct faults *f, const json_t *body)
{
	const json_t *v = json_object_get(body, "expiration");

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
fault_residence(struct faults *f, size_t i, const json_t *name)
{
	char *field = xasprintf("residence[%zu]", i);

	if (!json_is_string(name) || strlen(json_string_value(name)) != json_string_length(name))
		fault(f, "'%s' must be a string", field);
	else
		fault_name(f, field, json_string_value(name));
	free(field);
}

/* Names of nodes; NULL without it. */
static json_t *
field_residence(struct faults *f, const json_t *body)
{
	json_t *list = json_object_get(body, "residence"), *e;
	size_t i;

	if (list == NULL || json_is_null(list))
		return (NULL);
	if (!json_is_array(list))
		fault(f, "'residence' must be an array");
	else if (json_array_size(list) > RESIDENCE_MAX)
		fault(f, "'residence' must contain less than or equal to %d items", RESIDENCE_MAX);
	else
		json_array_foreach(list, i, e)
			fault_residence(f, i, e);
	return (list);
}

/* A boolean; nothing is said without it, or by null. */
static enum table_replicate
field_replicate(struct faults *f, const json_t *body)
{
	const json_t *v = json_object_get(body, "replicate");

	if (v != NULL && !json_is_null(v) && !json_is_boolean(v))
		fault(f, "'replicate' must be a boolean");
	return (table_replicate_read(body));
}

static void
make_table(struct request *r)
{
	struct faults f = { 0 };
	const char *db = field_database(&f, r->body);
	const char *table = field_string(&f, r->body, "table", 1);
	const char *key = field_primary_key(&f, r->body);
	json_t *attributes = field_array(&f, r->body, "attributes", 0), *residence, *a;
	size_t most = (size_t)r->ops->data.live.max_attributes - ATTRIBUTES_FIXED;
	int audit = field_bool(&f, r->body, "audit", 0);
	enum table_replicate replicate = field_replicate(&f, r->body);
	uint32_t expiration;
	struct ddl *d;
	size_t i;

	if (db != NULL)
		fault_database(&f, db);
	if (table != NULL)
		fault_new_name(&f, "table", table);
	if (json_array_size(attributes) > most)
		fault(&f,
		    "'attributes' must contain less than or equal to %zu items "
		    "(storage.maxTableAttributes)",
		    most);
	else
		json_array_foreach(attributes, i, a)
			fault_attribute(&f, i, a);
	expiration = field_expiration(&f, r->body);
	residence = field_residence(&f, r->body);
	if (faults_answer(r, &f) || op_is_system(r, db) || !may_structure(r, db))
		return;
	if (residence != NULL && !r->ops->data.live.replicates) {
		reply_error(r, 400,
		    "Clustering does not appear to be enabled. Cannot insert table "
		    "with property 'residence'.");
		return;
	}
	d = ddl_new(DDL_CREATE_TABLE, db, table);
	d->primary_key = xstrdup(key);
	d->attributes = json_incref(attributes);
	d->audit = audit != 0;
	d->residence = json_incref(residence);
	d->expiration = expiration;
	d->replicate = replicate;
	submit_ddl(r, d);
}

static void
alter_table(struct request *r)
{
	struct faults f = { 0 };
	const char *db = field_database(&f, r->body);
	const char *table = field_string(&f, r->body, "table", 1);
	enum table_replicate replicate = field_replicate(&f, r->body);
	struct ddl *d;

	if (json_object_get(r->body, "replicate") == NULL)
		fault(&f, "'replicate' is required");
	if (faults_answer(r, &f) || op_is_system(r, db) || !may_structure(r, db))
		return;
	d = ddl_new(DDL_ALTER_TABLE, db, table);
	d->replicate = replicate;
	submit_ddl(r, d);
}

static void
remove_table(struct request *r)
{
	struct faults f = { 0 };
	const char *db = field_database(&f, r->body);
	const char *table = field_string(&f, r->body, "table", 1);

	if (faults_answer(r, &f) || op_is_system(r, db) || !may_structure(r, db))
		return;
	submit_ddl(r, ddl_new(DDL_DROP_TABLE, db, table));
}

/* create_attribute also comes with inserting, which makes attributes anyway. */
static int
may_ddl(struct request *r, enum ddl_kind kind, const char *db, const char *table, const char *name)
{
	struct table *t = kind == DDL_CREATE_ATTRIBUTE ?
	    catalog_get(r->ops->data.catalog, db, table) :
	    NULL;
	int may = t != NULL && permission_table(r->user, t, MAY_INSERT) &&
	    permission_attribute(r->user, t, name, MAY_INSERT);

	table_unref(t);
	return (may || may_structure(r, db));
}

/* 1 and answered when the table cannot be without it. */
static int
is_fixed(struct request *r, const char *db, const char *table, const char *name)
{
	struct table *t = catalog_get(r->ops->data.catalog, db, table);
	int key = t != NULL && strcmp(t->primary_key, name) == 0;

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
	struct faults f = { 0 };
	const char *db = field_database(&f, r->body);
	const char *table = field_string(&f, r->body, "table", 1);
	const char *name = field_string(&f, r->body, "attribute", 1);
	struct ddl *d;

	if (name != NULL && kind == DDL_CREATE_ATTRIBUTE)
		fault_name(&f, "attribute", name);
	if (faults_answer(r, &f) || op_is_system(r, db) || !may_ddl(r, kind, db, table, name) ||
	    (kind == DDL_DROP_ATTRIBUTE && is_fixed(r, db, table, name)))
		return;
	d = ddl_new(kind, db, table);
	d->attribute = xstrdup(name);
	submit_ddl(r, d);
}

static void
make_attribute(struct request *r)
{
	attribute_ddl(r, DDL_CREATE_ATTRIBUTE);
}

static void
remove_attribute(struct request *r)
{
	attribute_ddl(r, DDL_DROP_ATTRIBUTE);
}

const struct op ops_schema[] = {
	{ "create_database", "createSchema", RIGHT_SUPER, ON_HTTP, make_database },
	{ "create_schema", "createSchema", RIGHT_SUPER, ON_HTTP, make_database },
	{ "drop_database", "dropSchema", RIGHT_SUPER, ON_HTTP, remove_database },
	{ "drop_schema", "dropSchema", RIGHT_SUPER, ON_HTTP, remove_database },
	{ "create_table", "createTable", RIGHT_TABLE, ON_HTTP, make_table },
	{ "alter_table", "alterTable", RIGHT_TABLE, ON_HTTP, alter_table },
	{ "drop_table", "dropTable", RIGHT_TABLE, ON_HTTP, remove_table },
	{ "create_attribute", "createAttribute", RIGHT_TABLE, ON_HTTP, make_attribute },
	{ "drop_attribute", "dropAttribute", RIGHT_TABLE, ON_HTTP, remove_attribute },
	{ NULL },
};
