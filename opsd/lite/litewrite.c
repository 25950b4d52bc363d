#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/lite/lite_priv.h"
#include "opsd/lite/litedb.h"
#include "opsd/store/row.h"

/* One row of the store as statements. */

/* The attribute that a column has in the row; NULL: the row says nothing of it. */
static const struct attr *
column_attr(const struct litetable *t, int column, const struct row *row)
{
	const char *name = t->cols[column].name;
	const struct attr *a = row_attr(row, name, strlen(name));

	return (a != NULL && row_counts(row, a) && !litetable_is_key(t, column) ? a : NULL);
}

static void
add_where(sqlite3_str *sql, const struct litetable *t)
{
	for (int i = 0; i < t->nkeys; i++)
		sqlite3_str_appendf(sql, "%s\"%w\" = ?", i == 0 ? " WHERE " : " AND ",
		    t->cols[t->keys[i]].name);
}

static sqlite3_stmt *
prepare_kept(sqlite3 *db, sqlite3_str *sql)
{
	char *text = sqlite3_str_finish(sql);
	sqlite3_stmt *s = NULL;

	sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);
	sqlite3_free(text);
	return (s);
}

/* Of the columns in `given`; a conflict is one, whatever the schema says that becomes of it. */
static sqlite3_stmt *
make_update(struct litetable *t, sqlite3 *db)
{
	sqlite3_str *sql = sqlite3_str_new(db);
	int n = 0;

	sqlite3_str_appendf(sql, "UPDATE OR ABORT main.\"%w\"", t->name);
	for (int i = 0; i < t->ncols; i++)
		if (t->given[i])
			sqlite3_str_appendf(sql, "%s\"%w\" = ?", n++ == 0 ? " SET " : ", ",
			    t->cols[i].name);
	if (n == 0)
		sqlite3_str_appendf(sql, " SET \"%w\" = \"%w\"", t->cols[t->keys[0]].name,
		    t->cols[t->keys[0]].name);
	add_where(sql, t);
	return (prepare_kept(db, sql));
}

static sqlite3_stmt *
make_insert(struct litetable *t, sqlite3 *db)
{
	sqlite3_str *sql = sqlite3_str_new(db);
	int n = t->nkeys;

	sqlite3_str_appendf(sql, "INSERT OR ABORT INTO main.\"%w\"(", t->name);
	for (int i = 0; i < t->nkeys; i++)
		sqlite3_str_appendf(sql, "%s\"%w\"", i == 0 ? "" : ", ", t->cols[t->keys[i]].name);
	for (int i = 0; i < t->ncols; i++)
		if (t->given[i] && ++n)
			sqlite3_str_appendf(sql, ", \"%w\"", t->cols[i].name);
	sqlite3_str_appendall(sql, ") VALUES (?");
	while (--n > 0)
		sqlite3_str_appendall(sql, ", ?");
	sqlite3_str_appendall(sql, ")");
	return (prepare_kept(db, sql));
}

/* Statements for just the columns that the row has. */
static int
prepare_write(struct litetable *t, sqlite3 *db, const struct row *row)
{
	int same = t->update != NULL && t->insert != NULL;

	for (int i = 0; i < t->ncols; i++) {
		uint8_t given = column_attr(t, i, row) != NULL;

		same &= t->given[i] == given;
		t->given[i] = given;
	}
	if (same)
		return (0);
	sqlite3_finalize(t->update);
	sqlite3_finalize(t->insert);
	t->update = make_update(t, db);
	t->insert = make_insert(t, db);
	return (t->update != NULL && t->insert != NULL ? 0 : -1);
}

/* Values, to be freed after the step. */
struct bound {
	struct litevalue *values;
	int n;
};

static int
bind_columns(struct bound *b, sqlite3_stmt *s, int at, const struct litetable *t,
    const struct row *row)
{
	int rc = SQLITE_OK;

	for (int i = 0; i < t->ncols && rc == SQLITE_OK; i++) {
		const struct attr *a = t->given[i] ? column_attr(t, i, row) : NULL;

		if (a == NULL)
			continue;
		litevalue_read(&b->values[b->n], a->value, a->vlen);
		rc = litevalue_bind(&b->values[b->n++], s, at++);
	}
	return (rc);
}

static int
bind_key(sqlite3_stmt *s, int at, const struct litetable *t, const struct litevalue *key)
{
	int rc = SQLITE_OK;

	for (int i = 0; i < t->nkeys && rc == SQLITE_OK; i++)
		rc = litevalue_bind(&key[i], s, at + i);
	return (rc);
}

/* One of the two; SQLITE_DONE. */
static int
step_write(struct litetable *t, const struct litevalue *key, const struct row *row, int insert)
{
	struct bound b = { .values = xcalloc((size_t)t->ncols, sizeof(*b.values)) };
	sqlite3_stmt *s = insert ? t->insert : t->update;
	int rc = bind_columns(&b, s, insert ? t->nkeys + 1 : 1, t, row);

	if (rc == SQLITE_OK)
		rc = bind_key(s, insert ? 1 : b.n + 1, t, key);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	for (int i = 0; i < b.n; i++)
		litevalue_free(&b.values[i]);
	free(b.values);
	return (rc);
}

static int
erase_row(struct litetable *t, sqlite3 *db, const struct litevalue *key)
{
	sqlite3_str *sql;
	int rc;

	if (t->erase == NULL) {
		sql = sqlite3_str_new(db);
		sqlite3_str_appendf(sql, "DELETE FROM main.\"%w\"", t->name);
		add_where(sql, t);
		t->erase = prepare_kept(db, sql);
	}
	if (t->erase == NULL)
		return (sqlite3_extended_errcode(db));
	rc = bind_key(t->erase, 1, t, key);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(t->erase);
	sqlite3_reset(t->erase);
	return (rc);
}

/* The column would make another key of it, which would then be another row. */
static char *
key_unfit(const struct litetable *t, const struct litevalue *key)
{
	for (int i = 0; i < t->nkeys; i++) {
		struct litevalue v = key[i];
		int text;

		v.owned = NULL;
		litevalue_fit(&v, t->cols[t->keys[i]].affinity);
		text = v.type == SQLITE_TEXT;
		if (v.owned != NULL)
			free(v.owned);
		if (text != (key[i].type == SQLITE_TEXT))
			return (xasprintf("column '%s' would make %s of its key",
			    t->cols[t->keys[i]].name, text ? "text" : "a number"));
	}
	return (NULL);
}

static void
add_rival(struct literival **rivals, const struct litetable *t, sqlite3_stmt *s)
{
	struct literival *r = xcalloc(1, sizeof(*r));
	struct litevalue key[LITE_KEYS_MAX];

	for (int i = 0; i < t->nkeys; i++)
		litevalue_column(&key[i], s, i);
	litekey_make(&r->key, key, t->nkeys);
	r->next = *rivals;
	*rivals = r;
}

/* The rows that have the same in one UNIQUE index. */
static void
find_rivals(struct litetable *t, sqlite3 *db, const struct liteunique *u,
    const struct litevalue *key, const struct row *row, struct literival **rivals)
{
	struct litevalue *values = xcalloc((size_t)u->n, sizeof(*values));
	sqlite3_str *sql = sqlite3_str_new(db);
	sqlite3_stmt *s;
	int whole = 1;

	sqlite3_str_appendall(sql, "SELECT ");
	for (int i = 0; i < t->nkeys; i++)
		sqlite3_str_appendf(sql, "%s\"%w\"", i == 0 ? "" : ", ", t->cols[t->keys[i]].name);
	sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE NOT (", t->name);
	for (int i = 0; i < t->nkeys; i++)
		sqlite3_str_appendf(sql, "%s\"%w\" = ?", i == 0 ? "" : " AND ",
		    t->cols[t->keys[i]].name);
	sqlite3_str_appendall(sql, ")");
	for (int i = 0; i < u->n; i++)
		sqlite3_str_appendf(sql, " AND \"%w\" = ? COLLATE \"%w\"", t->cols[u->cols[i]].name,
		    u->collations[i]);
	s = prepare_kept(db, sql);
	if (s != NULL && bind_key(s, 1, t, key) == SQLITE_OK)
		for (int i = 0; i < u->n; i++) {
			const struct attr *a = column_attr(t, u->cols[i], row);
			int rc = SQLITE_OK;

			for (int k = 0; k < t->nkeys; k++)
				if (t->keys[k] == u->cols[i])
					rc = litevalue_bind(&key[k], s, t->nkeys + 1 + i);
			if (a != NULL && litevalue_read(&values[i], a->value, a->vlen) == 0)
				rc = litevalue_bind(&values[i], s, t->nkeys + 1 + i);
			whole &= rc == SQLITE_OK;
		}
	while (s != NULL && whole && sqlite3_step(s) == SQLITE_ROW)
		add_rival(rivals, t, s);
	sqlite3_finalize(s);
	for (int i = 0; i < u->n; i++)
		litevalue_free(&values[i]);
	free(values);
}

static int
is_unique_fault(int rc)
{
	return (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
	    rc == SQLITE_CONSTRAINT_ROWID);
}

static int
put_file_row(struct litefile *f, struct litetable *t, const struct litevalue *key,
    const struct row *row, int remade, struct literival **rivals, char **why)
{
	int rc = prepare_write(t, f->db, row) == 0 ? SQLITE_DONE : sqlite3_extended_errcode(f->db);

	if (rc == SQLITE_DONE && remade)
		rc = erase_row(t, f->db, key);
	if (rc == SQLITE_DONE)
		rc = step_write(t, key, row, 0);
	if (rc == SQLITE_DONE && sqlite3_changes(f->db) == 0)
		rc = step_write(t, key, row, 1);
	if (rc == SQLITE_DONE)
		return (SQLITE_OK);
	*why = xstrdup(sqlite3_errmsg(f->db));
	for (int i = 0; i < t->nunique && is_unique_fault(rc); i++)
		find_rivals(t, f->db, &t->unique[i], key, row, rivals);
	return (rc);
}

int
litewrite_row(struct litefile *f, struct litetable *t, const uint8_t *key, size_t klen,
    const struct row *row, int remade, struct literival **rivals, char **why)
{
	struct litevalue values[LITE_KEYS_MAX];
	const char *fault = litekey_read(values, t->nkeys, key, klen);
	int rc = SQLITE_CONSTRAINT;

	*rivals = NULL;
	*why = fault != NULL ? xstrdup(fault) : key_unfit(t, values);
	if (*why != NULL) {
		/* Nothing of the kind can be in the file. */
		if (!row_visible(row)) {
			free(*why);
			*why = NULL;
			rc = SQLITE_OK;
		}
	} else if (!row_visible(row)) {
		rc = erase_row(t, f->db, values);
		rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
		if (rc != SQLITE_OK)
			*why = xstrdup(sqlite3_errmsg(f->db));
	} else
		rc = put_file_row(f, t, values, row, remade, rivals, why);
	for (int i = 0; i < t->nkeys; i++)
		litevalue_free(&values[i]);
	return (rc);
}

void
litewrite_rivals_free(struct literival *r)
{
	struct literival *next;

	for (; r != NULL; r = next) {
		next = r->next;
		buf_free(&r->key);
		free(r);
	}
}
