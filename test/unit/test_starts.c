#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "opsd/cluster/starts.h"

static const uint8_t boston[NODE_ID_LEN] = { 1 }, cairo[NODE_ID_LEN] = { 2 };

#define SECOND UINT64_C(1000)

/* One letter for each start that asks, a second after the other; the last answer. */
static int
ask_by_turns(struct starts *s, const char *boots, uint64_t from_ms)
{
	int result = 0;

	for (; *boots != '\0'; boots++, from_ms += SECOND) {
		char boot[2] = { *boots, '\0' };

		result = starts_ask(s, boston, boot, from_ms);
	}
	return (result);
}

static void
assert_two(const char *boots, int two)
{
	struct starts *s = starts_new();

	assert_int_equal(ask_by_turns(s, boots, SECOND), two);
	starts_free(s);
}

static void
test_starts_anew(void **state)
{
	(void)state;
	assert_two("aaaaa", 0);
	assert_two("aabbbcdefgh", 0);
	assert_two("aba", 0); /* it may have been late */
}

static void
test_two_nodes(void **state)
{
	(void)state;
	assert_two("abab", 1);
	assert_two("ababbb", 1);
	assert_two("aabbaabb", 1);
	assert_two("abcabc", 1);
}

/* Other nodes are none of it. */
static void
test_other_nodes(void **state)
{
	struct starts *s = starts_new();

	(void)state;
	for (uint64_t i = 1; i < 10; i++) {
		assert_int_equal(starts_ask(s, boston, "a", i), 0);
		assert_int_equal(starts_ask(s, cairo, "b", i), 0);
	}
	starts_free(s);
}

/* Once the other has not asked for so long, it is gone; later starts are starts. */
static void
test_one_is_gone(void **state)
{
	struct starts *s = starts_new();
	uint64_t last = 4 * SECOND;

	(void)state;
	assert_int_equal(ask_by_turns(s, "abab", SECOND), 1);
	assert_int_equal(starts_ask(s, boston, "b", last + STARTS_KEPT_MS - 2 * SECOND), 1);
	assert_int_equal(starts_ask(s, boston, "b", last + STARTS_KEPT_MS), 0);
	assert_int_equal(ask_by_turns(s, "bcc", last + STARTS_KEPT_MS + SECOND), 0);
	assert_int_equal(ask_by_turns(s, "cdd", last + 2 * STARTS_KEPT_MS), 0);
	starts_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_anew),
		cmocka_unit_test(test_two_nodes),
		cmocka_unit_test(test_other_nodes),
		cmocka_unit_test(test_one_is_gone),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
