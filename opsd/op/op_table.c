#include "config.h"

#include "opsd/op/op_table.h"

#include <string.h>

#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/op/op_cast.h"
#include "opsd/op/op_permission.h"

json_t *
field_either(const json_t *body, const char *name, const char *old)
{
	json_t *v = json_object_get(body, name);

	return (v != NULL ? v : json_object_get(body, old));
}

void
fault_name(struct faults *f, const char *field, const char *name)
{
	const char *why = table_name_fault(name);

	if (why != NULL)
		fault(f, "'%s' %s", field, why);
}

const json_t *
field_ids(struct faults *f, const json_t *body, size_t max)
{
	const json_t *ids = field_either(body, "ids", "hash_values"), *id;
	const char *name = json_object_get(body, "ids") != NULL ? "ids" : "hash_values";
	size_t i;

	if (ids == NULL)
		fault(f, "'%s' is required", name);
	else if (!json_is_array(ids))
		fault(f, "'%s' must be an array", name);
	json_array_foreach(ids, i, id)
		if ((!json_is_string(id) && !json_is_number(id)) || json_string_length(id) > max) {
			fault(f, "'%s' must be strings or numbers", name);
			break;
		}
	return (ids);
}

int
op_faults_status(struct request *r, struct faults *f, int status)
{
	if (f->n == 0 || status == 400)
		return (faults_answer(r, f));
	reply_error(r, status, "%.*s", (int)f->text.len, (const char *)f->text.data);
	buf_free(&f->text);
	return (1);
}

/* What is in the catalog under that name, or the answer that it is not there. */
struct table *
op_table_named(struct request *r, const char *db, const char *name, int status)
{
	struct table *t = catalog_get(r->ops->data.catalog, db, name);

	if (!r->user->super_user && !op_permission_visible(r, t, db, name)) {
		table_unref(t);
		return (NULL);
	}
	if (t != NULL)
		return (t);
	if (!catalog_has_database(r->ops->data.catalog, db))
		reply_error(r, status, "database '%s' does not exist", db);
	else
		reply_error(r, status, "Table '%s.%s' does not exist", db, name);
	return (NULL);
}

struct table *
op_table(struct request *r, struct faults *f, int faults_status, int status)
{
	const char *db, *name;

	op_cast_names(r->body);
	db = field_database(f, r->body);
	name = field_string(f, r->body, "table", 1);
	return (op_faults_status(r, f, faults_status) ? NULL : op_table_named(r, db, name, status));
}

static const char is_system[] = "The 'system' database, tables and records are used internally by "
				"HarperDB and cannot be updated or removed.";

/* Rows of the system that operations of their own write, which check more than a row can say. */
static const struct {
	const char *table, *with;
} system_rows[] = {
	{ "hdb_user", "add_user, alter_user and drop_user" },
	{ "hdb_role", "add_role, alter_role and drop_role" },
	{ "hdb_nodes", "add_node, update_node and remove_node" },
	{ "hdb_status", "set_status and clear_status" },
};

/* 1 with 403 answered: to others than super users the tables of the system are not there. */
static int
is_system_row(struct request *r, const char *db, const char *table)
{
	const char *with = NULL;

	if (strcmp(db, "system") != 0 || !r->user->super_user)
		return (0);
	for (size_t i = 0; i < sizeof(system_rows) / sizeof(system_rows[0]); i++)
		if (strcmp(system_rows[i].table, table) == 0)
			with = system_rows[i].with;
	if (with != NULL)
		reply_error(r, 403, "%s Rows of '%s' are written with %s.", is_system, table, with);
	else
		reply_error(r, 403, "%s", is_system);
	return (1);
}

struct table *
op_table_to_write(struct request *r, struct faults *f)
{
	const char *db, *name;

	op_cast_names(r->body);
	db = field_database(f, r->body);
	name = field_string(f, r->body, "table", 1);
	return (faults_answer(r, f) || is_system_row(r, db, name) ?
		NULL :
		op_table_named(r, db, name, 400));
}

int
op_is_system(struct request *r, const char *db)
{
	if (strcmp(db, "system") != 0)
		return (0);
	reply_error(r, 403, "%s", is_system);
	return (1);
}
