#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/fnv.h"

/* Figures that everybody has. */
static void
test_known(void **state)
{
	(void)state;
	assert_true(fnv_bytes(FNV_BASIS, "", 0) == UINT64_C(0xcbf29ce484222325));
	assert_true(fnv_bytes(FNV_BASIS, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
	assert_true(fnv_bytes(FNV_BASIS, "foobar", 6) == UINT64_C(0x85944171f73967e8));
}

static void
test_goes_on(void **state)
{
	uint64_t h = fnv_bytes(FNV_BASIS, "foo", 3);

	(void)state;
	assert_true(fnv_bytes(h, "bar", 3) == fnv_bytes(FNV_BASIS, "foobar", 6));
}

static void
test_numbers(void **state)
{
	(void)state;
	assert_true(fnv_u64(FNV_BASIS, UINT64_C(0x0102030405060708)) ==
	    fnv_bytes(FNV_BASIS, "\x08\x07\x06\x05\x04\x03\x02\x01", 8));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_numbers),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
