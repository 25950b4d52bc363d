#include "config.h"

#include "opsd/op/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct reading
span(const char *from, const char *to, const char *faults)
{
	struct reading g = { 0 };
	struct faults f = { 0 };
	json_t *a = from != NULL ? json_loads(from, JSON_DECODE_ANY, NULL) : NULL;
	json_t *b = to != NULL ? json_loads(to, JSON_DECODE_ANY, NULL) : NULL;

	reading_span(&f, a, "from", b, "to", &g);
	buf_u8(&f.text, 0);
	assert_string_equal((char *)f.text.data, faults);
	buf_free(&f.text);
	json_decref(a);
	json_decref(b);
	return (g);
}

static void
test_spans(void **state)
{
	struct reading g;
	struct txn txn = { .stamp = { UINT64_C(1500) << 16, 1 } };

	(void)state;
	g = span("1500", "2000.5", "");
	assert_true(g.from == 1500 && g.to == 2000.5);
	assert_int_equal(reading_in_span(&g, &txn), 1);
	g = span("1501", NULL, "");
	assert_true(isfinite(g.to));
	assert_int_equal(reading_in_span(&g, &txn), 0);
	g = span(NULL, "\"1499.5\"", "");
	assert_int_equal(reading_in_span(&g, &txn), 0);
	g = span(NULL, NULL, "");
	assert_int_equal(reading_in_span(&g, &txn), 1);
	g = span("7", "7", "");
	span("8", "7", "'to' must be greater than or equal to 'from'");
	span("\"x\"", NULL, "'from' must be a number");
	span("\"\"", "\"7 \"", "'from' must be a number. 'to' must be a number");
	span("\"nan\"", "true", "'from' must be a number. 'to' must be a number");
	span("null", NULL, "'from' must be a number");
	span("-1", "1e16", "'from' must be between 0 and 1e15. 'to' must be between 0 and 1e15");
}

static int64_t
limit(const char *text, const char *faults)
{
	struct reading g = { 0 };
	struct faults f = { 0 };
	json_t *body = json_loads(text, 0, NULL);

	reading_limit(&f, body, &g);
	buf_u8(&f.text, 0);
	assert_string_equal((char *)f.text.data, faults);
	buf_free(&f.text);
	json_decref(body);
	return (g.limit);
}

static void
test_limits(void **state)
{
	(void)state;
	assert_true(limit("{}", "") == INT64_MAX);
	assert_int_equal(limit("{\"limit\":1}", ""), 1);
	limit("{\"limit\":0}", "'limit' must be greater than or equal to 1");
	limit("{\"limit\":1.5}", "'limit' must be an integer");
	limit("{\"limit\":\"1\"}", "'limit' must be a number");
	limit("{\"limit\":null}", "'limit' must be a number");
}

static void
add_record(struct buf *b, int id)
{
	json_t *v = json_integer(id);
	struct buf key = { 0 };

	buf_u8(b, REC_CLEARED);
	assert_int_equal(key_from_json(&key, v), 0);
	buf_strn(b, key.data, key.len);
	buf_u32(b, 0);
	json_decref(v);
	buf_free(&key);
}

static void
text_is(struct buf *b, const char *want)
{
	buf_u8(b, 0);
	assert_string_equal((char *)b->data, want);
	buf_clear(b);
}

/* A transaction as it is shown: its head, its rows, or the keys of a list. */
static void
test_text(void **state)
{
	static const uint8_t origin[NODE_ID_LEN] = { 1 };
	struct reading g = { .by = BY_TIME, .t = table_new("data", "dog", "id") };
	struct buf b = { 0 };
	struct txn txn;
	json_t *two = json_integer(2);
	size_t at = txn_begin(&b, TXN_WRITE, TXN_DELETE, origin, "a\"b", "data", "dog", "id");

	(void)state;
	add_record(&b, 1);
	add_record(&b, 2);
	txn_set_count(&b, at, 2);
	txn_set_stamp(&b, at, UINT64_C(1500) << 16);
	assert_int_equal(txn_read(&txn, b.data, b.len), 0);
	reading_text_head(&g.out, &txn, "user_name");
	text_is(&g.out, "{\"operation\":\"delete\",\"user_name\":\"a\\\"b\",\"timestamp\":1500");
	reading_text_records(&g, txn, 1);
	text_is(&g.out, "[1,2]");
	reading_text_records(&g, txn, 0);
	text_is(&g.out, "[{\"id\":1},{\"id\":2}]");
	g.by = BY_KEY;
	key_from_json(&g.key, two);
	reading_text_records(&g, txn, 1);
	text_is(&g.out, "[2]");
	table_unref(g.t);
	buf_free(&g.out);
	buf_free(&g.key);
	buf_free(&b);
	json_decref(two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_text),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
