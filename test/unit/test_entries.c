#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "opsd/cluster/entries.h"

#define MANY	200000	/* so many that a walk for each would not end */

static const uint8_t id[NODE_ID_LEN] = "0123456789abcde";

static struct stamp
at(uint64_t time)
{
	return ((struct stamp){ time, 1 });
}

static const struct entry *
effective(const struct peer *p, const char *db, const char *table)
{
	return (peer_effective(p, db, strlen(db), table, strlen(table)));
}

static void
test_entries(void **state)
{
	struct peer *p = peer_new(id, "boston");

	(void)state;
	assert_false(peer_active(p));
	assert_null(effective(p, "data", "dog"));
	assert_non_null(peer_set_entry(p, "data", "dog", 1, 0, 0, 0, at(5)));
	assert_true(peer_active(p));
	assert_true(effective(p, "data", "dog")->publish);
	assert_null(effective(p, "data", "cat"));
	assert_null(effective(p, "dat", "adog"));
	/* Older, and as old. */
	assert_null(peer_set_entry(p, "data", "dog", 0, 1, 0, 0, at(5)));
	assert_null(peer_set_entry(p, "data", "dog", 0, 1, 0, 0, at(4)));
	peer_set_entry(p, "data", "*", 0, 1, 0, 0, at(6));
	assert_true(effective(p, "data", "cat")->subscribe);
	assert_true(effective(p, "data", "dog")->publish);
	/* A tombstone is there, but does not count. */
	peer_set_entry(p, "data", "dog", 0, 0, 0, 1, at(7));
	assert_true(peer_entry(p, "data", "dog")->removed);
	assert_true(effective(p, "data", "dog")->subscribe);
	peer_set_entry(p, "data", "*", 0, 0, 0, 1, at(8));
	assert_null(effective(p, "data", "dog"));
	assert_false(peer_active(p));
	assert_int_equal(p->n, 2);
	peer_free(p);
}

/* Whatever the order in which they came. */
static void
test_digest(void **state)
{
	struct peer *a = peer_new(id, "a"), *b = peer_new(id, "b"), *c;
	json_t *o;

	(void)state;
	peer_set_entry(a, "data", "dog", 1, 0, 0, 0, at(1));
	peer_set_entry(a, "data", "cat", 1, 0, 0, 0, at(2));
	peer_set_entry(a, "data", "dog", 1, 1, 0, 0, at(3));
	peer_set_entry(b, "data", "dog", 1, 1, 0, 0, at(3));
	assert_int_not_equal(peer_digest(a), peer_digest(b));
	peer_set_entry(b, "data", "cat", 1, 0, 0, 0, at(2));
	assert_int_equal(peer_digest(a), peer_digest(b));
	c = peer_copy(a);
	assert_int_equal(peer_digest(a), peer_digest(c));
	peer_set_entry(c, "data", "dog", 0, 0, 0, 1, at(9));
	assert_int_not_equal(peer_digest(a), peer_digest(c));
	assert_false(peer_entry(a, "data", "dog")->removed);
	o = peer_json(c);
	peer_free(b);
	b = peer_from_json(id, o);
	json_decref(o);
	assert_int_equal(peer_digest(b), peer_digest(c));
	assert_true(peer_entry(b, "data", "dog")->removed);
	peer_free(a);
	peer_free(b);
	peer_free(c);
}

static void
test_many(void **state)
{
	struct peer *p = peer_new(id, "boston"), *copy;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		peer_set_entry(p, "data", name, 1, 1, 0, 0, at(i + 1));
	}
	copy = peer_copy(p);
	peer_free(p);
	assert_int_equal(copy->n, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		assert_int_equal(effective(copy, "data", name)->stamp.time, i + 1);
	}
	for (unsigned i = 0; i < MANY; i++)
		peer_set_entry(copy, "data", copy->entries[i].table, 0, 0, 0, 1, at(MANY + i + 1));
	assert_false(peer_active(copy));
	peer_free(copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries), cmocka_unit_test(test_digest),
		cmocka_unit_test(test_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
