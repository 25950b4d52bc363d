#include "config.h"

#include "filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void
check(const char *tables, const char *expected)
{
	json_t	*list = json_loads(tables, 0, NULL), *out;
	char	*text;

	assert_non_null(list);
	out = filter_subjects("n1", list);
	json_decref(list);
	if (expected == NULL) {
		assert_null(out);
		return;
	}
	text = json_dumps(out, JSON_COMPACT);
	assert_string_equal(text, expected);
	free(text);
	json_decref(out);
}

static void
test_tables(void **state)
{
	check("[]", "[]");
	check("[[\"dev\",\"dog\"]]", "[\"hl.txn.n1.dev.dog\"]");
	check("[[\"dev\",\"dog\"],[\"a\",\"b\"],[\"dev\",\"dog\"]]",
	    "[\"hl.txn.n1.a.b\",\"hl.txn.n1.dev.dog\"]");
	check("[[\"de v\",\"d.g\"]]", "[\"hl.txn.n1.de%20v.d%2Eg\"]");
}

static void
test_covered(void **state)
{
	check("[[\"dev\",\"dog\"],[\"dev\",\"*\"],[\"dev\",\"a b\"],[\"dev2\",\"dog\"]]",
	    "[\"hl.txn.n1.dev.*\",\"hl.txn.n1.dev2.dog\"]");
}

static void
test_too_many(void **state)
{
	json_t	*list = json_array(), *out;
	char	 name[16];
	int	 i;

	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		json_array_append_new(list, json_pack("[s, s]", "dev", name));
	}
	out = filter_subjects("n1", list);
	assert_int_equal(json_array_size(out), 1);
	assert_string_equal(json_string_value(json_array_get(out, 0)), "hl.txn.n1.>");
	json_decref(out);
	/* Under a wildcard they are one. */
	json_array_append_new(list, json_pack("[s, s]", "dev", "*"));
	out = filter_subjects("n1", list);
	assert_string_equal(json_string_value(json_array_get(out, 0)), "hl.txn.n1.dev.*");
	json_decref(out);
	json_decref(list);
}

static void
test_wrong(void **state)
{
	check("{}", NULL);
	check("[5]", NULL);
	check("[[\"dev\"]]", NULL);
	check("[[\"dev\",5]]", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_covered),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_wrong),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
