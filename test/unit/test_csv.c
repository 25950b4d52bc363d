#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "opsd/format/csv.h"
#include "opsd/store/value.h"

/* Rows as text: cells in <> (quoted ones in []), rows ended by their line and a semicolon. */
static struct buf seen;

static int
on_row(const struct csv_cell *cells, size_t n, uint64_t line, void *arg)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(&seen, cells[i].quoted ? "[%.*s]" : "<%.*s>", (int)cells[i].n, cells[i].p);
	buf_addf(&seen, "%d;", (int)line);
	return (arg != NULL);
}

/* The text in pieces of `step` bytes: the same rows whatever the pieces. */
static void
rows_are(const char *text, const char *want)
{
	size_t len = strlen(text);

	for (size_t step = 1; step <= len + 1; step++) {
		struct csv *c = csv_new(&(struct csv_options){ 0 }, 1000, on_row, NULL);

		buf_clear(&seen);
		for (size_t at = 0; at < len; at += step)
			assert_int_equal(csv_feed(c, text + at, len - at < step ? len - at : step),
			    0);
		assert_int_equal(csv_end(c), 0);
		buf_u8(&seen, 0);
		assert_string_equal((char *)seen.data, want);
		csv_free(c);
	}
}

static void
fails(const char *text, size_t n, const char *why, int line)
{
	struct csv *c = csv_new(&(struct csv_options){ 0 }, 100, on_row, NULL);
	int rc = csv_feed(c, text, n);

	if (rc == 0)
		rc = csv_end(c);
	assert_int_equal(rc, -1);
	assert_string_equal(csv_error(c), why);
	assert_int_equal(csv_line(c), line);
	assert_int_equal(csv_feed(c, "x", 1), -1);
	csv_free(c);
}

static void
test_rows(void **state)
{
	rows_are("", "");
	rows_are("a", "<a>1;");
	rows_are("a,b\n", "<a><b>1;");
	rows_are("a,b\r\nc,d\r\n", "<a><b>1;<c><d>2;");
	rows_are("a\rb\r", "<a>1;<b>2;");
	rows_are("a,b\n1,2", "<a><b>1;<1><2>2;");
	rows_are(",\n", "<><>1;");
	rows_are("a,\n,b", "<a><>1;<><b>2;");
	rows_are("\n\na\n\r\n\nb\n", "<a>3;<b>6;");
	rows_are(" a , b \n", "< a >< b >1;");
}

static void
test_quotes(void **state)
{
	rows_are("\"a\",\"b\"\n", "[a][b]1;");
	rows_are("\"a,b\",\"c\"\"d\"\n", "[a,b][c\"d]1;");
	rows_are("\"a\nb\",c\nd,e\n", "[a\nb]<c>1;<d><e>3;");
	rows_are("\"a\r\nb\"\r\n\"c\"", "[a\r\nb]1;[c]3;");
	rows_are("\"\"\n", "[]1;");
	rows_are("\"\"\"\"", "[\"]1;");
	rows_are("a\"b,c\"\n", "<a\"b><c\">1;");
}

static void
test_mark(void **state)
{
	rows_are("\xef\xbb\xbfid,n\n1,2\n", "<id><n>1;<1><2>2;");
	rows_are("\xef\xbb\xbf\"id\"\n", "[id]1;");
	rows_are("\xef\xbbx", "<\xc3\xaf\xc2\xbbx>1;");
	rows_are("a\n\xef\xbb\xbf", "<a>1;<\xef\xbb\xbf>2;");
}

/* The rows of bytes that are read with these options, in pieces of any size. */
static void
reads(const struct csv_options *o, const char *text, size_t len, const char *want, int mended)
{
	for (size_t step = 1; step <= len + 1; step++) {
		struct csv *c = csv_new(o, 1000, on_row, NULL);

		buf_clear(&seen);
		for (size_t at = 0; at < len; at += step)
			assert_int_equal(csv_feed(c, text + at, len - at < step ? len - at : step),
			    0);
		assert_int_equal(csv_end(c), 0);
		buf_u8(&seen, 0);
		assert_string_equal((char *)seen.data, want);
		assert_int_equal(csv_mended(c), mended);
		csv_free(c);
	}
}

#define READS(o, text, want, mended) reads((o), (text), sizeof(text) - 1, (want), (mended))

static void
refuses(const struct csv_options *o, const char *text, size_t len, const char *why)
{
	struct csv *c = csv_new(o, 1000, on_row, NULL);
	int rc = csv_feed(c, text, len);

	if (rc == 0)
		rc = csv_end(c);
	assert_int_equal(rc, -1);
	assert_string_equal(csv_error(c), why);
	csv_free(c);
}

static void
test_delimiter(void **state)
{
	struct csv_options o = { 0 }, semicolon = { .delimiter = ';' };

	READS(&semicolon, "a;b,c\n\"1;2\";3\n", "<a><b,c>1;[1;2]<3>2;", 0);
	READS(&o, "sep=;\na;b\n", "<a><b>2;", 0);
	READS(&o, "\xef\xbb\xbfsep=\t\r\na\tb\r\n", "<a><b>2;", 0);
	READS(&o, "sep=,\na,b\n", "<a><b>2;", 0);
	READS(&semicolon, "sep=;\na;b\n", "<a><b>2;", 0);
	READS(&semicolon, "sep=|\na;b|\n", "<a><b|>2;", 0);
	READS(&o, "a\nsep=;\n", "<a>1;<sep=;>2;", 0);
	READS(&o, "sep=x\n", "<sep=x>1;", 0);
	READS(&o, "\"sep=;\"\n", "[sep=;]1;", 0);
	assert_true(csv_delimiter_ok('|') && csv_delimiter_ok('\t') && csv_delimiter_ok(' '));
	assert_false(csv_delimiter_ok('"') || csv_delimiter_ok('\n') || csv_delimiter_ok('a'));
	assert_false(csv_delimiter_ok('\0') || csv_delimiter_ok('\xc3'));
}

static void
test_encoding(void **state)
{
	struct csv_options o = { 0 }, strict = { .strict = 1 }, utf8 = { .encoding = "UTF-8" },
			   windows = { .encoding = "CP1252" }, le = { .encoding = "UTF-16LE" },
			   sjis = { .encoding = "CP932" };

	/* nobody said: what is UTF-8 is that, cell by cell */
	READS(&o, "a\n\xe4,\xc3\xa4,\x80\x81\n",
	    "<a>1;<\xc3\xa4><\xc3\xa4><\xe2\x82\xac\xc2\x81>2;", 2);
	READS(&o, "\xc3,\xa4\n", "<\xc3\x83><\xc2\xa4>1;", 2);
	READS(&o,
	    "\xff\xfe"
	    "a\0,\0\xe4\0\n\0",
	    "<a><\xc3\xa4>1;", 0);
	READS(&o, "\xfe\xff\0a\0,\0\xe4\0\n", "<a><\xc3\xa4>1;", 0);
	READS(&o,
	    "\xff"
	    "a\n",
	    "<\xc3\xbf"
	    "a>1;",
	    1);
	READS(&o, "\xff", "<\xc3\xbf>1;", 1);
	/* somebody did */
	READS(&windows, "\xc3\xa4\n", "<\xc3\x83\xc2\xa4>1;", 0);
	READS(&le,
	    "\xff\xfe"
	    "a\0\n\0\x3d\xd8\x00\xde\n\0",
	    "<a>1;<\xf0\x9f\x98\x80>2;", 0);
	READS(&sjis, "\x83\x5c,\x8a\xbf\n", "<\xe3\x82\xbd><\xe6\xbc\xa2>1;", 0);
	refuses(&strict, "a\n\xe4\n", 4, "cell 1 is not UTF-8");
	refuses(&utf8, "a\nb,\xe4\n", 6, "cell 2 is not UTF-8");
	refuses(&le, "a\0\n", 3, "half a character at the end");
	refuses(&le,
	    "a\0\n\0\0\xdc"
	    "a\0",
	    8, "what follows is no text in the encoding");
	assert_null(csv_new(&(struct csv_options){ .encoding = "NONE-SUCH" }, 1, on_row, NULL));
}

static void
test_broken(void **state)
{
	char wide[20002], longer[200];

	fails("a,b\n\"x", 6, "a quoted cell has no end", 2);
	fails("a\n\"x\"y\n", 7, "text after the closing quote of a cell", 2);
	fails("a\n\"x\n\n\"y\n", 9, "text after the closing quote of a cell", 4);
	fails("a\0b", 3, "a NUL byte", 1);
	fails("\n\"a\0b\"", 6, "a NUL byte", 2);
	memset(wide, ',', sizeof(wide));
	fails(wide, sizeof(wide), "a row has more than 10000 columns", 1);
	memset(longer, 'x', sizeof(longer));
	longer[0] = '\n';
	fails(longer, sizeof(longer), "a row is longer than a transaction may be", 2);
}

static void
test_enough(void **state)
{
	struct csv *c = csv_new(&(struct csv_options){ 0 }, 100, on_row, &seen);

	buf_clear(&seen);
	assert_int_equal(csv_feed(c, "a\nb\n", 4), 1);
	buf_u8(&seen, 0);
	assert_string_equal((char *)seen.data, "<a>1;");
	csv_free(c);
}

static void
value_is(const char *text, int quoted, json_t *want)
{
	struct csv_cell cell = { text, strlen(text), quoted };
	json_t *v = csv_value(&cell);

	assert_non_null(v);
	if (!json_equal(v, want))
		fail_msg("'%s' is %s", text, json_dumps(v, JSON_ENCODE_ANY));
	json_decref(v);
	json_decref(want);
}

static void
text_stays(const char *text)
{
	value_is(text, 0, json_string(text));
}

static void
test_values(void **state)
{
	value_is("", 0, json_null());
	value_is("", 1, json_string(""));
	value_is("0", 0, json_integer(0));
	value_is("-17", 0, json_integer(-17));
	value_is("12", 1, json_integer(12));
	value_is("9223372036854775807", 0, json_integer(INT64_MAX));
	value_is("-9223372036854775808", 0, json_integer(INT64_MIN));
	value_is("1.5", 0, json_real(1.5));
	value_is("-0.25e2", 0, json_real(-25));
	value_is("1e3", 0, json_real(1000));
	value_is("true", 0, json_true());
	value_is("FALSE", 1, json_false());
	value_is("TRUE", 0, json_true());
	value_is("null", 0, json_null());
	value_is("NULL", 0, json_null());
	value_is("undefined", 0, json_null());
	value_is("[1,\"a\"]", 1, json_pack("[i,s]", 1, "a"));
	value_is("{\"a\":{\"b\":1}}", 1, json_pack("{s:{s:i}}", "a", "b", 1));
	value_is("{}", 0, json_object());
	text_stays("True");
	text_stays("False");
	text_stays("Null");
	text_stays("007");
	text_stays("+1");
	text_stays(".5");
	text_stays("5.");
	text_stays("1e");
	text_stays("-");
	text_stays("0x10");
	text_stays(" 1");
	text_stays("1e999");
	text_stays("9223372036854775808");
	text_stays("2020-01-01");
	text_stays("{not json}");
	text_stays("[1,2");
	text_stays("\xc3\xa4");
}

static void
test_not_utf8(void **state)
{
	struct csv_cell cell = { "a\xff", 2, 0 };

	assert_null(csv_value(&cell));
}

static void
written_as(json_t *v, const char *want)
{
	struct buf out = { 0 };

	csv_write(&out, v);
	buf_u8(&out, 0);
	assert_string_equal((char *)out.data, want);
	buf_free(&out);
	json_decref(v);
}

static void
test_writing(void **state)
{
	written_as(json_null(), "");
	written_as(json_string(""), "\"\"");
	written_as(json_string("plain"), "plain");
	written_as(json_string("a,b"), "\"a,b\"");
	written_as(json_string("a\"b"), "\"a\"\"b\"");
	written_as(json_string("a\nb"), "\"a\nb\"");
	written_as(json_string(" a"), "\" a\"");
	written_as(json_integer(-3), "-3");
	written_as(json_real(0.1), "0.1");
	written_as(json_true(), "true");
	written_as(json_pack("[i,i]", 1, 2), "\"[1,2]\"");
	written_as(json_pack("{s:s}", "a", "b"), "\"{\"\"a\"\":\"\"b\"\"}\"");
}

/* ---- what is written is read again as the same ---- */

static json_t *read_back;

static int
keep_cell(const struct csv_cell *cells, size_t n, uint64_t line, void *arg)
{
	assert_int_equal(n, 2);
	read_back = csv_value(&cells[0]);
	assert_int_equal(cells[1].n, 1);
	return (0);
}

/* The value as the first cell of a line; takes it. */
static void
comes_back(json_t *v)
{
	struct buf line = { 0 }, was = { 0 }, is = { 0 };
	struct csv *c = csv_new(&(struct csv_options){ 0 }, 1 << 20, keep_cell, NULL);

	read_back = NULL;
	csv_write(&line, v);
	buf_add(&line, ",x\r\n", 4);
	assert_int_equal(csv_feed(c, line.data, line.len), 0);
	assert_int_equal(csv_end(c), 0);
	assert_non_null(read_back);
	value_text_json(&was, v);
	value_text_json(&is, read_back);
	if (json_typeof(v) != json_typeof(read_back) && !json_is_number(v))
		fail_msg("%.*s has become %.*s", (int)was.len, was.data, (int)is.len, is.data);
	if (was.len != is.len || memcmp(was.data, is.data, was.len) != 0)
		fail_msg("%.*s has become %.*s", (int)was.len, was.data, (int)is.len, is.data);
	csv_free(c);
	buf_free(&line);
	buf_free(&was);
	buf_free(&is);
	json_decref(read_back);
	json_decref(v);
}

static void
text_comes_back(const char *s, size_t n)
{
	comes_back(json_stringn(s, n));
}

/* Unquoted in the first line, it would say what parts cells. */
static void
test_name_like_separator(void **state)
{
	struct buf b = { 0 };

	csv_write_name(&b, "sep=;", 5);
	assert_int_equal(b.len, 7);
	assert_memory_equal(b.data, "\"sep=;\"", 7);
	buf_free(&b);
}

static void
test_text_again(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"12",
		"-1.5e3",
		"007",
		"true",
		"TRUE",
		"False",
		"null",
		"NULL",
		"undefined",
		"[1]",
		"{\"a\":1}",
		"[1",
		"\"",
		"\"\"",
		"\"x\"",
		"\"12\"",
		"\"\\\"12\\\"\"",
		"\"null\"",
		"a\rb",
		"\r",
		"\n",
		"\xef\xbb\xbfx",
		"sep=;",
		"\"\\u0000\"",
		"1e999",
		"9223372036854775808",
		"\xf0\x9f\x98\x80",
		"=1+1",
		"NaN",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		text_comes_back(texts[i], strlen(texts[i]));
	text_comes_back("\0", 1);
	text_comes_back("a\0b", 3);
	text_comes_back("12\0", 3);
	text_comes_back("\"\0\"", 3);
}

/* Text of pieces that mean something to somebody who reads CSV. */
static json_t *
some_text(void)
{
	static const struct {
		const char *s;
		size_t n;
	} pieces[] = {
		{ "\"", 1 },
		{ "\\", 1 },
		{ ",", 1 },
		{ ";", 1 },
		{ "\r", 1 },
		{ "\n", 1 },
		{ "\0", 1 },
		{ " ", 1 },
		{ "\t", 1 },
		{ "1", 1 },
		{ "-", 1 },
		{ ".", 1 },
		{ "e", 1 },
		{ "null", 4 },
		{ "true", 4 },
		{ "[", 1 },
		{ "]", 1 },
		{ "{", 1 },
		{ "}", 1 },
		{ ":", 1 },
		{ "\xc3\xa4", 2 },
		{ "\xef\xbb\xbf", 3 },
		{ "\\u0000", 6 },
		{ "a", 1 },
	};
	struct buf b = { 0 };
	json_t *v;

	for (int n = rand() % 6; n > 0; n--) {
		size_t i = (size_t)rand() % (sizeof(pieces) / sizeof(pieces[0]));

		buf_add(&b, pieces[i].s, pieces[i].n);
	}
	v = json_stringn(b.len > 0 ? (char *)b.data : "", b.len);
	buf_free(&b);
	return (v);
}

static json_t *
some_real(void)
{
	union {
		uint64_t u;
		double d;
	} bits;

	do
		bits.u = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
	while (bits.d - bits.d != 0);
	return (json_real(rand() % 2 ? bits.d : rand() / 8.0));
}

static json_t *
some_value(int depth)
{
	json_t *v;

	switch (rand() % (depth > 0 ? 8 : 6)) {
	case 0:
		return (json_null());
	case 1:
		return (json_boolean(rand() % 2));
	case 2:
		return (json_integer((json_int_t)((uint64_t)rand() << 33 ^ (uint64_t)rand()) >>
		    rand() % 60));
	case 3:
		return (some_real());
	case 6:
		v = json_array();
		for (int n = rand() % 4; n > 0; n--)
			json_array_append_new(v, some_value(depth - 1));
		return (v);
	case 7:
		v = json_object();
		json_object_set_new(v, rand() % 2 ? "a\"b" : "", some_value(depth - 1));
		return (v);
	default:
		return (some_text());
	}
}

static void
test_any_value_again(void **state)
{
	srand(4180);
	for (int i = 0; i < 200000; i++)
		comes_back(some_value(3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_delimiter),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_enough),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_not_utf8),
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_name_like_separator),
		cmocka_unit_test(test_text_again),
		cmocka_unit_test(test_any_value_again),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	buf_free(&seen);
	return (rc);
}
