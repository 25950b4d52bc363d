#include "config.h"

#include "opsd/lite/litelog.h"

#include <stdlib.h>
#include <string.h>

#include "opsd/lite/litedb.h"

/* Milliseconds since 1970, by what every SQLite has and no connection forbids. */
#define NOW "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)"

enum lite_watch {
	WATCH_INSERT,
	WATCH_UPDATE,
	WATCH_MOVE,
	WATCH_DELETE,
	WATCH_OVER,
	WATCH_OVER_UPDATE
};

static const struct {
	const char *name, *when, *row;
} watches[] = {
	[WATCH_INSERT] = { "insert", "AFTER INSERT", "NEW" },
	[WATCH_UPDATE] = { "update", "AFTER UPDATE", "NEW" },
	[WATCH_MOVE] = { "move", "AFTER UPDATE", "OLD" },
	[WATCH_DELETE] = { "delete", "AFTER DELETE", "OLD" },
	[WATCH_OVER] = { "over", "BEFORE INSERT", "" },
	[WATCH_OVER_UPDATE] = { "over_update", "BEFORE UPDATE", "" },
};

#define WATCH_NAME "'" LITE_PREFIX "%u_"
#define WATCH_NAMES \
	WATCH_NAME "insert', " WATCH_NAME "update', " WATCH_NAME "move', " WATCH_NAME "delete'"

#define WATCHES (sizeof(watches) / sizeof(watches[0]))

int
litelog_make(sqlite3 *db)
{
	sqlite3_str *sql = sqlite3_str_new(db);
	char *text;
	int rc;

	sqlite3_str_appendall(sql,
	    "CREATE TABLE IF NOT EXISTS " LITE_LOG
	    "(id INTEGER PRIMARY KEY, tbl INTEGER NOT NULL, at INTEGER NOT NULL");
	for (int i = 0; i < LITE_KEYS_MAX; i++)
		sqlite3_str_appendf(sql, ", k%d", i + 1);
	sqlite3_str_appendall(sql,
	    ");"
	    "CREATE TABLE IF NOT EXISTS " LITE_STATE
	    "(name TEXT PRIMARY KEY NOT NULL, value TEXT) WITHOUT ROWID;"
	    "CREATE TABLE IF NOT EXISTS " LITE_APPLIED
	    "(tbl INTEGER NOT NULL, k BLOB NOT NULL, state BLOB NOT NULL)");
	text = sqlite3_str_finish(sql);
	rc = litedb_exec(db, text);
	sqlite3_free(text);
	return (rc);
}

static void
add_log_columns(sqlite3_str *sql, const struct litetable *t)
{
	sqlite3_str_appendall(sql, "INSERT INTO " LITE_LOG "(tbl, at");
	for (int i = 0; i < t->nkeys; i++)
		sqlite3_str_appendf(sql, ", k%d", i + 1);
	sqlite3_str_appendall(sql, ") ");
}

static void
add_row_keys(sqlite3_str *sql, const struct litetable *t, const char *row)
{
	for (int i = 0; i < t->nkeys; i++)
		sqlite3_str_appendf(sql, ", %s\"%w\"", row, t->cols[t->keys[i]].name);
}

/* The key of every row that has the same in a UNIQUE index. */
static void
add_over(sqlite3_str *sql, const struct litetable *t, int update)
{
	for (int u = 0; u < t->nunique; u++) {
		add_log_columns(sql, t);
		sqlite3_str_appendf(sql, "SELECT %u, " NOW, t->number);
		add_row_keys(sql, t, "");
		sqlite3_str_appendf(sql, " FROM \"%w\" WHERE ", t->name);
		for (int i = 0; i < t->unique[u].n; i++) {
			const char *name = t->cols[t->unique[u].cols[i]].name;

			sqlite3_str_appendf(sql, "%s\"%w\" = NEW.\"%w\" COLLATE \"%w\"",
			    i == 0 ? "" : " AND ", name, name, t->unique[u].collations[i]);
		}
		for (int i = 0; update && i < t->nkeys; i++)
			sqlite3_str_appendf(sql, "%s\"%w\" IS OLD.\"%w\"%s",
			    i == 0 ? " AND NOT (" : " AND ", t->cols[t->keys[i]].name,
			    t->cols[t->keys[i]].name, i == t->nkeys - 1 ? ")" : "");
		sqlite3_str_appendall(sql, "; ");
	}
}

static void
add_moved(sqlite3_str *sql, const struct litetable *t)
{
	for (int i = 0; i < t->nkeys; i++)
		sqlite3_str_appendf(sql, "%sOLD.\"%w\" IS NOT NEW.\"%w\"",
		    i == 0 ? " WHEN " : " OR ", t->cols[t->keys[i]].name, t->cols[t->keys[i]].name);
}

/* NULL: the table needs none of these.  sqlite3_free. */
static char *
trigger_text(const struct litetable *t, enum lite_watch w)
{
	int over = w == WATCH_OVER || w == WATCH_OVER_UPDATE;
	sqlite3_str *sql;

	if (over && t->nunique == 0)
		return (NULL);
	sql = sqlite3_str_new(NULL);
	sqlite3_str_appendf(sql, "CREATE TRIGGER " LITE_PREFIX "%u_%s %s ON \"%w\"", t->number,
	    watches[w].name, watches[w].when, t->name);
	if (w == WATCH_MOVE)
		add_moved(sql, t);
	sqlite3_str_appendall(sql, " BEGIN ");
	if (over)
		add_over(sql, t, w == WATCH_OVER_UPDATE);
	else {
		char row[8];

		sqlite3_snprintf(sizeof(row), row, "%s.", watches[w].row);
		add_log_columns(sql, t);
		sqlite3_str_appendf(sql, "VALUES (%u, " NOW, t->number);
		add_row_keys(sql, t, row);
		sqlite3_str_appendall(sql, "); ");
	}
	sqlite3_str_appendall(sql, "END");
	return (sqlite3_str_finish(sql));
}

int
litelog_watches(sqlite3 *db, const struct litetable *t)
{
	int same = 1;

	for (size_t w = 0; w < WATCHES && same; w++) {
		char *text = trigger_text(t, (enum lite_watch)w);

		if (text != NULL)
			same = litedb_int(db, 0,
				   "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND "
				   "tbl_name = %Q AND sql = %Q",
				   t->name, text) == 1;
		sqlite3_free(text);
	}
	if (same)
		return (1);
	/* Those of every table, not those that depend on its indexes. */
	return (litedb_int(db, 0,
		    "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = %Q "
		    "AND name IN (" WATCH_NAMES ")",
		    t->name, t->number, t->number, t->number, t->number) == 4 ?
		0 :
		-1);
}

int
litelog_watch(sqlite3 *db, const struct litetable *t)
{
	int rc = SQLITE_OK;

	for (size_t w = 0; w < WATCHES && rc == SQLITE_OK; w++) {
		char *text = trigger_text(t, (enum lite_watch)w);

		rc = litedb_execf(db, "DROP TRIGGER IF EXISTS " LITE_PREFIX "%u_%s", t->number,
		    watches[w].name);
		if (rc == SQLITE_OK && text != NULL)
			rc = litedb_exec(db, text);
		sqlite3_free(text);
	}
	return (rc);
}

json_t *
litelog_trigger_names(const struct litetable *t)
{
	json_t *list = json_array();

	for (size_t w = 0; w < WATCHES; w++)
		if (t->nunique > 0 || (w != WATCH_OVER && w != WATCH_OVER_UPDATE))
			json_array_append_new(list,
			    json_sprintf(LITE_PREFIX "%u_%s", t->number, watches[w].name));
	return (list);
}

static int
drop_triggers(sqlite3 *db)
{
	sqlite3_stmt *s = litedb_prepare(db,
	    "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND substr(name, 1, %d) = %Q",
	    (int)strlen(LITE_PREFIX), LITE_PREFIX);
	json_t *names = json_array(), *name;
	int rc = SQLITE_OK;
	size_t i;

	while (s != NULL && sqlite3_step(s) == SQLITE_ROW)
		json_array_append_new(names, json_string((const char *)sqlite3_column_text(s, 0)));
	sqlite3_finalize(s);
	json_array_foreach(names, i, name)
		if (rc == SQLITE_OK)
			rc = litedb_execf(db, "DROP TRIGGER \"%w\"", json_string_value(name));
	json_decref(names);
	return (rc);
}

int
litelog_remove(sqlite3 *db)
{
	int rc = drop_triggers(db);

	if (rc == SQLITE_OK)
		rc = litedb_exec(db,
		    "DROP TABLE IF EXISTS " LITE_LOG ";"
		    "DROP TABLE IF EXISTS " LITE_APPLIED ";"
		    "DROP TABLE IF EXISTS " LITE_STATE);
	return (rc);
}

char *
litelog_state(sqlite3 *db, const char *name)
{
	return (litedb_text(db, "SELECT value FROM " LITE_STATE " WHERE name = %Q", name));
}

int
litelog_set_state(sqlite3 *db, const char *name, const char *value)
{
	return (litedb_execf(db, "INSERT OR REPLACE INTO " LITE_STATE " VALUES (%Q, %Q)", name,
	    value));
}
