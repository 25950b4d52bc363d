#include "config.h"

#include "common/conf/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* The YAML means what the JSON says, and comes back from the dump. */
static void
means(const char *text, const char *want)
{
	char *err = NULL, *dump;
	json_t *got = yaml_read("yaml", text, strlen(text), NULL, &err), *again;
	json_t *expected = json_loads(want, JSON_DECODE_ANY, NULL);

	if (got == NULL)
		fail_msg("%s: %s", text, err);
	if (!json_equal(got, expected))
		fail_msg("%s: is %s", text, json_dumps(got, JSON_ENCODE_ANY));
	dump = yaml_dump(got);
	again = yaml_read("yaml", dump, strlen(dump), NULL, &err);
	if (again == NULL || !json_equal(got, again))
		fail_msg("%s: dumped as %s", text, dump);
	free(dump);
	json_decref(again);
	json_decref(got);
	json_decref(expected);
}

static void
fails(const char *text, const char *part)
{
	char *err = NULL;

	assert_null(yaml_read("yaml", text, strlen(text), NULL, &err));
	assert_non_null(err);
	if (strstr(err, part) == NULL)
		fail_msg("%s: says %s", text, err);
	free(err);
}

static void
test_core_schema(void **state)
{
	means("", "{}");
	means("# nothing\n", "{}");
	means("a: ~\nb: null\nc:\n", "{\"a\":null,\"b\":null,\"c\":null}");
	means("[true, False, TRUE, yes, on]", "[true,false,true,\"yes\",\"on\"]");
	means("[1, -7, +3, 0x1F, 0o17, 007]", "[1,-7,3,31,15,7]");
	means("[1.5, .5, 1e3, -2.]", "[1.5,0.5,1000.0,-2.0]");
	means("[\"1\", '2', !!str 3, 1.2.3, 3d, 10.0.0.1, .inf]",
	    "[\"1\",\"2\",\"3\",\"1.2.3\",\"3d\",\"10.0.0.1\",\".inf\"]");
}

static void
test_structure(void **state)
{
	means("a:\n  b:\n    - host: x\n      port: 1\n    - {host: y}\n  c: []\nd: {}\n",
	    "{\"a\":{\"b\":[{\"host\":\"x\",\"port\":1},{\"host\":\"y\"}],\"c\":[]},\"d\":{}}");
	means("- - 1\n  - 2\n- [3, [4]]\n", "[[1,2],[3,[4]]]");
	means("{\"a\": \"x\\u2028\\u0001\\u0085\\ufeff\\t\\\"\\\\ \xc3\xa4\"}",
	    "{\"a\": \"x\\u2028\\u0001\\u0085\\ufeff\\t\\\"\\\\ \xc3\xa4\"}");
	means("{\"\": \"\", \"n\": \"- a\", \"a: b\": \"#c\"}",
	    "{\"\": \"\", \"n\": \"- a\", \"a: b\": \"#c\"}");
}

static json_t *
random_text(void)
{
	static const char *const parts[] = { "\n", "\n", " ", "a", "bc", "#", ": ", "- ", "---",
		"\"", "\\", "\t", "|", "\xc3\xa4", "\r", "..." };
	char text[200] = "";

	for (int n = rand() % 12; n > 0; n--)
		strcat(text, parts[(size_t)rand() % (sizeof(parts) / sizeof(parts[0]))]);
	return (json_string(text));
}

static void
assert_comes_back(json_t *v)
{
	char *dump = yaml_dump(v), *err;
	json_t *again = yaml_read("yaml", dump, strlen(dump), NULL, &err);

	if (again == NULL || !json_equal(v, again))
		fail_msg("%s: is %s", dump, again != NULL ? json_dumps(again, 0) : err);
	free(dump);
	json_decref(again);
	json_decref(v);
}

/* Text of several lines is printed as such. */
static void
test_lines(void **state)
{
	json_t *v = json_pack("{s:[{s:s, s:s}, s], s:s}", "list", "pem",
	    "-----BEGIN\nabc\n\n-----END\n", "x", "a\n b", "c\nd\n\n", "end", " e\nf");
	char *dump = yaml_dump(v);

	assert_string_equal(dump,
	    "list:\n"
	    "  - pem: |\n"
	    "      -----BEGIN\n"
	    "      abc\n"
	    "\n"
	    "      -----END\n"
	    "    x: |-\n"
	    "      a\n"
	    "       b\n"
	    "  - |+\n"
	    "    c\n"
	    "    d\n"
	    "\n"
	    "end: \" e\\nf\"\n");
	free(dump);
	assert_comes_back(v);
	assert_comes_back(json_pack("[[s], s]", "a\nb\n", "c\n"));
	srand(1);
	for (int i = 0; i < 20000; i++)
		assert_comes_back(json_pack("{s:{s:o, s:[o, [o]]}, s:o}", "a", "b", random_text(),
		    "c", random_text(), random_text(), "d", random_text()));
}

static void
test_faults(void **state)
{
	fails("a: [1, 2\nb: 3\n", "yaml:");
	fails("a: 1\na: 2\n", "yaml:2: ");
	fails("a: &x [1]\nb: *x\n", "aliases");
	fails("? [1]\n: 2\n", "key");
	fails("--- a\n--- b\n", "more than one document");
	fails("a: caf\xe9\n", "UTF-8");
	fails("a:\n\t- b\n", "yaml:");
}

static void
test_deep(void **state)
{
	char text[401], *err = NULL;

	memset(text, '[', 200);
	memset(text + 200, ']', 200);
	text[400] = '\0';
	assert_null(yaml_read("yaml", text, strlen(text), NULL, &err));
	assert_non_null(err);
	free(err);
}

static void
test_files(void **state)
{
	char path[] = "/tmp/hubleaf-yaml-XXXXXX", *err = NULL;
	int fd = mkstemp(path);
	json_t *v, *lines;

	assert_true(fd != -1);
	assert_int_equal(write(fd, "a: 1\nb: [\n", 10), 10);
	assert_null(yaml_load(path, &lines, &err));
	assert_memory_equal(err, path, strlen(path));
	free(err);
	json_decref(lines);
	assert_int_equal(ftruncate(fd, 5), 0);
	v = yaml_load(path, &lines, &err);
	assert_int_equal(json_integer_value(json_object_get(v, "a")), 1);
	assert_int_equal(json_integer_value(json_object_get(lines, "a")), 1);
	json_decref(v);
	json_decref(lines);
	close(fd);
	unlink(path);
	assert_null(yaml_load(path, &lines, &err));
	assert_non_null(strstr(err, "No such file"));
	free(err);
	json_decref(lines);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_core_schema),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_files),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
