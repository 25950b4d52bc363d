#include "config.h"

#include "opsd/format/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct scan_limits most = { 4, 10 };

/* Looks at the text; the error, which the caller frees, or NULL. */
static char *
look(enum format f, struct scan *s, char *p, size_t n)
{
	char *err = NULL;
	int status;

	scan_begin(s, &most);
	status = format_scan(f, s, p, n, &err);
	assert_int_equal(status != 0, err != NULL);
	return (err);
}

static void
test_counts_all_values(void **state)
{
	static const struct {
		const char *text;
		uint64_t values;
	} cases[] = {
		{ "{}", 1 },
		{ "[]", 1 },
		{ " [ ] ", 1 },
		{ "[1]", 2 },
		{ "[1,-0.5e+3,\"a\",true,null]", 6 },
		{ "{\"a\":1}", 2 },
		{ "{\"a\":{\"b\":[{},[]]}}", 5 },
		{ "[[],[],{}]", 4 },
		{ "[\"\\\"]\",\"[\\\\\"]", 3 },
	};
	struct scan s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = strdup(cases[i].text);

		assert_null(look(FORMAT_JSON, &s, text, strlen(text)));
		assert_int_equal(s.values, cases[i].values);
		scan_end(&s);
		free(text);
	}
}

/* The rest is not looked at: it may be long. */
static void
test_too_many_values_end_it(void **state)
{
	char json[] = "{\"operation\":\"x\",\"a\":[1,2,3,4,5,6,7,8,9,10,11,!!",
	     packed[] = "\xdd\x00\x00\x00\x0c\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xc1",
	     cbor[] = "\x9f\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xff\xff";
	const struct {
		enum format f;
		char *p;
		size_t n;
	} cases[] = {
		{ FORMAT_JSON, json, sizeof(json) - 1 },
		{ FORMAT_MSGPACK, packed, sizeof(packed) - 1 },
		{ FORMAT_CBOR, cbor, sizeof(cbor) - 1 },
	};
	struct scan s;
	char *err = NULL;

	for (size_t i = 0; i < 3; i++) {
		scan_begin(&s, &most);
		assert_int_equal(format_scan(cases[i].f, &s, cases[i].p, cases[i].n, &err), 413);
		assert_string_equal(err,
		    "the body has more values than "
		    "operationsApi.network.maxBodyValues (10)");
		free(err);
		scan_end(&s);
	}
}

static void
test_says_where_json_is_broken(void **state)
{
	static const char *const cases[][2] = {
		{ "", "Invalid JSON." },
		{ "  ", "Invalid JSON at line 1, column 3: '{' is expected" },
		{ "{\"a\":1,}", "Invalid JSON at line 1, column 8: a name in quotes is expected" },
		{ "{\n \"a\" 1}", "Invalid JSON at line 2, column 6: ':' is expected" },
		{ "{\"\xc3\xbc\":1 2}",
		    "Invalid JSON at line 1, column 8: ',' or '}' is expected" },
		{ "[1,]", "Invalid JSON at line 1, column 4: a value is expected" },
		{ "[,1]", "Invalid JSON at line 1, column 2: a value is expected" },
		{ "[1}", "Invalid JSON at line 1, column 3: ',' or ']' is expected" },
		{ "{]", "Invalid JSON at line 1, column 2: a name in quotes is expected" },
		{ "[1] x", "Invalid JSON at line 1, column 5: there is something behind it" },
		{ "[01]", "Invalid JSON at line 1, column 3: ',' or ']' is expected" },
		{ "[1.]", "Invalid JSON at line 1, column 4: a number is broken" },
		{ "[-]", "Invalid JSON at line 1, column 3: a number is broken" },
		{ "[tru]", "Invalid JSON at line 1, column 2: a value is expected" },
		{ "[\"\\x\"]", "Invalid JSON at line 1, column 5: an escape in a text is broken" },
		{ "[\"\\u12g4\"]",
		    "Invalid JSON at line 1, column 5: an escape in a text is broken" },
		{ "[\"a\nb\"]",
		    "Invalid JSON at line 1, column 4: a text has a control character" },
		{ "[\"a", "Invalid JSON at line 1, column 4: a text has no end" },
		{ "[\"a\\", "Invalid JSON at line 1, column 5: an escape in a text is broken" },
		{ "{\"a\":", "Invalid JSON at line 1, column 6: it ends too early" },
		{ "{\"a\"", "Invalid JSON at line 1, column 5: ':' is expected" },
		{ "{\"a", "Invalid JSON at line 1, column 4: a text has no end" },
		{ "[[[[[", "Invalid JSON at line 1, column 5: nested more than 4 levels deep" },
	};
	struct scan s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = strdup(cases[i][0]), *err;

		err = look(FORMAT_JSON, &s, text, strlen(text));
		assert_non_null(err);
		assert_string_equal(err, cases[i][1]);
		free(err);
		scan_end(&s);
		free(text);
	}
}

static void
test_keeps_what_is_asked_for(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"records\":[{\"operation\":\"b\"}],\"operation\":\"a\",\"n\":1}",
		    "{\"records\":[],\"operation\":\"a\"}" },
		{ "{\"\\u006fperation\":\"\\u0061\\ud83d\\ude00\"}",
		    "{\"operation\":\"a\xf0\x9f\x98\x80\"}" },
		{ "{\"operation\":\"a\",\"operation\":\"b\"}", "{\"operation\":\"b\"}" },
		{ "{\"operation\":\"a\",\"operation\":7}", "{}" },
		{ "{\"a\":{\"operation\":\"b\"}}", "{\"a\":{}}" },
		{ "[\"operation\",\"a\"]", "{}" },
	};
	struct scan s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = strdup(cases[i][0]);
		json_t *want = json_loads(cases[i][1], 0, NULL);

		assert_null(look(FORMAT_JSON, &s, text, strlen(text)));
		assert_true(json_equal(s.top, want));
		scan_end(&s);
		json_decref(want);
		free(text);
	}
}

/* However many come before it. */
static void
test_keeps_what_comes_late(void **state)
{
	const struct scan_limits many = { 4, 1000 };
	struct buf text = { 0 };
	struct scan s;
	char *err = NULL;

	buf_addf(&text, "{");
	for (int i = 0; i < 200; i++)
		buf_addf(&text, "\"key%d\":\"v\",", i);
	buf_addf(&text, "\"table\":\"t\",\"operation\":\"a\"}");
	scan_begin(&s, &many);
	assert_int_equal(format_scan(FORMAT_JSON, &s, (char *)text.data, text.len, &err), 0);
	assert_true(json_object_size(s.top) < 100);
	assert_string_equal(json_string_value(json_object_get(s.top, "operation")), "a");
	assert_string_equal(json_string_value(json_object_get(s.top, "table")), "t");
	scan_end(&s);
	buf_free(&text);
}

static void
test_the_same_in_binary(void **state)
{
	/* {"operation":"a","r":[{}]} */
	char packed[] = "\x82\xa9operation\xa1"
			"a\xa1r\x91\x80",
	     cbor[] = "\xbf\x69operation\x7f\x61"
		      "a\xff\x61r\x9f\xa0\xff\xff";
	struct scan s;

	assert_null(look(FORMAT_MSGPACK, &s, packed, sizeof(packed) - 1));
	assert_int_equal(s.values, 4);
	assert_string_equal(json_string_value(json_object_get(s.top, "operation")), "a");
	assert_true(json_is_array(json_object_get(s.top, "r")));
	scan_end(&s);
	assert_null(look(FORMAT_CBOR, &s, cbor, sizeof(cbor) - 1));
	assert_int_equal(s.values, 4);
	assert_string_equal(json_string_value(json_object_get(s.top, "operation")), "a");
	assert_true(json_is_array(json_object_get(s.top, "r")));
	scan_end(&s);
}

static void
test_mark_of_byte_order(void **state)
{
	char text[] = "\xef\xbb\xbf{\"operation\":\"a\"}", twice[] = "\xef\xbb\xbf\xef\xbb\xbf{}";
	struct scan s;
	char *err = NULL;
	json_t *v;

	assert_null(look(FORMAT_JSON, &s, text, sizeof(text) - 1));
	v = format_read(FORMAT_JSON, text, sizeof(text) - 1, 4, &err);
	assert_string_equal(json_string_value(json_object_get(v, "operation")), "a");
	json_decref(v);
	scan_end(&s);
	err = look(FORMAT_JSON, &s, twice, sizeof(twice) - 1);
	assert_non_null(err);
	free(err);
	scan_end(&s);
}

/* U+FFFD for each half of a pair that stands alone; pairs stay. */
static void
test_single_surrogates(void **state)
{
	static const char *const cases[][2] = {
		{ "[\"\\ud800\"]", "[\"\xef\xbf\xbd\"]" },
		{ "[\"\\uDFFFx\"]", "[\"\xef\xbf\xbdx\"]" },
		{ "[\"\\ud83d\\ude00\"]", "[\"\xf0\x9f\x98\x80\"]" },
		{ "[\"\\ude00\\ud83d\"]", "[\"\xef\xbf\xbd\xef\xbf\xbd\"]" },
		{ "[\"\\ud83d\\ud83d\\ude00\"]", "[\"\xef\xbf\xbd\xf0\x9f\x98\x80\"]" },
		{ "[\"\\ud83d\\n\\\\ud800\"]", "[\"\xef\xbf\xbd\\n\\\\ud800\"]" },
		{ "[{\"\\udabc\":1}]", "[{\"\xef\xbf\xbd\":1}]" },
	};
	char packed[] = "\x91\xa5x\xed\xa0\x80y", cbor[] = "\x81\x65x\xed\xbf\xbfy";
	struct scan s;
	char *err = NULL;
	json_t *v, *want;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = strdup(cases[i][0]);

		assert_null(look(FORMAT_JSON, &s, text, strlen(text)));
		v = format_read(FORMAT_JSON, text, strlen(text), 4, &err);
		want = json_loads(cases[i][1], 0, NULL);
		assert_true(json_equal(v, want));
		json_decref(v);
		json_decref(want);
		scan_end(&s);
		free(text);
	}
	assert_null(look(FORMAT_MSGPACK, &s, packed, sizeof(packed) - 1));
	v = format_read(FORMAT_MSGPACK, packed, sizeof(packed) - 1, 4, &err);
	assert_string_equal(json_string_value(json_array_get(v, 0)), "x\xef\xbf\xbdy");
	json_decref(v);
	scan_end(&s);
	assert_null(look(FORMAT_CBOR, &s, cbor, sizeof(cbor) - 1));
	v = format_read(FORMAT_CBOR, cbor, sizeof(cbor) - 1, 4, &err);
	assert_string_equal(json_string_value(json_array_get(v, 0)), "x\xef\xbf\xbdy");
	json_decref(v);
	scan_end(&s);
}

/* Numbers and lengths have all bytes. */
static void
test_only_text_is_mended(void **state)
{
	/* [0xeda08001, a double] */
	const struct scan_limits many = { 4, 1000 };
	struct {
		enum format f;
		uint8_t p[24];
		size_t n;
	} cases[] = {
		{ FORMAT_MSGPACK, "\x92\xce\xed\xa0\x80\x01\xcb\x42\xed\xa0\x80\x01\x02\x03\x04",
		    15 },
		{ FORMAT_CBOR, "\x82\x1a\xed\xa0\x80\x01\xfb\x42\xed\xa0\x80\x01\x02\x03\x04", 15 },
	};
	struct scan s;
	char *err = NULL;

	for (size_t i = 0; i < 2; i++) {
		uint8_t was[24];

		memcpy(was, cases[i].p, sizeof(was));
		scan_begin(&s, &many);
		assert_int_equal(format_scan(cases[i].f, &s, (char *)cases[i].p, cases[i].n, &err),
		    0);
		assert_memory_equal(cases[i].p, was, sizeof(was));
		scan_end(&s);
	}
}

static void
test_packed_with_something_behind(void **state)
{
	uint8_t bytes[] = { 0x01, 0x02 };
	struct scan s;

	scan_begin(&s, &most);
	scan_packed(&s, bytes, 1);
	assert_null(s.why);
	scan_end(&s);
	scan_begin(&s, &most);
	scan_packed(&s, bytes, 2);
	assert_non_null(s.why);
	scan_end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packed_with_something_behind),
		cmocka_unit_test(test_counts_all_values),
		cmocka_unit_test(test_too_many_values_end_it),
		cmocka_unit_test(test_says_where_json_is_broken),
		cmocka_unit_test(test_keeps_what_is_asked_for),
		cmocka_unit_test(test_keeps_what_comes_late),
		cmocka_unit_test(test_the_same_in_binary),
		cmocka_unit_test(test_only_text_is_mended),
		cmocka_unit_test(test_mark_of_byte_order),
		cmocka_unit_test(test_single_surrogates),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
