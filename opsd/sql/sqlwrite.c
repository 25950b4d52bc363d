#include "config.h"

#include <string.h>

#include "opsd/sql/sql_priv.h"
#include "opsd/store/value.h"

/* ---- what is written, as the record operations take it ---- */

static int
refuse_write(sqlite3_vtab *vtab, const char *what, const char *name)
{
	sqlite3_free(vtab->zErrMsg);
	vtab->zErrMsg = sqlite3_mprintf(what, name);
	return (SQLITE_ERROR);
}

static json_t *
column_json(const struct sqlcolumn *c, sqlite3_value *v)
{
	return (sqlvalue_json(v, c->field.attr != NULL ? c->field.attr->type : NULL, c->seen));
}

static int
is_written(const struct sqltext *text, const char *name)
{
	for (size_t i = 0; i < text->nwritten; i++)
		if (sqlite3_stricmp(text->written[i], name) == 0)
			return (1);
	return (0);
}

/* The attributes that the statement names; a key of its own that is null is made later. */
static int
put_columns(sqlite3_vtab *vtab, json_t *record, sqlite3_value **values)
{
	struct sqltable *t = ((struct sqlvtab *)vtab)->t;
	json_t *v;

	for (size_t i = 0; i < t->ncols; i++) {
		struct sqlcolumn *c = &t->cols[i];

		if (!is_written(&t->sql->text, c->name) ||
		    (i == t->key && sqlite3_value_type(values[i]) == SQLITE_NULL))
			continue;
		if ((v = column_json(c, values[i])) == NULL)
			return (refuse_write(vtab,
			    "the value for '%s' is none that JSON has: bytes, or text that is "
			    "not UTF-8",
			    c->name));
		json_object_set_new(record, c->name, v);
	}
	return (0);
}

/* About what it will take in a transaction. */
static size_t
record_bytes(json_t *v)
{
	struct buf b = { 0 };
	size_t n;

	value_pack(&b, v);
	n = b.len;
	buf_free(&b);
	return (n);
}

static int
gather_record(sqlite3_vtab *vtab, json_t *record)
{
	struct sql *s = ((struct sqlvtab *)vtab)->t->sql;

	if (!value_depth_ok(record)) {
		json_decref(record);
		return (refuse_write(vtab, "a value is nested too deep%s", ""));
	}
	s->gathered += record_bytes(record);
	json_array_append_new(s->records, record);
	if (s->gathered <= s->limits.write)
		return (SQLITE_OK);
	sql_fail(s, 413, "what 'sql' writes exceeds the transaction limit of %llu bytes",
	    (unsigned long long)s->limits.write);
	return (SQLITE_ERROR);
}

static int
delete_row(sqlite3_vtab *vtab, sqlite3_value *key)
{
	return (gather_record(vtab, sqlvalue_json(key, NULL, 0)));
}

static int
update_row(sqlite3_vtab *vtab, sqlite3_value *key, sqlite3_value **values)
{
	struct sqltable *t = ((struct sqlvtab *)vtab)->t;
	const char *name = t->cols[t->key].name;
	json_t *record;

	if (is_written(&t->sql->text, name))
		return (refuse_write(vtab,
		    "'%s' is the key of its row, which UPDATE cannot change: insert a row with the "
		    "other key, delete this one",
		    name));
	record = json_object();
	json_object_set_new(record, name, sqlvalue_json(key, NULL, 0));
	if (put_columns(vtab, record, values) != 0) {
		json_decref(record);
		return (SQLITE_ERROR);
	}
	return (gather_record(vtab, record));
}

static int
insert_row(sqlite3_vtab *vtab, sqlite3_value **values)
{
	json_t *record = json_object();

	if (put_columns(vtab, record, values) != 0) {
		json_decref(record);
		return (SQLITE_ERROR);
	}
	return (gather_record(vtab, record));
}

/* argv: the row's key or null; the new one; the columns.  A row that goes has just its key. */
int
sqlwrite_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid)
{
	(void)rowid;
	if (argc == 1)
		return (delete_row(vtab, argv[0]));
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return (insert_row(vtab, argv + 2));
	return (update_row(vtab, argv[0], argv + 2));
}
