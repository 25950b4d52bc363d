#include "config.h"

#include "common/base/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/formats.h"

static int
opens(const void *p, size_t n)
{
	struct rd r = rd_init(p, n);

	return (seal_open(&r) == 0 && rd_left(&r) == n - SEAL_LEN);
}

static void
assert_fault(const void *p, size_t n, const char *part)
{
	char *why = seal_fault(p, n);

	if (strstr(why, part) == NULL)
		fail_msg("%s", why);
	free(why);
}

static void
test_round_trip(void **state)
{
	struct buf b = { 0 };
	size_t at;

	buf_add(&b, "before", 6);
	at = seal_begin(&b);
	buf_add(&b, "text", 4);
	seal_end(&b, at, b.len - at);
	assert_int_equal(b.data[at], formats.wire);
	assert_true(opens(b.data + at, b.len - at));
	assert_false(seal_damaged(b.data + at, b.len - at));
	assert_fault(b.data + at, b.len - at, "makes no sense");
	buf_free(&b);
}

static void
test_damage(void **state)
{
	struct buf b = { 0 };

	seal_begin(&b);
	buf_add(&b, "text", 4);
	seal_end(&b, 0, b.len);
	for (size_t i = 1; i < b.len; i++) {
		b.data[i] ^= 0x10;
		assert_false(opens(b.data, b.len));
		assert_true(seal_damaged(b.data, b.len));
		assert_fault(b.data, b.len, "checksum");
		b.data[i] ^= 0x10;
		assert_false(opens(b.data, i));
	}
	assert_true(opens(b.data, b.len));
	buf_free(&b);
}

/* It is another one's, not damaged: both numbers are said. */
static void
test_other_formats(void **state)
{
	struct buf b = { 0 };

	seal_begin(&b);
	buf_add(&b, "text", 4);
	seal_end(&b, 0, b.len);
	b.data[0] = 77;
	assert_false(opens(b.data, b.len));
	assert_false(seal_damaged(b.data, b.len));
	assert_fault(b.data, b.len, "format 77");
	b.data[0] = (uint8_t)(formats.wire_oldest - 1);
	assert_false(opens(b.data, b.len));
	assert_fault(b.data, 0, "empty");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_other_formats),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
