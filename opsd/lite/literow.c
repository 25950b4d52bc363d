#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "opsd/lite/litedb.h"
#include "opsd/lite/litetable.h"

/* Rows of a table, read. */

static void
add_all_columns(sqlite3_str *sql, const struct litetable *t)
{
	for (int i = 0; i < t->ncols; i++)
		sqlite3_str_appendf(sql, "%s\"%w\"", i == 0 ? "" : ", ", t->cols[i].name);
}

static void
add_key_columns(sqlite3_str *sql, const struct litetable *t, const char *between)
{
	for (int i = 0; i < t->nkeys; i++)
		sqlite3_str_appendf(sql, "%s\"%w\"", i == 0 ? "" : between,
		    t->cols[t->keys[i]].name);
}

static sqlite3_stmt *
prepare_built(sqlite3 *db, sqlite3_str *sql)
{
	char *text = sqlite3_str_finish(sql);
	sqlite3_stmt *s = NULL;

	sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);
	sqlite3_free(text);
	return (s);
}

int
litetable_select(struct litetable *t, sqlite3 *db, const struct litevalue *key, sqlite3_stmt **s)
{
	sqlite3_str *sql;
	int rc = SQLITE_OK;

	if (t->select == NULL) {
		sql = sqlite3_str_new(db);
		sqlite3_str_appendall(sql, "SELECT ");
		add_all_columns(sql, t);
		sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", t->name);
		add_key_columns(sql, t, " = ? AND ");
		sqlite3_str_appendall(sql, " = ?");
		t->select = prepare_built(db, sql);
	}
	if ((*s = t->select) == NULL)
		return (sqlite3_extended_errcode(db));
	sqlite3_reset(t->select);
	for (int i = 0; i < t->nkeys && rc == SQLITE_OK; i++)
		rc = litevalue_bind(&key[i], t->select, i + 1);
	return (rc == SQLITE_OK ? sqlite3_step(t->select) : rc);
}

/* What is NULL in its key is not replicated, and stands before all else. */
static sqlite3_stmt *
prepare_page(struct litetable *t, sqlite3 *db, int after)
{
	sqlite3_str *sql = sqlite3_str_new(db);

	sqlite3_str_appendall(sql, "SELECT ");
	add_all_columns(sql, t);
	sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", t->name);
	if (after) {
		sqlite3_str_appendall(sql, "(");
		add_key_columns(sql, t, ", ");
		sqlite3_str_appendall(sql, ") > (?");
		for (int i = 1; i < t->nkeys; i++)
			sqlite3_str_appendall(sql, ", ?");
		sqlite3_str_appendall(sql, ")");
	} else {
		add_key_columns(sql, t, " IS NOT NULL AND ");
		sqlite3_str_appendall(sql, " IS NOT NULL");
	}
	sqlite3_str_appendall(sql, " ORDER BY ");
	add_key_columns(sql, t, ", ");
	return (prepare_built(db, sql));
}

sqlite3_stmt *
litetable_page(struct litetable *t, sqlite3 *db, const struct litevalue *after)
{
	sqlite3_stmt **s = after != NULL ? &t->next : &t->page;

	if (*s == NULL)
		*s = prepare_page(t, db, after != NULL);
	if (*s == NULL)
		return (NULL);
	sqlite3_reset(*s);
	for (int i = 0; after != NULL && i < t->nkeys; i++)
		if (litevalue_bind(&after[i], *s, i + 1) != SQLITE_OK)
			return (NULL);
	return (*s);
}

int
litetable_has_null_key(const struct litetable *t, sqlite3 *db)
{
	sqlite3_str *sql = sqlite3_str_new(db);
	sqlite3_stmt *s;
	int has;

	sqlite3_str_appendf(sql, "SELECT 1 FROM main.\"%w\" WHERE ", t->name);
	add_key_columns(sql, t, " IS NULL OR ");
	sqlite3_str_appendall(sql, " IS NULL LIMIT 1");
	s = prepare_built(db, sql);
	has = s != NULL && sqlite3_step(s) == SQLITE_ROW;
	sqlite3_finalize(s);
	return (has);
}

void
litetable_pack(const struct litetable *t, sqlite3_stmt *s, struct buf *out)
{
	struct litevalue v;
	size_t at;

	buf_u32(out, (uint32_t)t->nattrs);
	for (int i = 0; i < t->nattrs; i++) {
		const char *name = t->cols[t->attrs[i]].name;

		buf_u8(out, (uint8_t)strlen(name));
		buf_add(out, name, strlen(name));
		at = out->len;
		buf_u32(out, 0);
		litevalue_column(&v, s, t->attrs[i]);
		litevalue_pack(out, &v);
		buf_put_u32(out, at, (uint32_t)(out->len - at - 4));
	}
}

const char *
litetable_key(const struct litetable *t, sqlite3_stmt *s, struct buf *out)
{
	struct litevalue key[LITE_KEYS_MAX];

	for (int i = 0; i < t->nkeys; i++)
		litevalue_column(&key[i], s, t->keys[i]);
	return (litekey_make(out, key, t->nkeys));
}
