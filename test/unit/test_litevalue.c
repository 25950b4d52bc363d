#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "opsd/lite/litekey.h"
#include "opsd/lite/litevalue.h"
#include "opsd/store/key.h"
#include "opsd/store/value.h"

/* Values and keys between SQLite and rows. */

#define TEXT(t)                                                   \
	{                                                         \
		.type = SQLITE_TEXT, .p = (t), .n = sizeof(t) - 1 \
	}
#define BLOB(t)                                                   \
	{                                                         \
		.type = SQLITE_BLOB, .p = (t), .n = sizeof(t) - 1 \
	}
#define INT(v)                                   \
	{                                        \
		.type = SQLITE_INTEGER, .i = (v) \
	}
#define REAL(v)                                \
	{                                      \
		.type = SQLITE_FLOAT, .d = (v) \
	}

static void
test_values_come_back(void **state)
{
	static const struct litevalue values[] = {
		{ .type = SQLITE_NULL },
		INT(0),
		INT(INT64_MIN),
		INT(INT64_MAX),
		REAL(3.0),
		REAL(-0.5),
		REAL(HUGE_VAL),
		REAL(-HUGE_VAL),
		TEXT(""),
		TEXT("a\0b"),
		TEXT("\xff\x41"),
		TEXT("{\"$b64\":\"AA==\"}"),
		BLOB(""),
		BLOB("\0\xff"),
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct litevalue v;

		buf_clear(&b);
		litevalue_pack(&b, &values[i]);
		assert_true(value_valid(b.data, b.len));
		assert_int_equal(litevalue_read(&v, b.data, b.len), 0);
		assert_true(litevalue_same(&values[i], &v));
		litevalue_free(&v);
	}
	buf_free(&b);
}

/* What the API writes, and what a file makes of it. */
static void
test_values_of_the_api(void **state)
{
	static const struct {
		const char *json;
		struct litevalue is;
	} cases[] = {
		{ "true", INT(1) },
		{ "false", INT(0) },
		{ "null", { .type = SQLITE_NULL } },
		{ "[1,\"a\"]", TEXT("[1,\"a\"]") },
		{ "{\"a\":{}}", TEXT("{\"a\":{}}") },
		{ "{\"$b64\":\"no base64!\"}", TEXT("{\"$b64\":\"no base64!\"}") },
		{ "{\"$b64\":\"AP8=\",\"b\":1}", TEXT("{\"$b64\":\"AP8=\",\"b\":1}") },
		{ "{\"$b64\":\"AP8=\"}", BLOB("\0\xff") },
		{ "{\"$real\":\"nan\"}", TEXT("{\"$real\":\"nan\"}") },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *j = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
		struct litevalue v;

		buf_clear(&b);
		value_pack(&b, j);
		assert_int_equal(litevalue_read(&v, b.data, b.len), 0);
		assert_true(litevalue_same(&cases[i].is, &v));
		litevalue_free(&v);
		json_decref(j);
	}
	buf_free(&b);
}

/* The rules are SQLite's own, so it is asked. */
static void
test_affinities(void **state)
{
	static const char *const types[] = { "INTEGER", "INT2", "CHARINT", "VARCHAR(10)", "CLOB",
		"TEXT", "BLOB", "", "REAL", "DOUBLE", "FLOAT", "NUMERIC", "BOOLEAN", "DATETIME",
		"DECIMAL(10,5)", "STRING" };
	static const struct litevalue values[] = { INT(5), REAL(3.0), REAL(2.5), REAL(1e300),
		TEXT("5"), TEXT(" 7 "), TEXT("1.0"), TEXT("1e3"), TEXT("1.5"), TEXT("12abc"),
		TEXT(""), TEXT("-"), TEXT("0x10"), TEXT("9223372036854775807"), BLOB("5"),
		{ .type = SQLITE_NULL } };
	sqlite3 *db;
	sqlite3_stmt *s;

	(void)state;
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		char *sql = sqlite3_mprintf("CREATE TABLE t%d(a %s)", (int)t, types[t]);

		assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_free(sql);
		sql = sqlite3_mprintf("INSERT INTO t%d VALUES (?) RETURNING a", (int)t);
		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
		sqlite3_free(sql);
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			struct litevalue v = values[i], kept;

			litevalue_bind(&values[i], s, 1);
			assert_int_equal(sqlite3_step(s), SQLITE_ROW);
			litevalue_column(&kept, s, 0);
			litevalue_fit(&v, litevalue_affinity(types[t]));
			if (!litevalue_same(&v, &kept))
				fail_msg("%s: value %zu is %d, not %d", types[t], i, v.type,
				    kept.type);
			litevalue_free(&v);
			sqlite3_reset(s);
		}
		sqlite3_finalize(s);
	}
	sqlite3_close(db);
}

static void
test_keys_come_back(void **state)
{
	static const struct {
		int n;
		struct litevalue key[3];
		const char *text; /* NULL: a number */
	} cases[] = {
		{ 1, { INT(INT64_MAX) }, NULL },
		{ 1, { REAL(-1.5) }, NULL },
		{ 1, { TEXT("") }, "" },
		{ 1, { TEXT("a/b") }, "a/b" },
		{ 1, { TEXT("$b64:x") }, "$text:$b64:x" },
		{ 1, { TEXT("$text:x") }, "$text:$text:x" },
		{ 1, { BLOB("\0\xff") }, "$b64:AP8=" },
		{ 1, { BLOB("") }, "$b64:" },
		{ 2, { INT(1), TEXT("a\"b") }, "[1,\"a\\\"b\"]" },
		{ 3, { BLOB("\0\xff"), REAL(2.5), TEXT("") }, "[{\"$b64\":\"AP8=\"},2.5,\"\"]" },
	};
	struct buf b = { 0 }, scratch = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct litevalue v[3];
		struct scalar sc;

		buf_clear(&b);
		assert_null(litekey_make(&b, cases[i].key, cases[i].n));
		assert_int_equal(scalar_from_key(&sc, b.data, b.len, &scratch), 0);
		if (cases[i].text != NULL) {
			assert_int_equal(sc.rank, RANK_TEXT);
			assert_int_equal(sc.n, strlen(cases[i].text));
			assert_memory_equal(sc.s, cases[i].text, sc.n);
		}
		assert_null(litekey_read(v, cases[i].n, b.data, b.len));
		for (int k = 0; k < cases[i].n; k++) {
			assert_true(litevalue_same(&v[k], &cases[i].key[k]));
			litevalue_free(&v[k]);
		}
	}
	buf_free(&b);
	buf_free(&scratch);
}

static void
test_what_is_no_key(void **state)
{
	static char longer[KEY_TEXT_MAX + 1];
	struct litevalue bad[] = { { .type = SQLITE_NULL }, REAL(HUGE_VAL), TEXT("\xff"),
		{ .type = SQLITE_TEXT, .p = longer, .n = sizeof(longer) } };
	static const char *const lists[] = { "[1]", "[1,2,3]", "{}", "1", "[1,null]", "[1", "" };
	struct buf b = { 0 };

	(void)state;
	memset(longer, 'x', sizeof(longer));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(litekey_make(&b, &bad[i], 1));
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct scalar sc = { .rank = RANK_TEXT, .s = lists[i], .n = strlen(lists[i]) };
		struct litevalue v[2];

		buf_clear(&b);
		key_from_scalar(&b, &sc);
		assert_non_null(litekey_read(v, 2, b.data, b.len));
		litevalue_free(&v[0]);
		litevalue_free(&v[1]);
	}
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_come_back),
		cmocka_unit_test(test_values_of_the_api),
		cmocka_unit_test(test_affinities),
		cmocka_unit_test(test_keys_come_back),
		cmocka_unit_test(test_what_is_no_key),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
