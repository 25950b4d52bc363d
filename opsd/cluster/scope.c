#include "config.h"

#include "opsd/cluster/scope.h"

#include <string.h>

#include "common/base/mem.h"

int
scope_is_system(const char *db, size_t n)
{
	return (n == strlen("system") && memcmp(db, "system", n) == 0);
}

int
scope_has_database(const json_t *databases, const char *db, size_t n)
{
	const json_t *name;
	int system = scope_is_system(db, n);
	size_t i;

	json_array_foreach(databases, i, name)
		if ((!system && strcmp(json_string_value(name), SUBSCRIPTION_ALL) == 0) ||
		    (json_string_length(name) == n && memcmp(json_string_value(name), db, n) == 0))
			return (1);
	return (0);
}

/* A name of a table of system that can replicate. */
static int
is_user_table(const char *table, size_t n)
{
	return (n == strlen("hdb_user") &&
	    (memcmp(table, "hdb_user", n) == 0 || memcmp(table, "hdb_role", n) == 0));
}

/* Who says nothing has not named it. */
static int
is_system_held(const json_t *databases, int wide, const char *table, size_t tlen)
{
	return (wide && is_user_table(table, tlen) &&
	    scope_has_database(databases, "system", strlen("system")));
}

/* What the table says counts; else a subscription that names it, or its database. */
static int
is_held(enum table_replicate said, const json_t *databases, int wide, const char *db, size_t n)
{
	if (said != REPLICATE_UNSAID)
		return (said == REPLICATE_YES);
	return (!wide || scope_has_database(databases, db, n));
}

int
scope_has(const struct scope *s, int wide, const char *db, size_t dblen, const char *table,
    size_t tlen)
{
	if (scope_is_system(db, dblen))
		return (is_system_held(s != NULL ? s->databases : NULL, wide, table, tlen));
	return (s == NULL ||
	    is_held(catalog_replicate(s->catalog, db, dblen, table, tlen), s->databases, wide, db,
		dblen));
}

char *
scope_fault(const struct scope *s, const struct subscription *sub)
{
	if (subscription_is_all(sub) ||
	    scope_has(s, 0, sub->database, strlen(sub->database), sub->table, strlen(sub->table)))
		return (NULL);
	return (xasprintf("Table '%s.%s' does not replicate: its 'replicate' is false",
	    sub->database, sub->table));
}

/* ---- as it is told ---- */

json_t *
scope_write(const struct scope *s)
{
	return (json_pack("{s:O, s:o}", "databases", s->databases, "tables",
	    catalog_replicate_said(s->catalog)));
}

json_t *
scope_read(struct peerjson *w, const json_t *o, const char *field)
{
	json_t *told = peerjson_object(w, o, field), *one;
	const json_t *databases = peerjson_list(w, told, "databases", SCOPE_DATABASES_MAX);
	json_t *tables = peerjson_object(w, told, "tables");
	const char *name;
	size_t i;

	json_array_foreach(databases, i, one)
		if (!json_is_string(one))
			peerjson_fault(w, field, "must name databases by strings");
	json_object_foreach(tables, name, one)
		if (!json_is_boolean(one))
			peerjson_fault(w, field, "must say true or false of a table");
	return (w->fault == NULL ? told : NULL);
}

static enum table_replicate
told_of(const json_t *told, const char *db, size_t dblen, const char *table, size_t tlen)
{
	const json_t *tables = json_object_get(told, "tables"), *said;
	char key[2 * TABLE_NAME_MAX + 2];

	if (json_object_size(tables) == 0 || dblen + 1 + tlen >= sizeof(key))
		return (REPLICATE_UNSAID);
	memcpy(key, db, dblen);
	key[dblen] = '/';
	memcpy(key + dblen + 1, table, tlen);
	key[dblen + 1 + tlen] = '\0';
	said = json_object_get(tables, key);
	if (said == NULL)
		return (REPLICATE_UNSAID);
	return (json_is_true(said) ? REPLICATE_YES : REPLICATE_NO);
}

int
scope_told_has(const json_t *told, int wide, const char *db, size_t dblen, const char *table,
    size_t tlen)
{
	if (scope_is_system(db, dblen))
		return (is_system_held(json_object_get(told, "databases"), wide, table, tlen));
	return (told == NULL ||
	    is_held(told_of(told, db, dblen, table, tlen), json_object_get(told, "databases"), wide,
		db, dblen));
}
