#include "config.h"

#include "opsd/op/op_cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
numbers_are(const char *operation, const char *text, const char *want)
{
	json_t *body = json_loads(text, 0, NULL);
	const struct op *op = op_find(operation);
	char *is;

	assert_non_null(op);
	op_cast_numbers(op, body);
	is = json_dumps(body, JSON_COMPACT);
	assert_string_equal(is, want);
	free(is);
	json_decref(body);
}

static void
test_numbers(void **state)
{
	(void)state;
	numbers_are("search_by_value", "{\"limit\":\"10\",\"offset\":\"-2\"}",
	    "{\"limit\":10,\"offset\":-2}");
	numbers_are("search_by_value", "{\"limit\":\"1.5\"}", "{\"limit\":1.5}");
	/* What is no number stays, to be refused. */
	numbers_are("search_by_value", "{\"limit\":\"ten\",\"offset\":\"\"}",
	    "{\"limit\":\"ten\",\"offset\":\"\"}");
	numbers_are("search_by_value", "{\"limit\":\"10 \",\"offset\":\"0x1\"}",
	    "{\"limit\":10,\"offset\":\"0x1\"}");
	numbers_are("search_by_value", "{\"limit\":true,\"offset\":null}",
	    "{\"limit\":true,\"offset\":null}");
	numbers_are("search_by_value", "{\"limit\":\"+1\",\"offset\":\" 1\"}",
	    "{\"limit\":\"+1\",\"offset\":\" 1\"}");
	/* Where no number is due, text is text. */
	numbers_are("search_by_value", "{\"search_value\":\"10\"}", "{\"search_value\":\"10\"}");
	numbers_are("insert", "{\"records\":[{\"id\":\"1\"}]}", "{\"records\":[{\"id\":\"1\"}]}");
	/* A field of an object in it. */
	numbers_are("purge_stream", "{\"options\":{\"keep\":\"3\",\"seq\":\"x\"}}",
	    "{\"options\":{\"keep\":3,\"seq\":\"x\"}}");
	numbers_are("purge_stream", "{\"options\":\"3\"}", "{\"options\":\"3\"}");
}

static void
names_are(const char *text, const char *want)
{
	json_t *body = json_loads(text, 0, NULL);
	char *is;

	op_cast_names(body);
	is = json_dumps(body, JSON_COMPACT);
	assert_string_equal(is, want);
	free(is);
	json_decref(body);
}

static void
test_names(void **state)
{
	(void)state;
	names_are("{\"database\":1,\"table\":2.5,\"schema\":-3}",
	    "{\"database\":\"1\",\"table\":\"2.5\",\"schema\":\"-3\"}");
	names_are("{\"database\":true,\"table\":[1],\"id\":1}",
	    "{\"database\":true,\"table\":[1],\"id\":1}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_names),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
