#include "config.h"

#include "opsd/auth/permission.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/auth/user.h"
#include "opsd/store/catalog.h"

#define REFUSED_MAX 100 /* attributes that an answer names */
#define ALL         (MAY_READ | MAY_INSERT | MAY_UPDATE | MAY_DELETE)

static const struct {
	unsigned right;
	const char *name;
} rights_named[] = {
	{ MAY_READ, "read" },
	{ MAY_INSERT, "insert" },
	{ MAY_UPDATE, "update" },
	{ MAY_DELETE, "delete" },
};

#define NRIGHTS (sizeof(rights_named) / sizeof(rights_named[0]))

/* The rights in {"read": true, ...}. */
static unsigned
read_rights(const json_t *object)
{
	unsigned rights = 0;

	for (size_t i = 0; i < NRIGHTS; i++)
		if (json_is_true(json_object_get(object, rights_named[i].name)))
			rights |= rights_named[i].right;
	return (rights);
}

static json_t *
names_of(unsigned rights)
{
	json_t *list = json_array();

	for (size_t i = 0; i < NRIGHTS; i++)
		if (rights & rights_named[i].right)
			json_array_append_new(list, json_string(rights_named[i].name));
	return (list);
}

/* ---- what is granted ---- */

/* {"names": {attribute: rights}, "any": what there is to at least one of them} */
static json_t *
index_attributes(const json_t *list)
{
	json_t *names = json_object(), *e;
	unsigned any = 0;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, e) {
		const char *name = json_string_value(json_object_get(e, "attribute_name"));

		if (name == NULL || json_object_get(names, name) != NULL)
			continue;
		json_object_set_new(names, name, json_integer(read_rights(e)));
		any |= read_rights(e);
	}
	return (json_pack("{s:o, s:i}", "names", names, "any", (int)any));
}

static json_t *
index_tables(json_t *tables)
{
	json_t *index = json_object(), *rules;
	const char *name;

	json_object_foreach(tables, name, rules) {
		const json_t *list = json_object_get(rules, "attribute_permissions");

		if (json_array_size(list) > 0)
			json_object_set_new(index, name, index_attributes(list));
	}
	return (index);
}

json_t *
permission_index(const json_t *permission)
{
	json_t *index = json_object(), *database;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)permission, name, database)
		if (json_is_object(json_object_get(database, "tables")))
			json_object_set_new(index, name,
			    index_tables(json_object_get(database, "tables")));
	return (index);
}

/* What index_attributes made of the table's, or NULL: the role's rights to it hold for all. */
static const json_t *
listed_attributes(const struct user_role *r, const struct table *t)
{
	return (json_object_get(json_object_get(r->attributes, t->database), t->name));
}

int
permission_listed(const struct user *u, const struct table *t)
{
	for (size_t i = 0; i < u->nroles && !u->super_user; i++)
		if (listed_attributes(u->roles[i], t) != NULL)
			return (1);
	return (0);
}

static unsigned
role_grants(const struct user_role *r, const struct table *t)
{
	const json_t *database = json_object_get(r->permission, t->database);

	if (r->cluster_user || t->id < TABLE_USER_FIRST)
		return (0);
	return (read_rights(json_object_get(json_object_get(database, "tables"), t->name)));
}

static unsigned
granted_rights(const struct user *u, const struct table *t)
{
	unsigned rights = u->super_user ? ALL : 0;

	for (size_t i = 0; i < u->nroles; i++)
		rights |= role_grants(u->roles[i], t);
	return (rights);
}

static int
is_time(const char *name)
{
	return (strcmp(name, "__createdtime__") == 0 || strcmp(name, "__updatedtime__") == 0);
}

/*
 * Who has a right to some attribute has it to the key and reads the times, unless they are
 * listed themselves.  The key that says which row is updated is not what is updated.
 */
static unsigned
role_lists(const struct user_role *r, const struct table *t, const char *name)
{
	const json_t *list = listed_attributes(r, t), *bits;
	unsigned any = (unsigned)json_integer_value(json_object_get(list, "any")), rights = 0;

	if (list == NULL)
		return (ALL);
	if ((bits = json_object_get(json_object_get(list, "names"), name)) != NULL)
		rights = (unsigned)json_integer_value(bits);
	else if (is_time(name))
		rights = any & MAY_READ;
	else if (strcmp(name, t->primary_key) == 0)
		rights = any;
	return (strcmp(name, t->primary_key) == 0 ? rights | (any & MAY_UPDATE) : rights);
}

/* A role's right to an attribute needs its right to the table: another's makes it no greater. */
static unsigned
granted_attribute(const struct user *u, const struct table *t, const char *name)
{
	unsigned rights = u->super_user ? ALL : 0;

	for (size_t i = 0; i < u->nroles; i++)
		rights |= role_grants(u->roles[i], t) & role_lists(u->roles[i], t, name);
	return (rights);
}

int
permission_table(const struct user *u, const struct table *t, unsigned rights)
{
	return ((granted_rights(u, t) & rights) == rights);
}

int
permission_attribute(const struct user *u, const struct table *t, const char *name, unsigned rights)
{
	return ((granted_attribute(u, t, name) & rights) == rights);
}

int
permission_reads(const struct user *u, const struct table *t)
{
	unsigned rights = u->super_user ? ALL : 0;
	const json_t *list;

	for (size_t i = 0; i < u->nroles; i++) {
		list = listed_attributes(u->roles[i], t);
		rights |= role_grants(u->roles[i], t) &
		    (list == NULL ? ALL :
				    (unsigned)json_integer_value(json_object_get(list, "any")));
	}
	return ((rights & MAY_READ) != 0);
}

int
permission_sees(const struct user *u, const struct table *t)
{
	return (granted_rights(u, t) != 0);
}

int
permission_sees_attribute(const struct user *u, const struct table *t, const char *name)
{
	return (granted_attribute(u, t, name) != 0);
}

static int
role_builds(const struct user_role *r, const char *db)
{
	const json_t *may = json_object_get(r->permission, "structure_user"), *v;
	size_t i;

	if (json_is_true(may))
		return (!r->cluster_user);
	json_array_foreach((json_t *)(uintptr_t)may, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), db) == 0)
			return (!r->cluster_user);
	return (0);
}

int
permission_structure(const struct user *u, const char *db)
{
	int may = u->super_user;

	for (size_t i = 0; i < u->nroles; i++)
		may |= role_builds(u->roles[i], db);
	return (may);
}

int
permission_metrics(const struct user *u)
{
	int may = u->super_user;

	for (size_t i = 0; i < u->nroles; i++)
		may |= json_is_true(json_object_get(u->roles[i]->permission, "metrics_user"));
	return (may);
}

/* ---- how it is refused ---- */

static json_t *
refusal_body(json_t *unauthorized, json_t *invalid)
{
	return (json_pack("{s:s, s:o, s:o}", "error",
	    "This operation is not authorized due to "
	    "role restrictions and/or invalid database items",
	    "unauthorized_access", unauthorized, "invalid_schema_items", invalid));
}

static json_t *
text_taken(char *s)
{
	json_t *v = json_string(s);

	free(s);
	return (v);
}

static int
role_sees(const struct user_role *r, const char *db)
{
	json_t *tables = json_object_get(json_object_get(r->permission, db), "tables"), *rules;
	const char *name;

	json_object_foreach(tables, name, rules)
		if (read_rights(rules) != 0)
			return (!r->cluster_user);
	return (0);
}

/* Does a role grant anything in that database? */
static int
sees_database(const struct user *u, const char *db)
{
	int sees = 0;

	for (size_t i = 0; i < u->nroles; i++)
		sees |= role_sees(u->roles[i], db);
	return (sees);
}

json_t *
permission_no_table(const struct user *u, const char *db, const char *table)
{
	char *s = sees_database(u, db) ? xasprintf("Table '%s.%s' does not exist", db, table) :
					 xasprintf("database '%s' does not exist", db);

	return (refusal_body(json_array(), json_pack("[o]", text_taken(s))));
}

/* What is refused of the attributes goes to one of the two lists. */
static void
refuse_attribute(const struct table *t, const char *name, unsigned have, unsigned missing,
    json_t *unauthorized, json_t *invalid)
{
	if (have != 0)
		json_array_append_new(unauthorized,
		    json_pack("{s:s, s:o}", "attribute_name", name, "required_permissions",
			names_of(missing)));
	else
		json_array_append_new(invalid,
		    text_taken(xasprintf("Attribute '%s' does not exist on "
					 "'%s.%s'",
			name, t->database, t->name)));
}

static json_t *
refuse_all(const struct table *t, unsigned missing, json_t *attributes, json_t *invalid)
{
	json_t *unauthorized = json_array();

	if (missing != 0 || json_array_size(attributes) > 0)
		json_array_append_new(unauthorized,
		    json_pack("{s:s, s:s, s:o, s:O}", "schema", t->database, "table", t->name,
			"required_table_permissions", names_of(missing),
			"required_attribute_permissions", attributes));
	json_decref(attributes);
	return (refusal_body(unauthorized, invalid));
}

/*
 * The attributes that are missing rights, or NULL: none is.  The key, whose rights follow
 * those of others, is named when no other is.
 */
static json_t *
refuse_attributes(const struct user *u, const struct table *t, unsigned rights, const json_t *names)
{
	json_t *attributes = json_array(), *invalid = json_array(), *v;
	unsigned have = granted_attribute(u, t, t->primary_key);
	int key = json_object_get(names, t->primary_key) != NULL && (rights & ~have), n = 0;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)names, name, v) {
		unsigned other = granted_attribute(u, t, name);

		if ((rights & ~other) && strcmp(name, t->primary_key) != 0 && n++ < REFUSED_MAX)
			refuse_attribute(t, name, other, rights & ~other, attributes, invalid);
	}
	if (key && n == 0) {
		refuse_attribute(t, t->primary_key, have, rights & ~have, attributes, invalid);
		n = 1;
	}
	if (n > 0)
		return (refuse_all(t, 0, attributes, invalid));
	json_decref(attributes);
	json_decref(invalid);
	return (NULL);
}

json_t *
permission_refusal(const struct user *u, const struct table *t, unsigned rights,
    const json_t *names)
{
	unsigned have = granted_rights(u, t), missing = rights & ~have;

	if (have == 0)
		return (permission_no_table(u, t->database, t->name));
	if (missing != 0)
		return (refuse_all(t, missing, json_array(), json_array()));
	return (permission_listed(u, t) ? refuse_attributes(u, t, rights, names) : NULL);
}

json_t *
permission_times_refusal(const json_t *names)
{
	if (json_object_get(names, "__createdtime__") == NULL &&
	    json_object_get(names, "__updatedtime__") == NULL)
		return (NULL);
	return (json_pack("{s:s}", "error",
	    "Internal timestamp attributes - '__createdtime_' and "
	    "'__updatedtime__' - cannot be inserted to or updated by HDB users."));
}

json_t *
permission_no_database(const char *db)
{
	char *why = xasprintf("database '%s' does not exist", db);

	return (refusal_body(json_array(), json_pack("[o]", text_taken(why))));
}

json_t *
permission_no_super(const char *operation, const char *when)
{
	char *why = xasprintf("Operation '%s' is restricted to 'super_user' roles%s", operation,
	    when);

	return (refusal_body(json_pack("[o]", text_taken(why)), json_array()));
}

json_t *
permission_no_operation(const char *operation)
{
	char *why = xasprintf("Operation '%s' is not among the operations of your role", operation);

	return (refusal_body(json_pack("[o]", text_taken(why)), json_array()));
}
