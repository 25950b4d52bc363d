#include "config.h"

#include "common/nats/nkey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The pair of the manual of nats-server, "NKeys". */
#define SEED   "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define PUBLIC "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

static void
test_public(void **state)
{
	char out[NKEY_PUBLIC_LEN];

	assert_int_equal(nkey_public(SEED, out), 0);
	assert_string_equal(out, PUBLIC);
	assert_int_equal(nkey_public("# SUe's\n----- SUPER -----\n" SEED "\n-----\n", out), 0);
	assert_string_equal(out, PUBLIC);
}

static void
test_wrong(void **state)
{
	static const char *const wrong[] = {
		"",
		"SU",
		"SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3V",
		"SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VA", /* CRC */
		"SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3V1", /* no digit */
		PUBLIC,
	};
	char out[NKEY_PUBLIC_LEN];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(nkey_public(wrong[i], out), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_public),
		cmocka_unit_test(test_wrong),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
