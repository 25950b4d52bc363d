#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "csv.h"

/* Rows as text: cells in <> (quoted ones in []), rows ended by their line and a semicolon. */
static struct buf	 seen;

static int
on_row(const struct csv_cell *cells, size_t n, uint64_t line, void *arg)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(&seen, cells[i].quoted ? "[%.*s]" : "<%.*s>", (int)cells[i].n,
		    cells[i].p);
	buf_addf(&seen, "%d;", (int)line);
	return (arg != NULL);
}

/* The text in pieces of `step` bytes: the same rows whatever the pieces. */
static void
rows_are(const char *text, const char *want)
{
	size_t	len = strlen(text);

	for (size_t step = 1; step <= len + 1; step++) {
		struct csv	*c = csv_new(1000, on_row, NULL);

		buf_clear(&seen);
		for (size_t at = 0; at < len; at += step)
			assert_int_equal(csv_feed(c, text + at, len - at < step ? len - at : step), 0);
		assert_int_equal(csv_end(c), 0);
		buf_u8(&seen, 0);
		assert_string_equal((char *)seen.data, want);
		csv_free(c);
	}
}

static void
fails(const char *text, size_t n, const char *why, int line)
{
	struct csv	*c = csv_new(100, on_row, NULL);
	int		 rc = csv_feed(c, text, n);

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
	rows_are("\xef\xbbx", "<\xef\xbbx>1;");
	rows_are("a\n\xef\xbb\xbf", "<a>1;<\xef\xbb\xbf>2;");
}

static void
test_broken(void **state)
{
	char	wide[20002], longer[200];

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
	struct csv	*c = csv_new(100, on_row, &seen);

	buf_clear(&seen);
	assert_int_equal(csv_feed(c, "a\nb\n", 4), 1);
	buf_u8(&seen, 0);
	assert_string_equal((char *)seen.data, "<a>1;");
	csv_free(c);
}

static void
value_is(const char *text, int quoted, json_t *want)
{
	struct csv_cell	 cell = { text, strlen(text), quoted };
	json_t		*v = csv_value(&cell);

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
	value_is("True", 0, json_true());
	value_is("null", 0, json_null());
	value_is("NULL", 0, json_null());
	value_is("undefined", 0, json_null());
	value_is("[1,\"a\"]", 1, json_pack("[i,s]", 1, "a"));
	value_is("{\"a\":{\"b\":1}}", 1, json_pack("{s:{s:i}}", "a", "b", 1));
	value_is("{}", 0, json_object());
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
	struct csv_cell	cell = { "a\xff", 2, 0 };

	assert_null(csv_value(&cell));
}

static void
written_as(json_t *v, const char *want)
{
	struct buf	out = { 0 };

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_enough),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_not_utf8),
		cmocka_unit_test(test_writing),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	buf_free(&seen);
	return (rc);
}
