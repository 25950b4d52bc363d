#include "config.h"

#include "opsd/cli/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
reads(const char *text, const char *want)
{
	char *err = NULL, *got;
	json_t *root = toml_read("f", text, strlen(text), &err);

	if (root == NULL)
		fail_msg("%s", err);
	got = json_dumps(root, JSON_COMPACT);
	assert_string_equal(got, want);
	free(got);
	json_decref(root);
}

static void
refuses(const char *text, const char *why)
{
	char *err = NULL;
	json_t *root = toml_read("f", text, strlen(text), &err);

	if (root != NULL)
		fail_msg("taken: %s", text);
	assert_string_equal(err, why);
	free(err);
}

static void
test_values(void **state)
{
	reads("", "{}");
	reads("a = 1 # one\r\nb=-2\n\nc = 1_000 \nd = 0xff\ne = 0o17\nf = 0b101",
	    "{\"a\":1,\"b\":-2,\"c\":1000,\"d\":255,\"e\":15,\"f\":5}");
	reads("a = 1.5\nb = -2e2\nc = true\nd = false",
	    "{\"a\":1.5,\"b\":-200.0,\"c\":true,\"d\":false}");
	reads("a = [ 1, # one\n 2,\n]\nb = []\nc = [[1],['x']]",
	    "{\"a\":[1,2],\"b\":[],\"c\":[[1],[\"x\"]]}");
	reads("a = { b = 1, c.d = 'x' }", "{\"a\":{\"b\":1,\"c\":{\"d\":\"x\"}}}");
}

static void
test_texts(void **state)
{
	reads("a = \"t\\t\\\"\\\\ \\u0041\"\nb = 'C:\\n'\nc = \"\"\nd = ''",
	    "{\"a\":\"t\\t\\\"\\\\ A\",\"b\":\"C:\\\\n\",\"c\":\"\",\"d\":\"\"}");
	reads("a = \"\"\"\none\ntwo\\\n   three\"\"\"\"\"\nb = '''x'y'''",
	    "{\"a\":\"one\\ntwothree\\\"\\\"\",\"b\":\"x'y\"}");
}

static void
test_tables(void **state)
{
	reads("a = 1\n[b]\nc = 2\n[b.d]\ne = 3\n[ f . 'g h' ]\ni = 4",
	    "{\"a\":1,\"b\":{\"c\":2,\"d\":{\"e\":3}},\"f\":{\"g h\":{\"i\":4}}}");
	reads("[a.b]\nc = 1\n[a]\nd = 2", "{\"a\":{\"b\":{\"c\":1},\"d\":2}}");
	reads("[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3",
	    "{\"a\":[{\"b\":1},{\"b\":2,\"c\":{\"d\":3}}]}");
}

static void
test_refused(void **state)
{
	refuses("a = 1\na = 2", "f:2: 'a' is set twice");
	refuses("[a]\n[a]", "f:2: table 'a' is there twice");
	refuses("a = 1\n[a]", "f:2: 'a' is a value already, and no table");
	refuses("a = {}\n[a]", "f:2: table 'a' is there twice");
	refuses("[[a]]\n[[a.b]]\n[a.b]\n", "f:3: table 'b' is there twice");
	refuses("a", "f:1: after 'a' there is no =");
	refuses("a = ", "f:1: '' is no value: a text is in quotes, and dates are not read");
	refuses("\na = x", "f:2: 'x' is no value: a text is in quotes, and dates are not read");
	refuses("a = 1979-05-27",
	    "f:1: '1979-05-27' is no value: a text is in quotes, and dates are not read");
	refuses("a = 01", "f:1: '01' is no value: a text is in quotes, and dates are not read");
	refuses("a = 1__0", "f:1: '1__0' is no value: a text is in quotes, and dates are not read");
	refuses("a = inf", "f:1: 'inf' is no value: a text is in quotes, and dates are not read");
	refuses("a = 1 b = 2", "f:1: there is more on the line than there may be");
	refuses("a = \"x", "f:1: a text does not end");
	refuses("a = \"\"\"\nx\n", "f:3: a text does not end");
	refuses("a = \"\\q\"", "f:1: there is no escape '\\q'");
	refuses("a = \"\\ud800\"", "f:1: \\u is no character");
	refuses("a = [1\n2]", "f:2: a list does not end");
	refuses("a = { b = 1", "f:1: a table does not end");
	refuses("= 1", "f:1: a key is missing");
	refuses("[a", "f:1: the name of a table does not end");
	refuses("a = \"\xff\"", "f:1: a text is no UTF-8");
}

static void
test_deep(void **state)
{
	char text[256] = "a = ";

	memset(text + 4, '[', 100);
	refuses(text, "f:1: values are nested too deep");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_deep),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
