#include "config.h"

#include "opsd/auth/failures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static void
fail_often(struct failures *f, const char *address, uint64_t now)
{
	for (int i = 0; i < FAILURES_MOST; i++) {
		assert_int_equal(failures_wait(f, address, now), 0);
		failures_add(f, address, now);
	}
}

static void
test_limit(void **state)
{
	struct failures *f = failures_new(10);
	unsigned wait;

	fail_often(f, "192.0.2.1", 1000);
	wait = failures_wait(f, "192.0.2.1", 1000);
	assert_int_equal(wait, FAILURES_FORGET_US / 1000000);
	assert_true(failures_wait(f, "::ffff:192.0.2.1", 1000) > 0);
	assert_int_equal(failures_wait(f, "192.0.2.2", 1000), 0);
	assert_int_equal(failures_wait(f, "192.0.2.1", 1000 + FAILURES_FORGET_US), 0);
	failures_clear(f, "192.0.2.1");
	assert_int_equal(failures_wait(f, "192.0.2.1", 1000), 0);
	failures_free(f);
}

static void
test_networks(void **state)
{
	struct failures *f = failures_new(10);

	fail_often(f, "2001:db8:0:1::1", 1000);
	assert_true(failures_wait(f, "2001:db8:0:1:ffff::9", 1000) > 0);
	assert_int_equal(failures_wait(f, "2001:db8:0:2::1", 1000), 0);
	failures_free(f);
}

/* The domain socket has no address, and is never refused. */
static void
test_no_address(void **state)
{
	struct failures *f = failures_new(10);

	fail_often(f, "", 1000);
	assert_int_equal(failures_wait(f, "", 1000), 0);
	assert_int_equal(failures_wait(f, NULL, 1000), 0);
	failures_free(f);
}

static void
test_bounded(void **state)
{
	struct failures *f = failures_new(10);
	char address[32];

	fail_often(f, "192.0.2.1", 1000);
	for (int i = 0; i < 10; i++) {
		snprintf(address, sizeof(address), "198.51.100.%d", i);
		failures_add(f, address, 1000);
	}
	assert_int_equal(failures_wait(f, "192.0.2.1", 1000), 0);
	failures_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_bounded),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
