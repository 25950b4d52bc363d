#include "config.h"

#include "common/base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void
test_there_and_back(void **state)
{
	uint8_t all[256], read[256];
	char text[513];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	hex_text(all, sizeof(all), text);
	assert_memory_equal(text, "000102", 6);
	assert_string_equal(text + 506, "fdfeff");
	assert_int_equal(hex_read(text, read, sizeof(read)), 0);
	assert_memory_equal(read, all, sizeof(all));
	hex_text(all, 0, text);
	assert_string_equal(text, "");
}

static void
test_what_is_read(void **state)
{
	uint8_t out[2];

	assert_int_equal(hex_read("aB0C", out, 2), 0);
	assert_memory_equal(out, "\xab\x0c", 2);
	assert_int_equal(hex_read(NULL, out, 2), -1);
	assert_int_equal(hex_read("", out, 2), -1);
	assert_int_equal(hex_read("ab0", out, 2), -1);
	assert_int_equal(hex_read("ab0cd", out, 2), -1);
	assert_int_equal(hex_read("ab0g", out, 2), -1);
	assert_int_equal(hex_read("ab x", out, 2), -1);
	assert_int_equal(hex_read("+1ab", out, 2), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_what_is_read),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
