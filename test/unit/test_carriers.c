#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "opsd/cluster/carriers.h"

/* Two carriers that only count, as one. */

struct counted {
	const char *reaches;
	int asked, caught_up, logged, changed, purged, networks;
	int can_catch_up;
};

static int
counted_reaches(void *arg, const struct carrier_node *node)
{
	struct counted *t = arg;

	return (t->reaches != NULL && strcmp(t->reaches, node->name) == 0);
}

static void
counted_ask(void *arg, const struct carrier_node *node, const char *verb, const json_t *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	((struct counted *)arg)->asked++;
	cb(&(struct carrier_answer){ .status = 200 }, cb_arg);
}

static int
counted_can_catch_up(void *arg)
{
	return (((struct counted *)arg)->can_catch_up);
}

static void
counted_catch_up(void *arg, const struct carrier_node *node, const struct buf *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	((struct counted *)arg)->caught_up++;
	cb(&(struct carrier_answer){ .status = 200 }, cb_arg);
}

static void
counted_logged(void *arg)
{
	((struct counted *)arg)->logged++;
}

static void
counted_changed(void *arg)
{
	((struct counted *)arg)->changed++;
}

static void
counted_purge(void *arg, const char *database, const char *table, uint64_t upto,
    carrier_answered *cb, void *cb_arg)
{
	((struct counted *)arg)->purged++;
	cb(&(struct carrier_answer){ .status = 200 }, cb_arg);
}

static void
counted_network(void *arg, unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	((struct counted *)arg)->networks++;
	cb(&(struct carrier_answer){ .status = 200 }, cb_arg);
}

static const struct carrier_ops bare = { "bare", counted_reaches, counted_ask, counted_can_catch_up,
	counted_catch_up, counted_logged, counted_changed, NULL, NULL };
static const struct carrier_ops full = { "full", counted_reaches, counted_ask, counted_can_catch_up,
	counted_catch_up, counted_logged, counted_changed, counted_purge, counted_network };

static struct counted first, second;
static const struct carrier_node boston = { .name = "boston" };

static int
setup(void **state)
{
	struct carriers *c = carriers_new();

	first = second = (struct counted){ 0 };
	carriers_add(c, &bare, &first);
	carriers_add(c, &full, &second);
	*state = c;
	return (0);
}

static int
teardown(void **state)
{
	carriers_free(*state);
	return (0);
}

static void
answered_cb(const struct carrier_answer *a, void *arg)
{
	*(int *)arg += a->status;
}

static void
ask_both_ways(struct carriers *c)
{
	int status = 0;

	carriers_ops.ask(c, &boston, "status", NULL, 1000, answered_cb, &status);
	carriers_ops.catch_up(c, &boston, NULL, 1000, answered_cb, &status);
	assert_int_equal(status, 400);
}

static void
test_first_that_reaches(void **state)
{
	first.reaches = second.reaches = "boston";
	assert_true(carriers_ops.reaches(*state, &boston));
	ask_both_ways(*state);
	assert_int_equal(first.asked + first.caught_up, 2);
	first.reaches = "austin";
	assert_true(carriers_ops.reaches(*state, &boston));
	ask_both_ways(*state);
	assert_int_equal(second.asked + second.caught_up, 2);
	assert_int_equal(first.asked + first.caught_up, 2);
}

/* The last one says what there is to say of a node that nobody reaches. */
static void
test_none_reaches(void **state)
{
	assert_false(carriers_ops.reaches(*state, &boston));
	ask_both_ways(*state);
	assert_int_equal(second.asked + second.caught_up, 2);
}

static void
test_all_hear(void **state)
{
	carriers_ops.logged(*state);
	carriers_ops.changed(*state);
	assert_int_equal(first.logged + first.changed, 2);
	assert_int_equal(second.logged + second.changed, 2);
	assert_false(carriers_ops.can_catch_up(*state));
	second.can_catch_up = 1;
	assert_true(carriers_ops.can_catch_up(*state));
	first.can_catch_up = 1;
	second.can_catch_up = 0;
	assert_true(carriers_ops.can_catch_up(*state));
}

static void
test_who_keeps_something(void **state)
{
	struct carriers *c = carriers_new();
	int status = 0;

	carriers_ops.purge(*state, "dev", "dog", 1, answered_cb, &status);
	carriers_ops.network(*state, 1000, answered_cb, &status);
	assert_int_equal(status, 400);
	assert_int_equal(second.purged + second.networks, 2);
	carriers_add(c, &bare, &first);
	carriers_ops.purge(c, "dev", "dog", 1, answered_cb, &status);
	carriers_ops.network(c, 1000, answered_cb, &status);
	assert_int_equal(status, 400 + 2 * 503);
	carriers_free(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_that_reaches),
		TEST(test_none_reaches),
		TEST(test_all_hear),
		TEST(test_who_keeps_something),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
