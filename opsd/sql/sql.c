#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/auth/permission.h"
#include "opsd/auth/user.h"
#include "opsd/sql/sql_priv.h"
#include "opsd/sql/sqlmemory.h"

#define LOOK_OPS   2000       /* of SQLite's machine between two looks at the clock */
#define VALUE_MAX  (64 << 20) /* bytes of one text */
#define DEPTH_MAX  200        /* of an expression */
#define TABLES_MAX 64

void
sql_fail(struct sql *s, int status, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (s->error != NULL)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		text = xstrdup("no memory");
	va_end(ap);
	s->error = text;
	s->status = status;
}

/* ---- what a statement may ---- */

static int
refuse_action(struct sql *s, const char *what)
{
	if (s->refused == NULL)
		s->refused = xasprintf("%s is not allowed in 'sql'", what);
	return (SQLITE_DENY);
}

/* SQLite asks for each column that is read; "" is no column, but the table. */
static int
note_read(struct sql *s, const char *table, const char *column, const char *schema)
{
	struct sqltable *t = schema != NULL ? sqltable_find(s, schema, table) : NULL;
	struct sqlcolumn *c;

	if (t == NULL)
		return (SQLITE_OK); /* of a sub-select or a table function, looked at below */
	if (t->asked == NULL)
		t->asked = json_object();
	c = sqltable_column(t, column);
	if (c != NULL && c->field.attr != NULL)
		json_object_set_new(t->asked, c->field.attr->name, json_null());
	return (SQLITE_OK);
}

static int
may_read_column(struct sql *s, const char *table, const char *column, const char *schema)
{
	if (strncasecmp(table, "sqlite_", 7) == 0)
		return (refuse_action(s, table));
	return (note_read(s, table, column, schema));
}

static int
may_call(struct sql *s, const char *function)
{
	static const char *const none[] = { "load_extension", "fts3_tokenizer", "writefile",
		"readfile", "edit" };

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (sqlite3_stricmp(none[i], function) == 0)
			return (refuse_action(s, function));
	return (SQLITE_OK);
}

/* https://www.sqlite.org/c3ref/c_alter_table.html */
static int
authorize_action(void *arg, int action, const char *a, const char *b, const char *schema,
    const char *inner)
{
	struct sql *s = arg;

	(void)inner;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_RECURSIVE:
		return (SQLITE_OK);
	case SQLITE_READ:
		return (may_read_column(s, a, b, schema));
	case SQLITE_FUNCTION:
		return (may_call(s, b));
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
	case SQLITE_DELETE:
		if (s->target != NULL && sqltable_find(s, schema, a) == s->target)
			return (SQLITE_OK);
		return (refuse_action(s, "a table that is none of the node's"));
	case SQLITE_PRAGMA:
		return (refuse_action(s, "PRAGMA"));
	default:
		return (refuse_action(s, "this statement"));
	}
}

/* Of SQLite's own tables the statement may use those that hold nothing of their own. */
static const char *const table_functions[] = { "json_each", "json_tree" };

#define TABLE_FUNCTIONS (sizeof(table_functions) / sizeof(table_functions[0]))

static void
drop_modules(sqlite3 *db)
{
	const char *keep[TABLE_FUNCTIONS + 2] = { "hl" };

	memcpy(keep + 1, table_functions, sizeof(table_functions));
	sqlite3_drop_modules(db, keep);
}

/* ---- its limits ---- */

int
sql_must_end(struct sql *s)
{
	if (s->limits.over != NULL && s->limits.over(s->limits.arg))
		return (1);
	if (s->limits.time_us != 0 && s->used_us + (mono_us() - s->began_us) > s->limits.time_us)
		s->late = 1;
	return (s->late);
}

static int
look_at_clock(void *arg)
{
	return (sql_must_end(arg));
}

static void
set_limits(sqlite3 *db)
{
	static const struct {
		int what, most;
	} limits[] = {
		{ SQLITE_LIMIT_LENGTH, VALUE_MAX },
		{ SQLITE_LIMIT_EXPR_DEPTH, DEPTH_MAX },
		{ SQLITE_LIMIT_WORKER_THREADS, 0 },
		{ SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		sqlite3_limit(db, limits[i].what, limits[i].most);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
}

/* ---- its tables ---- */

static int
attach_schema(struct sql *s, const char *db)
{
	struct buf text = { 0 };
	int rc;

	for (size_t i = 0; i < s->ntables; i++)
		if (sqlite3_stricmp(s->tables[i]->schema, db) == 0)
			return (0);
	if (sqlite3_stricmp(db, "main") == 0)
		return (0);
	buf_addf(&text, "ATTACH ':memory:' AS ");
	sqltext_quote(&text, db);
	buf_u8(&text, '\0');
	rc = sqlite3_exec(s->db, (const char *)text.data, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		sql_fail(s, 400, "database %s: %s", db, sqlite3_errmsg(s->db));
	buf_free(&text);
	return (rc == SQLITE_OK ? 0 : -1);
}

static int
is_there(struct sql *s, const char *schema, const struct table *t)
{
	for (size_t i = 0; i < s->ntables; i++)
		if (strcmp(s->tables[i]->schema, schema) == 0 &&
		    strcmp(s->tables[i]->t->name, t->name) == 0)
			return (1);
	return (0);
}

/* A name that may be a table: if it is one that the user may know of, SQLite gets it. */
static int
add_named_table(struct sql *s, const struct sqlname *n)
{
	const char *schema = n->db != NULL ? n->db : "main";
	struct table *t;

	t = catalog_get(s->data->catalog, n->db != NULL ? n->db : "data", n->table);
	if (t == NULL)
		return (0);
	if (is_there(s, schema, t) || (!s->user->super_user && !permission_sees(s->user, t))) {
		table_unref(t);
		return (0);
	}
	if (s->ntables == TABLES_MAX)
		sql_fail(s, 400, "'sql' names more than %d tables", TABLES_MAX);
	if (s->error != NULL || attach_schema(s, schema) == -1) {
		table_unref(t);
		return (-1);
	}
	return (sqltable_add(s, t, schema));
}

static int
add_named_tables(struct sql *s)
{
	for (size_t i = 0; i < s->text.nnames; i++)
		if (add_named_table(s, &s->text.names[i]) == -1)
			return (-1);
	return (0);
}

/* "no such table: dev.dog" */
static const struct sqlname *
missing_table(struct sql *s, const char *message)
{
	static const char begins[] = "no such table: ";
	const struct sqlname *n;
	size_t dblen;

	if (strncmp(message, begins, sizeof(begins) - 1) != 0)
		return (NULL);
	message += sizeof(begins) - 1;
	for (size_t i = 0; i < s->text.nnames; i++) {
		n = &s->text.names[i];
		dblen = n->db != NULL ? strlen(n->db) : 0;
		if (n->db != NULL && strncmp(message, n->db, dblen) == 0 && message[dblen] == '.' &&
		    strcmp(message + dblen + 1, n->table) == 0)
			return (n);
		if (n->db == NULL && strcmp(message, n->table) == 0)
			return (n);
	}
	return (NULL);
}

/* ---- the statement ---- */

struct sql *
sql_new(struct data *data, const struct user *user, const char *text, char **err)
{
	struct sql *s = xcalloc(1, sizeof(*s));

	s->data = data;
	s->user = user;
	if (sqltext_read(&s->text, text, err) == -1) {
		free(s);
		return (NULL);
	}
	return (s);
}

void
sql_free(struct sql *s)
{
	if (s == NULL)
		return;
	sqlite3_finalize(s->stmt);
	sqlite3_close(s->db);
	for (size_t i = 0; i < s->ntables; i++)
		sqltable_free(s->tables[i]);
	free(s->tables);
	store_snap_free(s->snap);
	rows_free(&s->rows);
	free(s->shows);
	json_decref(s->records);
	sqltext_free(&s->text);
	free(s->refused);
	free(s->error);
	free(s);
}

/* SQLite makes one at its first use, which the authorizer would take for a change. */
static void
make_table_functions(struct sql *s)
{
	char *use;

	for (size_t i = 0; i < TABLE_FUNCTIONS; i++) {
		if (!sqltext_names(&s->text, table_functions[i]))
			continue;
		use = xasprintf("SELECT 1 FROM %s('[]')", table_functions[i]);
		sqlite3_exec(s->db, use, NULL, NULL, NULL);
		free(use);
	}
}

static int
open_engine(struct sql *s)
{
	if (sqlite3_open_v2(":memory:", &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK ||
	    sqlite3_exec(s->db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_create_module(s->db, "hl", &sqltable_module, s) != SQLITE_OK) {
		sql_fail(s, 503, "no statement can run now: %s", sqlite3_errmsg(s->db));
		return (-1);
	}
	set_limits(s->db);
	drop_modules(s->db);
	make_table_functions(s);
	return (0);
}

static void
fail_by_engine(struct sql *s, int rc)
{
	if (s->refused != NULL)
		sql_fail(s, 400, "%s", s->refused);
	else if (s->late)
		sql_fail(s, 408, "the statement took longer than %llu seconds (sql.timeout)",
		    (unsigned long long)(s->limits.time_us / 1000000));
	else if (rc == SQLITE_NOMEM)
		sql_fail(s, 413, "the statement needs more memory than sql.maxMemory allows");
	else if (rc == SQLITE_INTERRUPT)
		sql_fail(s, 503, "the statement was stopped");
	else
		sql_fail(s, 400, "%s", sqlite3_errmsg(s->db));
}

static enum sql_prepared
prepare_failed(struct sql *s, int rc)
{
	if (rc == SQLITE_ERROR && s->refused == NULL)
		s->missing = missing_table(s, sqlite3_errmsg(s->db));
	if (s->missing != NULL)
		return (SQL_NO_TABLE);
	fail_by_engine(s, rc);
	return (SQL_WRONG);
}

static enum sql_prepared
prepare_statement(struct sql *s)
{
	int rc;

	s->snap = store_snap_new(s->data->store);
	if (open_engine(s) == -1 || add_named_tables(s) == -1)
		return (SQL_WRONG);
	sqlite3_set_authorizer(s->db, authorize_action, s);
	sqlite3_progress_handler(s->db, LOOK_OPS, look_at_clock, s);
	s->began_us = mono_us();
	rc = sqlite3_prepare_v2(s->db, (const char *)s->text.text.data, -1, &s->stmt, NULL);
	s->used_us = mono_us() - s->began_us;
	if (rc != SQLITE_OK)
		return (prepare_failed(s, rc));
	if (s->stmt == NULL) {
		sql_fail(s, 400, "'sql' must be a statement");
		return (SQL_WRONG);
	}
	if (s->target != NULL && s->text.verb != SQL_EXPLAIN)
		s->records = json_array();
	return (SQL_READY);
}

enum sql_prepared
sql_prepare(struct sql *s, const struct sql_limits *limits)
{
	enum sql_prepared prepared;

	s->limits = *limits;
	sqlmemory_count(1);
	prepared = prepare_statement(s);
	sqlmemory_count(0);
	return (prepared);
}

void
sql_missing(const struct sql *s, const char **db, const char **table)
{
	*db = s->missing->db != NULL ? s->missing->db : "data";
	*table = s->missing->table;
}

const struct table *
sql_reads(const struct sql *s, size_t i, const json_t **names)
{
	for (size_t k = 0; k < s->ntables; k++) {
		if (s->tables[k]->asked == NULL || i-- > 0)
			continue;
		*names = s->tables[k]->asked;
		return (s->tables[k]->t);
	}
	return (NULL);
}

struct table *
sql_writes(const struct sql *s, enum txn_op *op)
{
	static const enum txn_op ops[] = {
		[SQL_INSERT] = TXN_INSERT,
		[SQL_UPSERT] = TXN_UPSERT,
		[SQL_UPDATE] = TXN_UPDATE,
		[SQL_DELETE] = TXN_DELETE,
	};

	if (s->records == NULL)
		return (NULL);
	*op = ops[s->text.verb];
	return (s->target->t);
}

void
sql_format(struct sql *s, enum format f)
{
	s->rows.format = f;
}

/* ---- its steps ---- */

static enum sql_state
step_failed(struct sql *s, int rc)
{
	fail_by_engine(s, rc);
	return (SQL_FAILED);
}

/* Rows until there is a piece of the answer; of what writes, all of them. */
static enum sql_state
run_rows(struct sql *s)
{
	int rc;

	while ((rc = sqlite3_step(s->stmt)) == SQLITE_ROW) {
		if (sqlanswer_row(s) == -1)
			return (SQL_FAILED);
		if (s->rows.out.len >= SQL_PIECE)
			return (SQL_MORE);
	}
	if (rc != SQLITE_DONE)
		return (step_failed(s, rc));
	if (s->records == NULL)
		sqlanswer_end(s);
	return (SQL_DONE);
}

enum sql_state
sql_step(struct sql *s)
{
	enum sql_state state;

	if (s->shows == NULL && s->records == NULL)
		sqlanswer_begin(s);
	s->began_us = mono_us();
	sqlmemory_count(1);
	state = run_rows(s);
	sqlmemory_count(0);
	s->used_us += mono_us() - s->began_us;
	return (state);
}

struct buf *
sql_out(struct sql *s)
{
	return (&s->rows.out);
}

uint64_t
sql_shown(const struct sql *s)
{
	return (s->rows.shown);
}

json_t *
sql_records(struct sql *s)
{
	return (s->records);
}

const char *
sql_error(const struct sql *s)
{
	return (s->error);
}

int
sql_status(const struct sql *s)
{
	return (s->status);
}
