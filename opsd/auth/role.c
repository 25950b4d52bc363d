#include "config.h"

#include "opsd/auth/role.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/jsonlist.h"
#include "common/base/mem.h"
#include "opsd/store/catalog.h"

#define FAULTS_MAX 200 /* in one answer */

static const char *const types[] = { "super_user", "cluster_user", "structure_user",
	"metrics_user" };

#define NTYPES (sizeof(types) / sizeof(types[0]))

/* Of tables; all but the last are of attributes, too: there it is allowed and means nothing. */
static const char *const rights[] = { "read", "insert", "update", "delete" };

struct checking {
	struct catalog *catalog;
	enum role_operation (*operation)(const char *name);
	json_t *top, *schemas; /* faults */
	unsigned n;
};

/* The table whose permission is looked at. */
struct table_checking {
	struct checking *c;
	char *key; /* "<database>_<table>" */
	const struct table *table;
	const json_t *rules;
};

int
role_reserved(const char *database)
{
	for (size_t i = 0; i < NTYPES; i++)
		if (strcmp(database, types[i]) == 0)
			return (1);
	return (0);
}

/* ---- faults ---- */

/* Each fault is added once: an attribute may be listed often. */
static void
add_fault(struct checking *c, json_t *list, const char *fmt, va_list ap)
{
	json_t *text;

	if (c->n++ >= FAULTS_MAX)
		return;
	text = json_vsprintf(fmt, ap);
	if (!jsonlist_has(list, text))
		json_array_append(list, text);
	json_decref(text);
}

static __attribute__((format(printf, 2, 3))) void
top_fault(struct checking *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_fault(c, c->top, fmt, ap);
	va_end(ap);
}

static __attribute__((format(printf, 3, 4))) void
key_fault(struct checking *c, const char *key, const char *fmt, ...)
{
	json_t *list = json_object_get(c->schemas, key);
	va_list ap;

	if (list == NULL) {
		list = json_array();
		json_object_set_new(c->schemas, key, list);
	}
	va_start(ap, fmt);
	add_fault(c, list, fmt, ap);
	va_end(ap);
	if (json_array_size(list) == 0)
		json_object_del(c->schemas, key);
}

static int
is_right(const char *key, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(key, rights[i]) == 0)
			return (1);
	return (0);
}

static const char *
upper_word(const char *word, char out[16])
{
	size_t i;

	for (i = 0; word[i] != '\0' && i < 15; i++)
		out[i] = (char)toupper((unsigned char)word[i]);
	out[i] = '\0';
	return (out);
}

/* ---- attributes ---- */

static void
check_attribute_keys(struct table_checking *t, const json_t *rules)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)rules, key, v)
		if (strcmp(key, "attribute_name") != 0 && !is_right(key, 4))
			key_fault(t->c, t->key, "Invalid attribute permission key value '%s'", key);
}

static void
check_attribute_rights(struct table_checking *t, const json_t *rules, const char *name)
{
	char word[16];

	for (size_t i = 0; i < 3; i++) {
		const json_t *v = json_object_get(rules, rights[i]);

		if (v == NULL)
			key_fault(t->c, t->key, "%s attribute permission missing for '%s'",
			    upper_word(rights[i], word), name);
		else if (!json_is_boolean(v))
			key_fault(t->c, t->key,
			    "%s attribute permission for '%s' must be a "
			    "boolean",
			    upper_word(rights[i], word), name);
	}
}

static void
check_attribute(struct table_checking *t, const json_t *rules)
{
	const json_t *v = json_object_get(rules, "attribute_name");
	const char *name = json_string_value(v);
	const struct attribute *a;

	if (!json_is_object(rules) || v == NULL) {
		key_fault(t->c, t->key,
		    "Permission object in 'attribute_permission' missing an "
		    "'attribute_name'");
		return;
	}
	a = name != NULL ? table_attr(t->table, name, json_string_length(v)) : NULL;
	if (a == NULL || a->hidden) {
		key_fault(t->c, t->key, "Invalid attribute '%s' in 'attribute_permissions'",
		    name != NULL ? name : "");
		return;
	}
	check_attribute_keys(t, rules);
	check_attribute_rights(t, rules, name);
}

/* A table's right that is refused, and granted for one of its attributes. */
static int
table_conflicts(const json_t *table, const json_t *list)
{
	const json_t *e;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, e)
		for (size_t k = 0; k < 3; k++)
			if (json_is_false(json_object_get(table, rights[k])) &&
			    json_is_true(json_object_get(e, rights[k])))
				return (1);
	return (0);
}

static void
check_attributes(struct table_checking *t)
{
	const json_t *list = json_object_get(t->rules, "attribute_permissions"), *e;
	size_t i;

	if (list == NULL)
		key_fault(t->c, t->key, "Missing 'attribute_permissions' array");
	else if (!json_is_array(list))
		key_fault(t->c, t->key, "Value for 'attribute_permissions' must be an array");
	json_array_foreach((json_t *)(uintptr_t)list, i, e)
		check_attribute(t, e);
	if (table_conflicts(t->rules, list))
		key_fault(t->c, t->key,
		    "You have a conflict with TABLE permissions for '%s.%s' "
		    "being false and ATTRIBUTE permissions being true",
		    t->table->database, t->table->name);
}

/* ---- tables ---- */

static void
check_rules(struct table_checking *t)
{
	const char *key;
	char word[16];
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)t->rules, key, v)
		if (strcmp(key, "attribute_permissions") != 0 && !is_right(key, 4))
			key_fault(t->c, t->key, "Invalid table permission key value '%s'", key);
	for (size_t i = 0; i < 4; i++) {
		if ((v = json_object_get(t->rules, rights[i])) == NULL)
			key_fault(t->c, t->key, "Missing table %s permission",
			    upper_word(rights[i], word));
		else if (!json_is_boolean(v))
			key_fault(t->c, t->key, "Table %s permission must be a boolean",
			    upper_word(rights[i], word));
	}
	check_attributes(t);
}

static void
check_table(struct checking *c, const char *db, const char *name, const json_t *rules)
{
	struct table *table = catalog_get(c->catalog, db, name);
	struct table_checking t = { .c = c, .table = table, .rules = rules };

	if (table == NULL) {
		top_fault(c, "Table '%s.%s' does not exist", db, name);
		return;
	}
	t.key = xasprintf("%s_%s", db, name);
	if (json_is_object(rules))
		check_rules(&t);
	else
		key_fault(c, t.key, "Value for '%s.%s' permission must be an object", db, name);
	free(t.key);
	table_unref(table);
}

/* ---- databases ---- */

static int
is_database(struct checking *c, const char *name)
{
	if (strcmp(name, "system") != 0 && catalog_has_database(c->catalog, name))
		return (1);
	top_fault(c, "database '%s' does not exist", name);
	return (0);
}

static void
check_database(struct checking *c, const char *db, const json_t *grant)
{
	json_t *tables = json_object_get(grant, "tables"), *v;
	const char *key;

	if (!is_database(c, db))
		return;
	if (!json_is_object(grant))
		key_fault(c, db, "Value for '%s' permission must be an object", db);
	json_object_foreach((json_t *)(uintptr_t)grant, key, v)
		if (strcmp(key, "tables") != 0)
			key_fault(c, db, "Invalid database permission key value '%s'", key);
	if (tables != NULL && !json_is_object(tables))
		key_fault(c, db, "Value for 'tables' must be an object");
	json_object_foreach(tables, key, v)
		check_table(c, db, key, v);
}

/* ---- the whole ---- */

static void
check_structure(struct checking *c, const json_t *v)
{
	const json_t *e;
	size_t i;

	if (v != NULL && !json_is_boolean(v) && !json_is_array(v))
		top_fault(c, "Value for 'structure_user' permission must be a boolean or Array");
	json_array_foreach((json_t *)(uintptr_t)v, i, e) {
		const char *name = json_string_value(e);

		if (name == NULL || strlen(name) != json_string_length(e))
			top_fault(c,
			    "Value for 'structure_user' permission must be a boolean or "
			    "Array of databases");
		else
			is_database(c, name);
	}
}

static void
check_operation(struct checking *c, const json_t *v, size_t i)
{
	const char *name = json_string_value(v);

	if (name == NULL || strlen(name) != json_string_length(v)) {
		top_fault(c, "Value for 'operations[%zu]' must be a string", i);
		return;
	}
	switch (c->operation(name)) {
	case ROLE_OPERATION_NONE:
		top_fault(c, "Operation '%.100s' in 'operations' not found", name);
		break;
	case ROLE_OPERATION_NEVER:
		top_fault(c, "Operation '%s' in 'operations' is restricted to 'super_user' roles",
		    name);
		break;
	default:
		break;
	}
}

/* Checks a list of operations; a value that is no list is of a database of that name. */
static int
check_operations(struct checking *c, const char *key, const json_t *v)
{
	const json_t *e;
	size_t i;

	if (strcmp(key, "operations") != 0 || json_is_object(v))
		return (0);
	if (!json_is_array(v))
		top_fault(c, "Value for 'operations' permission must be an Array");
	json_array_foreach((json_t *)(uintptr_t)v, i, e)
		check_operation(c, e, i);
	return (1);
}

static void
check_permission(struct checking *c, const json_t *p)
{
	const char *key;
	json_t *v;

	for (size_t i = 0; i < 2; i++) {
		v = json_object_get(p, types[i]);
		if (v != NULL && !json_is_boolean(v))
			top_fault(c, "Value for '%s' permission must be a boolean", types[i]);
		if (json_is_true(v) && json_object_size(p) > 1)
			top_fault(c,
			    "Roles with '%s' set to true cannot have other permissions "
			    "set.",
			    types[i]);
	}
	check_structure(c, json_object_get(p, "structure_user"));
	v = json_object_get(p, "metrics_user");
	if (v != NULL && !json_is_boolean(v))
		top_fault(c, "Value for 'metrics_user' permission must be a boolean");
	json_object_foreach((json_t *)(uintptr_t)p, key, v)
		if (!role_reserved(key) && !check_operations(c, key, v))
			check_database(c, key, v);
}

static void
check_keys(struct checking *c, const json_t *body)
{
	static const char *const allowed[] = { "operation", "role", "id", "permission", "hdb_user",
		"access" };
	struct buf list = { 0 };
	const char *key;
	json_t *v;
	int n = 0;

	json_object_foreach((json_t *)(uintptr_t)body, key, v) {
		int known = 0;

		for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
			known |= strcmp(key, allowed[i]) == 0;
		if (!known && ++n <= FAULTS_MAX)
			buf_addf(&list, "%s'%s'", n > 1 ? ", " : "", key);
	}
	if (n > 0)
		top_fault(c, "Invalid %s in JSON body - %.*s", n > 1 ? "keys" : "key",
		    (int)list.len, (const char *)list.data);
	buf_free(&list);
}

json_t *
role_refusal(struct catalog *catalog, const json_t *body,
    enum role_operation (*operation)(const char *name))
{
	struct checking c = {
		.catalog = catalog,
		.operation = operation,
		.top = json_array(),
		.schemas = json_object(),
	};
	const json_t *p = json_object_get(body, "permission");

	check_keys(&c, body);
	if (p != NULL)
		check_permission(&c, p);
	if (c.n > 0)
		return (json_pack("{s:s, s:o, s:o}", "error",
		    "Errors in the role permissions JSON provided", "main_permissions", c.top,
		    "schema_permissions", c.schemas));
	json_decref(c.top);
	json_decref(c.schemas);
	return (NULL);
}

/* ---- as it is kept ---- */

static void
keep_tables(json_t *tables)
{
	json_t *rules, *e;
	const char *name;
	size_t i;

	json_object_foreach(tables, name, rules)
		json_array_foreach(json_object_get(rules, "attribute_permissions"), i, e)
			json_object_del(e, "delete");
}

json_t *
role_kept(const json_t *permission)
{
	json_t *kept = json_deep_copy(permission), *database;
	const char *name;

	json_object_foreach(kept, name, database)
		keep_tables(json_object_get(database, "tables"));
	return (kept);
}
