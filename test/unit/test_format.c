#include "config.h"

#include "opsd/format/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "opsd/store/value.h"

static size_t
unhex(uint8_t *out, const char *hex)
{
	size_t n;

	for (n = 0; hex[2 * n] != '\0'; n++)
		sscanf(hex + 2 * n, "%2hhx", &out[n]);
	return (n);
}

/* As JSON text, or NULL when it is refused. */
static char *
read_hex(enum format f, const char *hex, int depth)
{
	uint8_t bytes[256], *copy;
	size_t n = unhex(bytes, hex);
	struct buf text = { 0 };
	const struct scan_limits most = { depth, 1000 };
	struct scan scan;
	char *err = NULL, *s;
	json_t *v = NULL;
	int status;

	copy = xmemdup(bytes, n); /* of its size: one byte too far shows */
	scan_begin(&scan, &most);
	if ((status = format_scan(f, &scan, (char *)copy, n, &err)) == 0)
		v = format_read(f, (const char *)copy, n, depth, &err);
	assert_int_equal(status != 0, scan.why != NULL);
	scan_end(&scan);
	free(copy);
	assert_int_equal(v == NULL, err != NULL);
	free(err);
	if (v == NULL)
		return (NULL);
	value_text_json(&text, v);
	s = xstrndup((const char *)text.data, text.len);
	json_decref(v);
	buf_free(&text);
	return (s);
}

static void
check_read(enum format f, const char *hex, const char *want)
{
	char *s = read_hex(f, hex, 4);

	if ((s == NULL) != (want == NULL) || (s != NULL && strcmp(s, want) != 0))
		fail_msg("%s gave %s, not %s", hex, s != NULL ? s : "a fault",
		    want != NULL ? want : "a fault");
	free(s);
}

/* The examples are of RFC 8949, appendix A, where it has them. */
static void
test_cbor_read(void **state)
{
	static const char *const cases[][2] = {
		{ "00", "0" },
		{ "1818", "24" },
		{ "1903e8", "1000" },
		{ "1b7fffffffffffffff", "9223372036854775807" },
		{ "1bffffffffffffffff", "1.8446744073709552e+19" },
		{ "3bffffffffffffffff", "-1.8446744073709552e+19" },
		{ "3b7fffffffffffffff", "-9223372036854775808" },
		{ "20", "-1" },
		{ "3863", "-100" },
		{ "3903e7", "-1000" },
		{ "3a000f423f", "-1000000" },
		{ "f93c00", "1" },
		{ "f93e00", "1.5" },
		{ "fa47c35000", "100000" },
		{ "fb3ff199999999999a", "1.1" },
		{ "f97e00", "null" },
		{ "f9fc00", "null" },
		{ "fb7ff0000000000000", "null" },
		{ "f4", "false" },
		{ "f5", "true" },
		{ "f6", "null" },
		{ "f7", "null" },
		{ "60", "\"\"" },
		{ "6449455446", "\"IETF\"" },
		{ "62c3bc", "\"\xc3\xbc\"" },
		{ "80", "[]" },
		{ "83010203", "[1,2,3]" },
		{ "8301820203820405", "[1,[2,3],[4,5]]" },
		{ "a0", "{}" },
		{ "a26161016162820203", "{\"a\":1,\"b\":[2,3]}" },
		{ "9fff", "[]" },
		{ "9f018202039f0405ffff", "[1,[2,3],[4,5]]" },
		{ "bf61610161629f0203ffff", "{\"a\":1,\"b\":[2,3]}" },
		{ "7f657374726561646d696e67ff", "\"streaming\"" },
		{ "7fff", "\"\"" },
		{ "bf7f6161616263ff01ff", NULL }, /* cut */
		{ "bf7f61616162ff01ff", "{\"ab\":1}" },
		{ "c11a514b67b0", "1363896240" },
		{ "c074323031332d30332d32315432303a30343a30305a", "\"2013-03-21T20:04:00Z\"" },
		{ "d818c101", "1" },
		{ "a2616101616102", "{\"a\":2}" },
		{ "818181f6", "[[[null]]]" },
		{ "81818180", "[[[[]]]]" },
		{ "8181818180", NULL },
		/* broken */
		{ "", NULL },
		{ "0001", NULL },
		{ "18", NULL },
		{ "81", NULL },
		{ "8201", NULL },
		{ "9f", NULL },
		{ "9f01", NULL },
		{ "ff", NULL },
		{ "82ff", NULL },
		{ "bf6161ff", NULL },
		{ "a1", NULL },
		{ "a161", NULL },
		{ "a16161", NULL },
		{ "a10102", NULL },
		{ "a1810102", NULL },
		{ "a1a00102", NULL },
		{ "a1620061f6", NULL },
		{ "a1f601", NULL },
		{ "44deadbeef", NULL },
		{ "5f4101ff", NULL },
		{ "c249010000000000000000", NULL },
		{ "62c328", NULL },
		{ "6361", NULL },
		{ "7f", NULL },
		{ "7f01ff", NULL },
		{ "7f7f6161ffff", NULL },
		{ "7f80ff", NULL },
		{ "7fa0ff", NULL },
		{ "1c", NULL },
		{ "f818", NULL },
		{ "c1", NULL },
		{ "9bffffffffffffffff", NULL },
		{ "bbffffffffffffffff", NULL },
		{ "7bffffffffffffffff61", NULL },
		{ "9b7fffffffffffffff01", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_read(FORMAT_CBOR, cases[i][0], cases[i][1]);
}

static void
test_msgpack_read(void **state)
{
	static const char *const cases[][2] = {
		{ "00", "0" },
		{ "ff", "-1" },
		{ "ccff", "255" },
		{ "cf7fffffffffffffff", "9223372036854775807" },
		{ "cfffffffffffffffff", "1.8446744073709552e+19" },
		{ "d38000000000000000", "-9223372036854775808" },
		{ "ca3fc00000", "1.5" },
		{ "cb3ff199999999999a", "1.1" },
		{ "ca7fc00000", "null" },
		{ "cb7ff0000000000000", "null" },
		{ "c0", "null" },
		{ "c3", "true" },
		{ "a161", "\"a\"" },
		{ "82a16101a162920203", "{\"a\":1,\"b\":[2,3]}" },
		{ "de0001a16101", "{\"a\":1}" },
		{ "dd00000001c0", "[null]" },
		{ "9191919190", NULL },
		{ "91919190", "[[[[]]]]" },
		{ "", NULL },
		{ "0000", NULL },
		{ "91", NULL },
		{ "81a161", NULL },
		{ "810102", NULL },
		{ "c40161", NULL },
		{ "d6ff00000000", NULL },
		{ "c1", NULL },
		{ "a2c328", NULL },
		{ "81a10001", NULL },
		{ "dfffffffff", NULL },
		{ "ddffffffff01", NULL },
		{ "ca3f", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_read(FORMAT_MSGPACK, cases[i][0], cases[i][1]);
}

static void
test_json_read(void **state)
{
	check_read(FORMAT_JSON, "5b5b5b5b315d5d5d5d", "[[[[1]]]]");
	check_read(FORMAT_JSON, "5b5b5b5b5b315d5d5d5d5d", NULL);
	/* brackets in text do not count */
	check_read(FORMAT_JSON, "5b225b5b5b5b5b5c225b225d", "[\"[[[[[\\\"[\"]");
	check_read(FORMAT_JSON, "", NULL);
}

/* What is written is read as the same. */
static void
test_back(void **state)
{
	static const enum format formats[] = { FORMAT_JSON, FORMAT_CBOR, FORMAT_MSGPACK };
	const char *text =
	    "{\"a\":[1,-1,0,23,24,255,256,65536,4294967296,-129,-4294967297,1.5,-0.25,"
	    "1e+300,true,false,null,\"\",\"x\xc3\xbc\"],\"b\":{\"c\":{}},\"\":[]}";
	json_t *v = json_loads(text, 0, NULL), *back;
	struct buf out = { 0 }, stored = { 0 };
	char *err = NULL;

	assert_non_null(v);
	value_pack(&stored, v);
	for (size_t i = 0; i < 3; i++) {
		buf_clear(&out);
		format_json(formats[i], &out, v);
		back = format_read(formats[i], (const char *)out.data, out.len, 5, &err);
		assert_true(json_equal(v, back));
		json_decref(back);
		buf_clear(&out);
		format_stored(formats[i], &out, stored.data, stored.len);
		back = format_read(formats[i], (const char *)out.data, out.len, 5, &err);
		assert_true(json_equal(v, back));
		json_decref(back);
	}
	json_decref(v);
	buf_free(&out);
	buf_free(&stored);
}

static void
check_cell(const char *json, const char *want)
{
	struct buf out = { 0 }, stored = { 0 };
	json_t *v = json_loads(json, JSON_DECODE_ANY, NULL);

	value_pack(&stored, v);
	format_stored(FORMAT_CSV, &out, stored.data, stored.len);
	buf_u8(&out, 0);
	assert_string_equal((char *)out.data, want);
	json_decref(v);
	buf_free(&out);
	buf_free(&stored);
}

static void
test_cells(void **state)
{
	check_cell("null", "");
	check_cell("-0.0", "-0.0");
	check_cell("\"\"", "\"\"");
	check_cell("1.50", "1.5");
	check_cell("true", "true");
	check_cell("\"a b\"", "a b");
	check_cell("\"a,b\"", "\"a,b\"");
	check_cell("\"a\\\"b\"", "\"a\"\"b\"");
	check_cell("\"a\\r\\nb\"", "\"a\r\nb\"");
	check_cell("[1,\"x\"]", "\"[1,\"\"x\"\"]\"");
	check_cell("{}", "{}");
}

static void
test_wanted(void **state)
{
	assert_int_equal(format_wanted(NULL, 1), FORMAT_JSON);
	assert_int_equal(format_wanted("", 1), FORMAT_JSON);
	assert_int_equal(format_wanted("*/*", 1), FORMAT_JSON);
	assert_int_equal(format_wanted("text/html, application/xhtml+xml, */*;q=0.8", 1),
	    FORMAT_JSON);
	assert_int_equal(format_wanted("Application/CBOR", 1), FORMAT_CBOR);
	assert_int_equal(format_wanted("application/msgpack", 1), FORMAT_MSGPACK);
	assert_int_equal(format_wanted("application/x-msgpack, */*", 1), FORMAT_MSGPACK);
	assert_int_equal(format_wanted("text/csv", 1), FORMAT_CSV);
	assert_int_equal(format_wanted("text/*", 1), FORMAT_CSV);
	assert_int_equal(format_wanted("text/csv", 0), FORMAT_JSON);
	assert_int_equal(format_wanted("text/csv, application/cbor;q=0.1", 0), FORMAT_CBOR);
	assert_int_equal(format_wanted("application/json;q=0.5, application/cbor;q=0.6", 1),
	    FORMAT_CBOR);
	assert_int_equal(format_wanted("application/json;q=0.5,application/cbor;x=y ; q=0.45", 1),
	    FORMAT_JSON);
	assert_int_equal(format_wanted("application/cbor;q=0", 1), FORMAT_JSON);
	assert_int_equal(format_wanted("application/cbor;q=0, text/csv;q=0.001", 1), FORMAT_CSV);
	assert_int_equal(format_wanted("application/json;q=0, */*", 1), FORMAT_CBOR);
	assert_int_equal(format_wanted("application/cbor;q=,,;q=", 1), FORMAT_JSON);
	assert_int_equal(format_of(NULL), FORMAT_JSON);
	assert_int_equal(format_of("text/plain"), FORMAT_JSON);
	assert_int_equal(format_of("application/cbor; charset=x"), FORMAT_CBOR);
	assert_int_equal(format_of("application/X-MsgPack"), FORMAT_MSGPACK);
	assert_int_equal(format_of("application/cborx"), FORMAT_JSON);
	assert_int_equal(format_of("text/csv"), FORMAT_JSON);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cbor_read),
		cmocka_unit_test(test_msgpack_read),
		cmocka_unit_test(test_json_read),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_wanted),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
