#include "config.h"

#include "opsd/sql/sqltext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opsd/sql/sqltoken.h"

/* Words parted by a bar. */
static void
assert_words(const char *sql, const char *expected)
{
	struct buf words = { 0 };
	size_t n;
	struct sqltoken *all = sqltoken_all(sql, &n);

	for (size_t i = 0; i < n; i++)
		buf_addf(&words, "%s%.*s", i > 0 ? "|" : "", (int)all[i].n, all[i].s);
	buf_u8(&words, 0);
	assert_string_equal((const char *)words.data, expected);
	assert_int_equal(all[n].kind, TOKEN_END);
	buf_free(&words);
	free(all);
}

static void
test_words(void **state)
{
	(void)state;
	assert_words("", "");
	assert_words("SELECT*FROM a.b", "SELECT|*|FROM|a|.|b");
	assert_words("a -- rest 'x\n b /* 'c' */ d", "a|b|d");
	assert_words("a /* no end", "a");
	assert_words("'it''s' \"a\"\"b\" [c d] `e`", "'it''s'|\"a\"\"b\"|[c d]|`e`");
	assert_words("'no end", "'no end");
	assert_words("x'00' X'ff' x", "x'00'|X'ff'|x");
	assert_words("1e-5 .5 0x1f-2 1+2", "1e-5|.5|0x1f|-|2|1|+|2");
	assert_words("\xc3\xa9t\xc3\xa9=1", "\xc3\xa9t\xc3\xa9|=|1");
}

static void
test_names(void **state)
{
	static const char *const names[][2] = { { "\"a\"\"b\"", "a\"b" }, { "[a]", "a" },
		{ "`a``b`", "a`b" }, { "plain", "plain" }, { "\"open", "open" } };
	struct sqltoken *all;
	char *name;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		all = sqltoken_all(names[i][0], &n);
		assert_int_equal(n, 1);
		name = sqltoken_name(all);
		assert_string_equal(name, names[i][1]);
		free(name);
		free(all);
	}
}

static void
assert_text(const char *sql, enum sqlverb verb, const char *expected)
{
	struct sqltext t;
	char *err = NULL;

	assert_int_equal(sqltext_read(&t, sql, &err), 0);
	assert_int_equal(t.verb, verb);
	assert_string_equal((const char *)t.text.data, expected);
	sqltext_free(&t);
}

static void
test_verbs(void **state)
{
	(void)state;
	assert_text("select 1;", SQL_SELECT, "select 1");
	assert_text("VALUES (1)", SQL_SELECT, "VALUES (1)");
	assert_text("WITH a AS (SELECT 1) SELECT * FROM a", SQL_SELECT,
	    "WITH a AS (SELECT 1) SELECT * FROM a");
	assert_text("WITH a AS (SELECT 1) DELETE FROM b", SQL_DELETE,
	    "WITH a AS (SELECT 1) DELETE FROM b");
	assert_text("explain SELECT true", SQL_EXPLAIN, "EXPLAIN QUERY PLAN SELECT true");
	assert_text("EXPLAIN QUERY PLAN SELECT 1", SQL_EXPLAIN, "EXPLAIN QUERY PLAN SELECT 1");
	assert_text("INSERT OR REPLACE INTO a (b) VALUES (1)", SQL_UPSERT,
	    "INSERT OR REPLACE INTO a (b) VALUES (1)");
	assert_text("INSERT OR IGNORE INTO a (b) VALUES (1)", SQL_INSERT,
	    "INSERT OR IGNORE INTO a (b) VALUES (1)");
	assert_text("REPLACE INTO a (b) SELECT 1", SQL_UPSERT, "REPLACE INTO a (b) SELECT 1");
}

/* Booleans are marked only where a value is written as it stands. */
static void
test_booleans(void **state)
{
	(void)state;
	assert_text("INSERT INTO a (b, c) VALUE (true, NOT FALSE), (max(true, 0), false)",
	    SQL_INSERT,
	    "INSERT INTO a (b, c) VALUES (" SQLTEXT_TRUE
	    ", NOT FALSE), (max(true, 0), " SQLTEXT_FALSE ")");
	assert_text("UPDATE a SET b = true, c = false WHERE d = true", SQL_UPDATE,
	    "UPDATE a SET b = " SQLTEXT_TRUE ", c = " SQLTEXT_FALSE " WHERE d = true");
	assert_text("UPDATE a SET b = (c = true), d = true OR e", SQL_UPDATE,
	    "UPDATE a SET b = (c = true), d = true OR e");
	assert_text("UPDATE a SET b = TRUE", SQL_UPDATE, "UPDATE a SET b = " SQLTEXT_TRUE);
	assert_text("EXPLAIN UPDATE a SET b = 'true'", SQL_EXPLAIN,
	    "EXPLAIN QUERY PLAN UPDATE a SET b = 'true'");
}

static void
assert_written(const char *sql, const char *db, const char *table, const char *written)
{
	struct buf b = { 0 };
	struct sqltext t;
	char *err = NULL;

	assert_int_equal(sqltext_read(&t, sql, &err), 0);
	assert_string_equal(t.target.table, table);
	if (db == NULL)
		assert_null(t.target.db);
	else
		assert_string_equal(t.target.db, db);
	for (size_t i = 0; i < t.nwritten; i++)
		buf_addf(&b, "%s ", t.written[i]);
	buf_u8(&b, 0);
	assert_string_equal((const char *)b.data, written);
	buf_free(&b);
	sqltext_free(&t);
}

static void
test_what_is_written(void **state)
{
	(void)state;
	assert_written("INSERT INTO d.t (a, \"b c\") VALUES (1, 2)", "d", "t", "a b c ");
	assert_written(
	    "UPDATE t AS x SET a = 1, b = (SELECT c FROM d WHERE e = 1), f = 2 WHERE g = 3", NULL,
	    "t", "a b f ");
	assert_written("UPDATE OR IGNORE \"d\".\"t\" SET (a, b) = (1, 2)", "d", "t", "a b ");
	assert_written("WITH x AS (SELECT 1 WHERE 2 = 2) UPDATE t SET a = 1 FROM x WHERE a = 2",
	    NULL, "t", "a ");
	assert_written("DELETE FROM d.t WHERE a = 1", "d", "t", "");
}

static void
assert_refused(const char *sql, const char *begin)
{
	struct sqltext t;
	char *err = NULL;

	assert_int_equal(sqltext_read(&t, sql, &err), -1);
	assert_int_equal(strncmp(err, begin, strlen(begin)), 0);
	free(err);
}

static void
test_refused(void **state)
{
	(void)state;
	assert_refused("", "'sql' must be a statement");
	assert_refused(" ; -- nothing", "'sql' must be a statement");
	assert_refused("SELECT 1; DELETE FROM a", "'sql' must be one statement");
	assert_refused("PRAGMA x", "'PRAGMA' is not allowed");
	assert_refused("EXPLAIN VACUUM", "'VACUUM' is not allowed");
	assert_refused("INSERT INTO a VALUES (1)", "INSERT must name");
	assert_refused("DELETE FROM a RETURNING b", "'RETURNING' is not allowed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_booleans),
		cmocka_unit_test(test_what_is_written),
		cmocka_unit_test(test_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
