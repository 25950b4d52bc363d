#include "config.h"

#include "common/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
test_round_trip(void **state)
{
	struct buf b = { 0 };
	struct rd r;
	const uint8_t *blob;
	char *s;
	size_t n;

	buf_u8(&b, 0x12);
	buf_u16(&b, 0x1234);
	buf_u32(&b, 0x12345678);
	buf_u64(&b, 0x123456789abcdef0);
	buf_be32(&b, 0x12345678);
	buf_be64(&b, UINT64_MAX - 1);
	buf_str(&b, "dog");
	buf_strn(&b, "cats", 3);
	buf_blob(&b, "\0\1", 2);
	buf_blob(&b, NULL, 0);
	r = rd_init(b.data, b.len);
	assert_int_equal(rd_u8(&r), 0x12);
	assert_int_equal(rd_u16(&r), 0x1234);
	assert_int_equal(rd_u32(&r), 0x12345678);
	assert_true(rd_u64(&r) == 0x123456789abcdef0);
	assert_int_equal(rd_be32(&r), 0x12345678);
	assert_true(rd_be64(&r) == UINT64_MAX - 1);
	s = rd_str(&r);
	assert_string_equal(s, "dog");
	free(s);
	assert_memory_equal(rd_strn(&r, &n), "cat", 3);
	assert_int_equal(n, 3);
	blob = rd_blob(&r, &n);
	assert_int_equal(n, 2);
	assert_memory_equal(blob, "\0\1", 2);
	assert_false(rd_done(&r));
	assert_non_null(rd_blob(&r, &n));
	assert_int_equal(n, 0);
	assert_true(rd_done(&r));
	buf_free(&b);
}

static void
test_byte_order(void **state)
{
	struct buf b = { 0 };

	buf_u32(&b, 0x01020304);
	buf_be32(&b, 0x01020304);
	assert_int_equal(b.len, 8);
	assert_memory_equal(b.data, "\4\3\2\1\1\2\3\4", 8);
	buf_put_u32(&b, 4, 0x0a0b0c0d);
	assert_memory_equal(b.data + 4, "\x0d\x0c\x0b\x0a", 4);
	buf_put_u64(&b, 0, 1);
	assert_memory_equal(b.data, "\1\0\0\0\0\0\0\0", 8);
	buf_free(&b);
}

static void
test_first_failure_stays(void **state)
{
	struct rd r = rd_init("\1\2\3", 3);
	char *s;
	size_t n = 7;

	assert_int_equal(rd_u16(&r), 0x0201);
	assert_int_equal(rd_u32(&r), 0);
	assert_false(rd_ok(&r));
	assert_int_equal(rd_u8(&r), 0);
	assert_int_equal(rd_left(&r), 0);
	assert_null(rd_bytes(&r, 0));
	assert_string_equal(rd_strn(&r, &n), "");
	assert_int_equal(n, 0);
	s = rd_str(&r);
	assert_string_equal(s, "");
	free(s);
	assert_null(rd_blob(&r, &n));
	assert_false(rd_done(&r));
}

static void
test_lengths_that_lie(void **state)
{
	struct rd r = rd_init("\xff\xff\xff\xff", 4);
	size_t n;

	assert_null(rd_blob(&r, &n));
	assert_false(rd_ok(&r));
	r = rd_init("\5\0abcd", 6);
	assert_string_equal(rd_strn(&r, &n), "");
	assert_false(rd_ok(&r));
	r = rd_init(NULL, 0);
	assert_true(rd_done(&r));
}

static void
test_text_with_nul(void **state)
{
	struct rd r = rd_init("\3\0a\0b", 5);
	char *s = rd_str(&r);

	assert_string_equal(s, "");
	assert_false(rd_ok(&r));
	free(s);
}

static void
test_grow_clear_take(void **state)
{
	struct buf b = { 0 };
	uint8_t *data;
	size_t n;
	int i;

	for (i = 0; i < 1000; i++)
		buf_addf(&b, "%d,", i % 10);
	assert_int_equal(b.len, 2000);
	assert_memory_equal(b.data + 1990, "5,6,7,8,9,", 10);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_true(b.cap >= 2000);
	buf_add(&b, "x", 1);
	data = buf_take(&b, &n);
	assert_int_equal(n, 1);
	assert_int_equal(data[0], 'x');
	assert_null(b.data);
	free(data);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_byte_order),
		cmocka_unit_test(test_first_failure_stays),
		cmocka_unit_test(test_lengths_that_lie),
		cmocka_unit_test(test_text_with_nul),
		cmocka_unit_test(test_grow_clear_take),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
