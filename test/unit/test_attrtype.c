#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "opsd/store/attrtype.h"

/* Each value of the list, JSON: it is one of the type, or what it must be. */
static void
all(const char *type, const char *values, const char *must)
{
	json_t *list = json_loads(values, 0, NULL), *v;
	size_t i;

	assert_non_null(list);
	json_array_foreach(list, i, v) {
		char *why = attrtype_fault(type, v);

		if (must == NULL ? why != NULL : why == NULL)
			fail_msg("%s: value %zu of %s: %s", type, i, values, why);
		if (must != NULL)
			assert_string_equal(why, must);
		free(why);
	}
	json_decref(list);
}

static void
test_numbers(void **state)
{
	static const char *whole = "must be a whole number from -2147483648 to 2147483647";

	all("Int", "[0, -2147483648, 2147483647, 5.0, null]", NULL);
	all("int", "[2147483648, 1.5, \"1\", true, [1], 1e300]", whole);
	all("Long", "[9007199254740992, -9007199254740992, 0, null]", NULL);
	all("Long", "[9007199254740994, 0.5, \"x\"]",
	    "must be a whole number from -9007199254740992 to 9007199254740992");
	all("BigInt", "[9223372036854775807, 1e300]", NULL);
	all("BigInt", "[0.5, \"9\"]", "must be a whole number");
	all("Float", "[1, 1.5, 1e300]", NULL);
	all("Float", "[\"1.5\", false]", "must be a number");
}

static void
test_others(void **state)
{
	all("String", "[\"\", \"x\", null]", NULL);
	all("String", "[1, true, [\"x\"], {}]", "must be text");
	all("ID", "[\"a\", 1]", NULL);
	all("ID", "[true]", "must be text or a number");
	all("Boolean", "[true, false]", NULL);
	all("Boolean", "[\"true\", 0]", "must be true or false");
	all("Date", "[\"2020-01-01\", \"2020-01-01T10:00:00Z\", 1577836800000]", NULL);
	all("Date", "[\"yesterday\", true]",
	    "must be a date of ISO-8601, or a number of milliseconds");
	all("Object", "[{}]", NULL);
	all("Object", "[[]]", "must be an object");
	all("Array", "[[], [1]]", NULL);
	all("Array", "[{}]", "must be a list");
	all("Any", "[1, \"x\", {}]", NULL);
	all("whatever", "[1, \"x\", {}]", NULL);
	all(NULL, "[1]", NULL);
}

static void
test_lists(void **state)
{
	all("[Int]", "[[], [1, null, 2], null]", NULL);
	all("[Int]", "[1]", "must be a list");
	all("[String]", "[[\"a\", 1]]", "is a list of which item 1 must be text");
	all("[Any]", "[[1, \"x\"]]", NULL);
}

static void
test_deep(void **state)
{
	(void)state;
	assert_true(attrtype_is_deep("Array"));
	assert_true(attrtype_is_deep("object"));
	assert_true(attrtype_is_deep("[Int]"));
	assert_false(attrtype_is_deep("Any"));
	assert_false(attrtype_is_deep("String"));
	assert_false(attrtype_is_deep("[]"));
	assert_false(attrtype_is_deep(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_deep),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
