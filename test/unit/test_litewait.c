#include "config.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "opsd/lite/litewait.h"
#include "test/unit/folder.h"

/* What a file's thread waits for. */

#define LONG_MS 200 /* more than anything here takes */

static void
run_sql(sqlite3 *db, const char *sql)
{
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void
test_writes(void **state)
{
	char *path = in_folder("app");
	struct litewait w;
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	run_sql(db, "PRAGMA journal_mode=WAL");
	run_sql(db, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
	litewait_open(&w);
	litewait_watch(&w, path);
	assert_int_equal(w.told, 1);
	assert_int_equal(litewait_for(&w, 0, 1), 0);
	run_sql(db, "INSERT INTO t VALUES (1)");
	assert_int_equal(litewait_for(&w, LONG_MS, 1), 1);
	assert_int_equal(litewait_for(&w, 0, 1), 0);
	/* What is written while nobody is to be told is not forgotten. */
	run_sql(db, "INSERT INTO t VALUES (2)");
	assert_int_equal(litewait_for(&w, 0, 0), 0);
	assert_int_equal(litewait_for(&w, LONG_MS, 1), 1);
	/* Without a WAL there is nothing to be told of. */
	run_sql(db, "PRAGMA journal_mode=DELETE");
	litewait_watch(&w, path);
	assert_int_equal(w.told, 0);
	sqlite3_close(db);
	litewait_close(&w);
	free(path);
}

static void
test_waking(void **state)
{
	struct litewait w;

	(void)state;
	litewait_open(&w);
	litewait_wake(&w);
	litewait_wake(&w);
	assert_int_equal(litewait_for(&w, LONG_MS, 0), 1);
	assert_int_equal(litewait_for(&w, 0, 1), 0);
	litewait_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_waking),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
