#include "config.h"

#include "opsd/cli/cli_progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void
line_is(uint64_t done, uint64_t total, enum progress_unit unit, const char *want)
{
	char line[160];

	progress_text(line, sizeof(line), "copy", done, total, unit);
	assert_string_equal(line, want);
}

static void
test_lines(void **state)
{
	(void)state;
	line_is(0, 0, UNIT_COUNT, "copy  0");
	line_is(1234, 0, UNIT_COUNT, "copy  1234");
	line_is(999, 0, UNIT_BYTES, "copy  999 B");
	line_is(1000, 0, UNIT_BYTES, "copy  1.0 kB");
	line_is(999949, 0, UNIT_BYTES, "copy  999.9 kB");
	line_is(999950, 0, UNIT_BYTES, "copy  1.0 MB");
	line_is(UINT64_C(5000000000000000), 0, UNIT_BYTES, "copy  5000.0 TB");
	line_is(0, 10, UNIT_COUNT, "copy  [------------------------------]   0%  0 of 10");
	line_is(5, 10, UNIT_COUNT, "copy  [###############---------------]  50%  5 of 10");
	line_is(10, 10, UNIT_COUNT, "copy  [##############################] 100%  10 of 10");
	/* There may be more than was thought. */
	line_is(12, 10, UNIT_COUNT, "copy  [##############################] 100%  12 of 10");
}

/* It fits, whatever it is about. */
static void
test_long(void **state)
{
	char line[20], what[300];

	(void)state;
	memset(what, 'x', sizeof(what) - 1);
	what[sizeof(what) - 1] = '\0';
	progress_text(line, sizeof(line), what, 1, 2, UNIT_BYTES);
	assert_int_equal(strlen(line), sizeof(line) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
