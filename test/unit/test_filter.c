#include "config.h"

#include "leafd/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct shard one = { 0, 1 };
static const struct natsconf_names names = { .subjects = "hl", .streams = "HL" };

static void
check(const char *tables, const char *expected)
{
	json_t *list = json_loads(tables, 0, NULL), *out;
	char *text;

	assert_non_null(list);
	out = filter_subjects("n1", one, list);
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
	check("[[\"dev\",\"dog\"]]", "[\"n1.dev.dog\"]");
	check("[[\"dev\",\"dog\"],[\"a\",\"b\"],[\"dev\",\"dog\"]]", "[\"n1.a.b\",\"n1.dev.dog\"]");
	check("[[\"de v\",\"d.g\"]]", "[\"n1.de%20v.d%2Eg\"]");
}

static void
test_covered(void **state)
{
	check("[[\"dev\",\"dog\"],[\"dev\",\"*\"],[\"dev\",\"a b\"],[\"dev2\",\"dog\"]]",
	    "[\"n1.dev.*\",\"n1.dev2.dog\"]");
}

static void
test_all_databases(void **state)
{
	check("[[\"dev\",\"dog\"],[\"*\",\"*\"]]", "[\"n1.>\"]");
}

static void
test_has(void **state)
{
	json_t *filters = json_pack("[s, s]", "n1.dev.*", "n1.a.b"), *subjects;

	assert_true(filter_has(filters, &names, "hl.txn.n1.dev.dog"));
	assert_true(filter_has(filters, &names, "hl.txn.n1.a.b"));
	assert_false(filter_has(filters, &names, "hl.txn.n1.a.bc"));
	assert_false(filter_has(filters, &names, "hl.txn.n1.a"));
	assert_false(filter_has(filters, &names, "hl.txn.n1.dev2.dog"));
	assert_false(filter_has(filters, &names, "n1.dev.dog"));
	assert_false(filter_has(filters, &names, "app.txn.n1.dev.dog"));
	assert_true(filter_has_most(filters, &names, NULL));
	subjects = json_pack("{s:i, s:i}", "hl.txn.n1.a.b", 1, "hl.txn.n1.dev.cat", 6);
	assert_true(filter_has_most(filters, &names, subjects));
	json_object_set_new(subjects, "hl.txn.n1.a.c", json_integer(1));
	assert_true(filter_has_most(filters, &names, subjects));
	json_object_set_new(subjects, "hl.txn.n1.a.c", json_integer(2));
	assert_false(filter_has_most(filters, &names, subjects));
	json_decref(subjects);
	json_decref(filters);
}

static void
test_put(void **state)
{
	json_t *filters = json_pack("[s, s]", "n1.a.*", "n1.b.c"), *config, *whole;

	config = json_object();
	filter_put(config, &names, "n1", one, filters, 1);
	assert_string_equal(json_string_value(json_object_get(config, "filter_subject")),
	    "hl.txn.n1.>");
	assert_null(json_object_get(config, "filter_subjects"));
	json_object_clear(config);
	filter_put(config, &names, "n1", one, filters, 0);
	assert_null(json_object_get(config, "filter_subject"));
	whole = json_pack("[s, s]", "hl.txn.n1.a.*", "hl.txn.n1.b.c");
	assert_true(json_equal(json_object_get(config, "filter_subjects"), whole));
	json_decref(whole);
	json_object_clear(config);
	json_array_remove(filters, 1);
	filter_put(config, &names, "n1", one, filters, 0);
	assert_string_equal(json_string_value(json_object_get(config, "filter_subject")),
	    "hl.txn.n1.a.*");
	json_decref(config);
	json_decref(filters);
}

static void
test_too_many(void **state)
{
	json_t *list = json_array(), *out;
	char name[16];
	int i;

	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		json_array_append_new(list, json_pack("[s, s]", "dev", name));
	}
	out = filter_subjects("n1", one, list);
	assert_int_equal(json_array_size(out), 1);
	assert_string_equal(json_string_value(json_array_get(out, 0)), "n1.>");
	json_decref(out);
	/* Under a wildcard they are one. */
	json_array_append_new(list, json_pack("[s, s]", "dev", "*"));
	out = filter_subjects("n1", one, list);
	assert_string_equal(json_string_value(json_array_get(out, 0)), "n1.dev.*");
	json_decref(out);
	json_decref(list);
}

/* Of several streams a table is in one, and all of a database may be in each. */
static void
test_several_streams(void **state)
{
	json_t *list = json_pack("[[s,s],[s,s],[s,s],[s,s]]", "a", "t1", "a", "t2", "a", "t3", "b",
	    "*");
	json_t *config = json_object(), *out;
	size_t total = 0;

	for (unsigned k = 0; k < 3; k++) {
		out = filter_subjects("n1", (struct shard){ k, 3 }, list);
		total += json_array_size(out);
		assert_string_equal(json_string_value(json_array_get(out,
					json_array_size(out) - 1)),
		    "n1.b.*");
		json_decref(out);
	}
	assert_int_equal(total, 3 + 3);
	json_array_remove(list, 3);
	total = 0;
	for (unsigned k = 0; k < 3; k++) {
		out = filter_subjects("n1", (struct shard){ k, 3 }, list);
		assert_non_null(out);
		total += json_array_size(out);
		json_decref(out);
	}
	assert_int_equal(total, 3);
	out = json_pack("[s]", "n1.a.t1");
	filter_put(config, &names, "n1", (struct shard){ 1, 3 }, out, 0);
	assert_string_equal(json_string_value(json_object_get(config, "filter_subject")),
	    "hl.shard.2of3.n1.a.t1");
	filter_put(config, &names, "n1", (struct shard){ 1, 3 }, out, 1);
	assert_string_equal(json_string_value(json_object_get(config, "filter_subject")),
	    "hl.shard.2of3.n1.>");
	assert_true(filter_has(out, &names, "hl.shard.2of3.n1.a.t1"));
	json_decref(out);
	json_decref(config);
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
		cmocka_unit_test(test_all_databases),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_several_streams),
		cmocka_unit_test(test_wrong),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
