#include "config.h"

#include "opsd/lite/litetable.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/lite/litedb.h"
#include "opsd/store/record.h"
#include "opsd/store/table.h"
#include "opsd/store/value.h"

#define PRESET_MAX 65536 /* a longer DEFAULT is not known from what was written */

static void
unique_free(struct liteunique *u)
{
	for (int i = 0; i < u->n; i++)
		free(u->collations[i]);
	free(u->collations);
	free(u->cols);
}

void
litetable_forget(struct litetable *t)
{
	sqlite3_stmt **all[] = { &t->select, &t->page, &t->next, &t->erase, &t->rivals, &t->update,
		&t->insert };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		sqlite3_finalize(*all[i]);
		*all[i] = NULL;
	}
}

void
litetable_free(struct litetable *t)
{
	litetable_forget(t);
	for (int i = 0; i < t->ncols; i++) {
		free(t->cols[i].name);
		buf_free(&t->cols[i].preset);
	}
	for (int i = 0; i < t->nunique; i++)
		unique_free(&t->unique[i]);
	free(t->unique);
	free(t->cols);
	free(t->attrs);
	free(t->given);
	free(t->name);
	free(t->key_name);
	free(t->create);
	*t = (struct litetable){ 0 };
}

int
litetable_column(const struct litetable *t, const char *name, size_t n)
{
	for (int i = 0; i < t->ncols; i++)
		if (strlen(t->cols[i].name) == n && memcmp(t->cols[i].name, name, n) == 0)
			return (i);
	return (-1);
}

void
litetable_tell(const struct litetable *t, json_t *o)
{
	json_t *columns = json_array(), *key = json_array();

	for (int i = 0; i < t->ncols; i++)
		json_array_append_new(columns, json_string(t->cols[i].name));
	for (int i = 0; i < t->nkeys; i++)
		json_array_append_new(key, json_string(t->cols[t->keys[i]].name));
	json_object_set_new(o, "columns", columns);
	json_object_set_new(o, "key", key);
}

static int
has_name(const json_t *names, const char *name)
{
	json_t *e;
	size_t i;

	json_array_foreach((json_t *)names, i, e)
		if (strcmp(json_string_value(e), name) == 0)
			return (1);
	return (0);
}

int
litetable_has_other_key(const struct litetable *t, const json_t *o)
{
	const json_t *key = json_object_get(o, "key"), *columns = json_object_get(o, "columns");

	if (json_array_size(key) != (size_t)t->nkeys)
		return (1);
	for (int i = 0; i < t->nkeys; i++) {
		const char *now = t->cols[t->keys[i]].name,
			   *was = json_string_value(json_array_get(key, (size_t)i));

		if (strcmp(now, was) != 0 &&
		    (has_name(columns, now) || litetable_column(t, was, strlen(was)) != -1))
			return (1);
	}
	return (0);
}

int
litetable_has_fresh(const struct litetable *t)
{
	for (int i = 0; t->id != 0 && i < t->ncols; i++)
		if (t->cols[i].fresh)
			return (1);
	return (0);
}

int
litetable_is_key(const struct litetable *t, int column)
{
	for (int i = 0; i < t->nkeys; i++)
		if (t->keys[i] == column)
			return (1);
	return (0);
}

json_t *
litetable_names(sqlite3 *db, char **why)
{
	sqlite3_stmt *s = litedb_prepare(db,
	    "SELECT name FROM temp.pragma_table_list WHERE schema = 'main' AND type = 'table' "
	    "AND name NOT LIKE 'sqlite!_%%' ESCAPE '!' AND substr(name, 1, %d) <> %Q ORDER BY name",
	    (int)strlen(LITE_PREFIX), LITE_PREFIX);
	json_t *list = json_array();
	int rc = SQLITE_ERROR;

	while (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW)
		json_array_append_new(list, json_string((const char *)sqlite3_column_text(s, 0)));
	if (rc != SQLITE_DONE) {
		*why = xstrdup(sqlite3_errmsg(db));
		json_decref(list);
		list = NULL;
	}
	sqlite3_finalize(s);
	return (list);
}

/* Its name as the file has it, when it is an ordinary table. */
static int
find_lite_table(struct litetable *t, sqlite3 *db, const char *name, char **why)
{
	sqlite3_stmt *s = litedb_prepare(db,
	    "SELECT name, type FROM temp.pragma_table_list WHERE schema = 'main' AND "
	    "name = ? COLLATE NOCASE");
	const char *type, *fault;

	if (s == NULL)
		*why = xasprintf("table '%s': %s", name, sqlite3_errmsg(db));
	else if (sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		*why = xasprintf("table '%s' is not in the file", name);
	else if (strcmp(type = (const char *)sqlite3_column_text(s, 1), "table") != 0)
		*why = xasprintf("table '%s' is a %s%s, which is not replicated", name, type,
		    strcmp(type, "virtual") == 0 ? " table" : "");
	else if ((fault = table_name_fault((const char *)sqlite3_column_text(s, 0))) != NULL)
		*why = xasprintf("table '%s': %s", name, fault);
	else
		t->name = xstrdup((const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	return (*why == NULL ? 0 : -1);
}

static char *
column_fault(const struct litetable *t, const char *name)
{
	char *fault, *why;

	if (!value_utf8(name, strlen(name)))
		return (xasprintf("table '%s': a column's name is not UTF-8", t->name));
	fault = record_name_fault(name);
	if (fault == NULL && strcmp(name, "__createdtime__") != 0 &&
	    strcmp(name, "__updatedtime__") != 0)
		return (NULL);
	why = xasprintf("table '%s': column '%s' cannot be an attribute: %s", t->name, name,
	    fault != NULL ? fault : "rows of the node have one of that name");
	free(fault);
	return (why);
}

/* Half of what a table has would be another table. */
static void
end_walk(const struct litetable *t, sqlite3 *db, sqlite3_stmt *s, int rc, char **why)
{
	if (*why == NULL && rc != SQLITE_DONE)
		*why = xasprintf("table '%s': %s", t->name, sqlite3_errmsg(db));
	sqlite3_finalize(s);
}

/* What rows have in a column that is added, and in one that nobody gives. */
static void
pack_preset(struct litecolumn *c, sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s = sql != NULL ? litedb_prepare(db, "SELECT %s", sql) : NULL;
	struct litevalue v = { .type = SQLITE_NULL };

	if (s != NULL && sqlite3_step(s) == SQLITE_ROW)
		litevalue_column(&v, s, 0);
	if (v.n > PRESET_MAX)
		v = (struct litevalue){ .type = SQLITE_NULL };
	litevalue_fit(&v, c->affinity);
	litevalue_pack(&c->preset, &v);
	litevalue_free(&v);
	sqlite3_finalize(s);
}

/* Columns that are written: not those that are generated. */
static int
read_columns(struct litetable *t, sqlite3 *db, char **why)
{
	sqlite3_stmt *s = litedb_prepare(db,
	    "SELECT name, type, dflt_value, pk FROM temp.pragma_table_xinfo(%Q) WHERE hidden = 0",
	    t->name);
	int rc = SQLITE_ERROR;

	while (s != NULL && *why == NULL && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(s, 0);
		int key = sqlite3_column_int(s, 3);
		struct litecolumn *c;

		if ((*why = column_fault(t, name)) != NULL)
			break;
		t->cols = xrealloc(t->cols, (size_t)(t->ncols + 1) * sizeof(*t->cols));
		c = &t->cols[t->ncols];
		*c = (struct litecolumn){
			.name = xstrdup(name),
			.affinity = litevalue_affinity((const char *)sqlite3_column_text(s, 1)),
		};
		pack_preset(c, db, (const char *)sqlite3_column_text(s, 2));
		if (key > LITE_KEYS_MAX)
			*why = xasprintf("table '%s': its primary key has more than %d columns",
			    t->name, LITE_KEYS_MAX);
		else if (key > 0) {
			t->keys[key - 1] = t->ncols;
			t->nkeys = key > t->nkeys ? key : t->nkeys;
		}
		t->ncols++;
	}
	end_walk(t, db, s, rc, why);
	if (*why == NULL && t->nkeys == 0)
		*why = xasprintf("table '%s' has no primary key: declare one, as a rowid does not "
				 "stay with its row",
		    t->name);
	return (*why == NULL ? 0 : -1);
}

static void
name_key(struct litetable *t)
{
	struct buf b = { 0 };

	for (int i = 0; i < t->nkeys; i++)
		buf_addf(&b, "%s%s", i == 0 ? "" : ",", t->cols[t->keys[i]].name);
	buf_u8(&b, '\0');
	t->key_name = (char *)buf_take(&b, &(size_t){ 0 });
}

static int
by_name(const void *a, const void *b, void *arg)
{
	const struct litetable *t = arg;

	return (strcmp(t->cols[*(const int *)a].name, t->cols[*(const int *)b].name));
}

static void
order_attrs(struct litetable *t)
{
	t->attrs = xcalloc((size_t)t->ncols, sizeof(*t->attrs));
	for (int i = 0; i < t->ncols; i++)
		if (t->nkeys > 1 || i != t->keys[0])
			t->attrs[t->nattrs++] = i;
	qsort_r(t->attrs, (size_t)t->nattrs, sizeof(*t->attrs), by_name, t);
}

/* The columns of an index with their collations; -1: it has expressions. */
static int
read_index(struct litetable *t, sqlite3 *db, const char *index, struct liteunique *u)
{
	sqlite3_stmt *s = litedb_prepare(db,
	    "SELECT name, coll FROM temp.pragma_index_xinfo(%Q) WHERE key = 1 ORDER BY seqno",
	    index);
	int rc = 0;

	while (s != NULL && sqlite3_step(s) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(s, 0);
		int column = name != NULL ? litetable_column(t, name, strlen(name)) : -1;

		if (column == -1) {
			rc = -1;
			break;
		}
		u->cols = xrealloc(u->cols, (size_t)(u->n + 1) * sizeof(*u->cols));
		u->collations = xrealloc(u->collations, (size_t)(u->n + 1) * sizeof(char *));
		u->cols[u->n] = column;
		u->collations[u->n++] = xstrdup((const char *)sqlite3_column_text(s, 1));
	}
	sqlite3_finalize(s);
	return (rc);
}

static char *
key_collation(const struct litetable *t, const struct liteunique *u)
{
	for (int i = 0; i < u->n; i++)
		if (strcmp(u->collations[i], "BINARY") != 0)
			return (
			    xasprintf("table '%s': key column '%s' compares by %s: of keys only "
				      "BINARY is replicated",
				t->name, t->cols[u->cols[i]].name, u->collations[i]));
	return (NULL);
}

static void
keep_unique(struct litetable *t, struct liteunique *u)
{
	t->unique = xrealloc(t->unique, (size_t)(t->nunique + 1) * sizeof(*u));
	t->unique[t->nunique++] = *u;
}

/* What an application has made itself is not there for others who write. */
static int
check_collations(const struct litetable *t, sqlite3 *db, char **why)
{
	char *own = litedb_text(db,
	    "SELECT x.coll FROM temp.pragma_index_list(%Q) l, temp.pragma_index_xinfo(l.name) x WHERE "
	    "x.coll NOT IN ('BINARY', 'NOCASE', 'RTRIM') COLLATE NOCASE",
	    t->name);

	if (own != NULL)
		*why = xasprintf("table '%s': an index compares by %s, which is the application's "
				 "own",
		    t->name, own);
	free(own);
	return (*why == NULL ? 0 : -1);
}

static int
read_indexes(struct litetable *t, sqlite3 *db, char **why)
{
	sqlite3_stmt *s = litedb_prepare(db,
	    "SELECT name, origin FROM temp.pragma_index_list(%Q) WHERE \"unique\" = 1 ORDER BY name",
	    t->name);
	int rc = SQLITE_ERROR;

	while (s != NULL && *why == NULL && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct liteunique u = { 0 };
		int plain = read_index(t, db, (const char *)sqlite3_column_text(s, 0), &u) == 0;

		if (strcmp((const char *)sqlite3_column_text(s, 1), "pk") == 0) {
			*why = key_collation(t, &u);
			unique_free(&u);
		} else if (plain)
			keep_unique(t, &u);
		else {
			t->unseen++;
			unique_free(&u);
		}
	}
	end_walk(t, db, s, rc, why);
	return (*why == NULL ? 0 : -1);
}

int
litetable_read(struct litetable *t, sqlite3 *db, const char *name, char **why)
{
	int passing;

	*t = (struct litetable){ 0 };
	*why = NULL;
	if (find_lite_table(t, db, name, why) == -1 || read_columns(t, db, why) == -1 ||
	    read_indexes(t, db, why) == -1 || check_collations(t, db, why) == -1) {
		/* What was asked last says so: a table that is not there is no fault of SQLite's. */
		passing = litedb_is_passing(sqlite3_errcode(db));
		litetable_free(t);
		return (passing ? -2 : -1);
	}
	name_key(t);
	order_attrs(t);
	t->given = xcalloc((size_t)t->ncols, 1);
	t->create = litedb_text(db,
	    "SELECT group_concat(sql, ';' || char(10)) FROM (SELECT sql FROM sqlite_schema WHERE "
	    "tbl_name = %Q AND type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type DESC, "
	    "name)",
	    t->name);
	if (t->create == NULL) {
		*why = xasprintf("table '%s': the file's schema does not have its statement",
		    t->name);
		litetable_free(t);
		return (-1);
	}
	if (strlen(t->key_name) > TABLE_NAME_MAX ||
	    (t->nkeys > 1 && litetable_column(t, t->key_name, strlen(t->key_name)) != -1)) {
		*why =
		    xasprintf("table '%s': the columns of its key give no name for a primary key",
			t->name);
		litetable_free(t);
		return (-1);
	}
	return (0);
}
