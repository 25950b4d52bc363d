#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/iso.h"

static void
is(const char *text, int64_t want, int want_day)
{
	int day = -1;
	int64_t ms = iso_ms(text, &day);

	if (ms != want)
		fail_msg("%s is %lld, not %lld", text, (long long)ms, (long long)want);
	assert_int_equal(day, want_day);
	assert_int_equal(iso_ms(text, NULL), want);
}

static void
test_dates(void **state)
{
	is("1970-01-01", 0, 1);
	is("2020-02-29", 1582934400000, 1);
	is("2000-02-29", 951782400000, 1);
	is("2021-01-25T22:05:27", 1611612327000, 0);
	is("2021-01-25T22:05:27Z", 1611612327000, 0);
	is("2021-01-25 22:05", 1611612300000, 0);
	is("2021-01-25T22:05:27.5Z", 1611612327500, 0);
	is("2021-01-25T22:05:27.464+0000", 1611612327464, 0);
	is("2021-01-25T22:05:27,123456Z", 1611612327123, 0);
	is("2021-01-25T22:05:27+02:00", 1611605127000, 0);
	is("2021-01-25T22:05:27-0130", 1611617727000, 0);
	is("2021-01-25T22:05:27+02", 1611605127000, 0);
}

static void
test_others(void **state)
{
	static const char *const others[] = { "", "x", "2020", "2020-01", "2020-1-1", "2020-13-01",
		"2020-00-10", "2020-01-00", "2021-02-29", "2020-04-31", "20200101", "2020-01-01T",
		"2020-01-01T10", "2020-01-01T24:00", "2020-01-01T10:60", "2020-01-01T10:00:60",
		"2020-01-01T10:00:00.", "2020-01-01T10:00:00.Z", "2020-01-01T10:00:00ZZ",
		"2020-01-01T10:00:00+1", "2020-01-01T10:00:00+24:00", "2020-01-01T10:00:00+02:60",
		"2020-01-01Z", "1969-12-31", "2020-01-01 ", " 2020-01-01", "01/02/2020" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (iso_ms(others[i], NULL) != -1)
			fail_msg("'%s' was taken for a date", others[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_others),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
