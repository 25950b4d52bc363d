#include "config.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "opsd/sql/sqlmemory.h"

/* SQLite's memory: that of statements has a limit, that of files has none. */

#define LIMIT (4 << 20)

#define SORT                                                                                 \
	"WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 100000) " \
	"SELECT count(*) FROM (SELECT hex(randomblob(50)) AS h FROM n ORDER BY h LIMIT 90000)"
#define FILL                                                                                  \
	"CREATE TABLE t(a); WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n " \
	"WHERE i < 10000) INSERT INTO t SELECT randomblob(1000) FROM n"

static sqlite3 *
open_memory(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL),
	    SQLITE_OK);
	return (db);
}

/* 1: it ended for want of memory. */
static int
ends_by_limit(sqlite3 *db, const char *sql)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	assert_true(rc == SQLITE_OK || rc == SQLITE_NOMEM);
	return (rc == SQLITE_NOMEM);
}

static void
test_limit(void **state)
{
	sqlite3 *db;

	(void)state;
	sqlmemory_count(1);
	db = open_memory();
	assert_true(sqlmemory_used() > 0);
	assert_int_equal(ends_by_limit(db, SORT), 1);
	assert_true(sqlmemory_used() <= LIMIT);
	assert_int_equal(ends_by_limit(db, "SELECT 1"), 0);
	sqlite3_close(db);
	sqlmemory_count(0);
	assert_int_equal(sqlmemory_used(), 0);
}

static void
test_files_go_on(void **state)
{
	sqlite3 *statement, *file;

	(void)state;
	sqlmemory_count(1);
	statement = open_memory();
	assert_int_equal(ends_by_limit(statement, FILL), 1);
	/* What it has is all that there is. */
	sqlmemory_limit(sqlmemory_used());
	sqlmemory_count(0);
	file = open_memory();
	assert_int_equal(ends_by_limit(file, FILL), 0);
	assert_int_equal(ends_by_limit(file, SORT), 0);
	sqlmemory_count(1);
	assert_int_equal(ends_by_limit(statement, FILL), 1);
	/* Freed by whoever, it is what it was. */
	sqlite3_close(file);
	sqlmemory_count(0);
	sqlite3_close(statement);
	assert_int_equal(sqlmemory_used(), 0);
	sqlmemory_limit(LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_files_go_on),
	};

	sqlmemory_start();
	sqlmemory_limit(LIMIT);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
