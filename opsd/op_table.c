#include "config.h"

#include "op_table.h"

#include <string.h>

#include "auth.h"
#include "ops.h"

#define NAME_MAX_BYTES	250

json_t *
field_either(const json_t *body, const char *name, const char *old)
{
	json_t	*v = json_object_get(body, name);

	return (v != NULL ? v : json_object_get(body, old));
}

void
fault_name(struct faults *f, const char *field, const char *name)
{
	size_t	n = strlen(name);

	if (n == 0)
		fault(f, "'%s' is not allowed to be empty", field);
	else if (n > NAME_MAX_BYTES)
		fault(f, "'%s' length must be less than or equal to %d characters long", field,
		    NAME_MAX_BYTES);
	else
		for (size_t i = 0; i < n; i++)
			if (name[i] < 0x20 || name[i] > 0x7e || name[i] == '/' || name[i] == '`') {
				fault(f, "'%s' names cannot include backticks or forward slashes",
				    field);
				return;
			}
}

void
fault_ids(struct faults *f, const json_t *ids, size_t max)
{
	const json_t	*id;
	size_t		 i;

	if (ids == NULL)
		fault(f, "'hash_values' is required");
	else if (!json_is_array(ids))
		fault(f, "'hash_values' must be an array");
	json_array_foreach(ids, i, id)
		if ((!json_is_string(id) && !json_is_number(id)) || json_string_length(id) > max) {
			fault(f, "'hash_values' must be strings or numbers");
			return;
		}
}

int
op_faults_status(struct request *r, struct faults *f, int status)
{
	if (f->n == 0 || status == 400)
		return (op_faults(r, f));
	reply_error(r, status, "%.*s", (int)f->text.len, (const char *)f->text.data);
	buf_free(&f->text);
	return (1);
}

struct table *
op_table(struct request *r, struct faults *f, int faults_status, int status)
{
	const char	*db = field_database(f, r->body);
	const char	*name = field_string(f, r->body, "table", 1);
	struct table	*t;

	if (op_faults_status(r, f, faults_status))
		return (NULL);
	t = catalog_get(r->ops->catalog, db, name);
	if (t != NULL)
		return (t);
	if (!catalog_has_database(r->ops->catalog, db))
		reply_error(r, status, "database '%s' does not exist", db);
	else
		reply_error(r, status, "Table '%s.%s' does not exist", db, name);
	return (NULL);
}

/* What the role says of single attributes; NULL: nothing, the table's rights hold for all. */
static const json_t *
attribute_permissions(const struct user *u, const struct table *t)
{
	const json_t	*tables = json_object_get(json_object_get(u->permission, t->database),
	    "tables");
	const json_t	*list = json_object_get(json_object_get(tables, t->name),
	    "attribute_permissions");

	return (json_array_size(list) > 0 ? list : NULL);
}

static int
is_time(const char *name)
{
	return (strcmp(name, "__createdtime__") == 0 || strcmp(name, "__updatedtime__") == 0);
}

int
may_attribute(const struct user *u, const struct table *t, const char *name, const char *right)
{
	const json_t	*list, *e;
	const char	*listed;
	size_t		 i;

	if (u->super_user || (list = attribute_permissions(u, t)) == NULL)
		return (1);
	json_array_foreach(list, i, e) {
		listed = json_string_value(json_object_get(e, "attribute_name"));
		if (listed != NULL && strcmp(listed, name) == 0)
			return (json_is_true(json_object_get(e, right)));
	}
	/* The key goes with whatever else the role may do, the times with reading. */
	return (strcmp(name, t->primary_key) == 0 || (is_time(name) && strcmp(right, "read") == 0));
}

static void
reply_refused(struct request *r, const struct table *t, json_t *attributes)
{
	reply_json(r, 403, json_pack("{s:s, s:[{s:s, s:s, s:[], s:o}], s:[]}", "error",
	    "This operation is not authorized due to role restrictions and/or invalid database "
	    "items", "unauthorized_access", "schema", t->database, "table", t->name,
	    "required_table_permissions", "required_attribute_permissions", attributes,
	    "invalid_schema_items"));
}

int
op_may_attributes(struct request *r, const struct table *t, const json_t *names,
    const char *right)
{
	const char	*name;
	json_t		*refused, *v;
	size_t		 n;

	if (r->user->super_user || attribute_permissions(r->user, t) == NULL)
		return (1);
	refused = json_array();
	json_object_foreach((json_t *)(uintptr_t)names, name, v)
		if (!may_attribute(r->user, t, name, right))
			json_array_append_new(refused, json_pack("{s:s, s:[s]}", "attribute_name",
			    name, "required_permissions", right));
	n = json_array_size(refused);
	if (n > 0)
		reply_refused(r, t, refused);
	else
		json_decref(refused);
	return (n == 0);
}
