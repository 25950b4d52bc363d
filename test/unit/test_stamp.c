#include "config.h"

#include "opsd/store/stamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
test_order(void **state)
{
	const struct stamp a = { 5, 1 }, b = { 5, 2 }, c = { 6, 0 };

	assert_true(stamp_cmp(a, b) < 0 && stamp_cmp(b, a) > 0 && stamp_cmp(a, a) == 0);
	assert_true(stamp_cmp(b, c) < 0);
	assert_true(stamp_cmp(stamp_max(a, c), c) == 0);
	assert_true(stamp_cmp(stamp_max(b, a), b) == 0);
	assert_true(stamp_none((struct stamp){ 0, 0 }));
	assert_false(stamp_none(a));
}

static void
test_bytes(void **state)
{
	const struct stamp s = { UINT64_C(0x0102030405060708), UINT64_C(0xf1f2f3f4f5f6f7f8) };
	struct buf b = { 0 };
	struct rd r;

	stamp_write(&b, s);
	assert_int_equal(b.len, STAMP_LEN);
	r = rd_init(b.data, b.len);
	assert_int_equal(stamp_cmp(stamp_read(&r), s), 0);
	assert_true(rd_done(&r));
	r = rd_init(b.data, b.len - 1);
	stamp_read(&r);
	assert_false(rd_ok(&r));
	buf_free(&b);
}

static void
test_node(void **state)
{
	const uint8_t id[16] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0xff };

	assert_true(stamp_node(id) == UINT64_C(0x0102030405060708));
}

static void
test_user(void **state)
{
	const struct stamp s = { (UINT64_C(1690742615459) << 16) | 0x8000, 7 };

	assert_true(stamp_user(s) == 1690742615459.5);
	assert_true(stamp_ms(s) == 1690742615459);
}

/* Two nodes with wrong clocks that hear of each other: no stamp twice, none back in time. */
static void
test_clock(void **state)
{
	struct hlc a = { 0, 1 }, b = { 0, 2 };
	struct stamp last_a = { 0, 0 }, last_b = { 0, 0 }, s;

	srandom(7);
	for (int i = 0; i < 100000; i++) {
		uint64_t wall = 1000 + (uint64_t)i / 50 + (uint64_t)(random() % 5);

		s = hlc_next(&a, wall);
		assert_true(stamp_cmp(s, last_a) > 0 && s.node == 1);
		assert_true(stamp_ms(s) >= wall);
		last_a = s;
		if (random() % 3 == 0)
			hlc_observe(&b, s.time);
		s = hlc_next(&b, wall / 2);
		assert_true(stamp_cmp(s, last_b) > 0 && s.node == 2);
		last_b = s;
		hlc_observe(&a, s.time);
		assert_true(hlc_next(&a, 0).time > s.time);
		last_a.time = a.time;
	}
}

/* More than 65536 stamps in one millisecond run into the next. */
static void
test_overflow(void **state)
{
	struct hlc c = { 0, 1 };
	struct stamp last = hlc_next(&c, 10), s;

	for (int i = 0; i < 70000; i++) {
		s = hlc_next(&c, 10);
		assert_true(s.time == last.time + 1);
		last = s;
	}
	assert_true(stamp_ms(last) == 11);
	hlc_observe(&c, 5);
	assert_true(c.time == last.time);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_overflow),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
