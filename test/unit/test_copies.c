#include "config.h"

#include "hubd/copies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* We are n1 with the id 11, a member that sees others. */
static void
found(struct copies *c, uint64_t since, const char *want)
{
	json_t *list = copies_found(c, since);
	char *text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(text, want);
	free(text);
	json_decref(list);
}

static void
test_copies_of_another(void **state)
{
	struct copies *c = copies_new("n1", "11", "a");

	copies_on_pong(c, 100, 1, "n1", "11", "a");
	copies_on_pong(c, 100, 1, "n2", "22", "b");
	copies_on_pong(c, 101, 1, "n3", "33", "c");
	found(c, 0, "[]");
	copies_on_pong(c, 102, 1, "n2b", "22", "d");
	found(c, 102, "[]");
	found(c, 100,
	    "[{\"node_id\":\"22\",\"nodes\":[\"n2\",\"n2b\"],\"own\":false,\"same\":\"id\"}]");
	/* One of them has another id now. */
	copies_on_pong(c, 110, 2, "n2", "22", "b");
	copies_on_pong(c, 110, 2, "n2b", "44", "e");
	found(c, 103, "[]");
	copies_free(c);
}

static void
test_copies_of_us(void **state)
{
	struct copies *c = copies_new("n1", "11", "a");

	copies_on_pong(c, 100, 1, "n1", "11", "b"); /* one name, too: told once */
	found(c, 0, "[{\"node_id\":\"11\",\"nodes\":[\"n1\"],\"own\":true,\"same\":\"id\"}]");
	copies_on_pong(c, 100, 1, "n9", "11", "c");
	found(c, 0,
	    "[{\"node_id\":\"11\",\"nodes\":[\"n1\",\"n9\"],\"own\":true,\"same\":\"id\"}]");
	copies_forget(c, 101);
	found(c, 0, "[]");
	copies_free(c);
}

static void
test_one_name(void **state)
{
	struct copies *c = copies_new("n1", "11", "a");

	copies_on_pong(c, 100, 1, "n2", "22", "b");
	copies_on_pong(c, 100, 1, "n2", "33", "c");
	found(c, 0, "[{\"nodes\":[\"n2\"],\"own\":false,\"same\":\"name\"}]");
	copies_on_pong(c, 200, 2, "n1", "44", "d");
	found(c, 200, "[{\"nodes\":[\"n1\"],\"own\":true,\"same\":\"name\"}]");
	copies_free(c);
}

/* What ended is not there together with what came after it, nor what moved elsewhere. */
static void
test_started_anew(void **state)
{
	struct copies *c = copies_new("n1", "11", "a");
	char instance[8];

	for (uint64_t round = 1; round < 60; round++) {
		snprintf(instance, sizeof(instance), "b%u", (unsigned)round / 3);
		copies_on_pong(c, 100, round, "n2", "22", instance);
		found(c, 0, "[]");
	}
	/* It was away, and comes back under another name; then it is wiped. */
	copies_on_pong(c, 100, 70, "other", "22", "c");
	copies_on_pong(c, 100, 80, "other", "33", "d");
	found(c, 0, "[]");
	/* Unknown ids are none. */
	copies_on_pong(c, 100, 80, "x", "", "e");
	copies_on_pong(c, 100, 80, "y", "", "f");
	found(c, 0, "[]");
	copies_free(c);
}

static void
test_many_instances(void **state)
{
	struct copies *c = copies_new("n1", "11", "a");
	char name[16];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "x%u", i);
		copies_on_pong(c, 100, 1, name, name, name);
	}
	found(c, 0, "[]");
	copies_forget(c, 101);
	copies_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies_of_another),
		cmocka_unit_test(test_copies_of_us),
		cmocka_unit_test(test_one_name),
		cmocka_unit_test(test_started_anew),
		cmocka_unit_test(test_many_instances),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
