#include "config.h"

#include "common/nats/creds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FILE_OF(jwt)                                                                              \
	"-----BEGIN NATS USER JWT-----\n" jwt "\n------END NATS USER JWT------\n\n************\n" \
	"-----BEGIN USER NKEY SEED-----\nSUA\n------END USER NKEY SEED------\n"

static void
test_end(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} all[] = {
		{ FILE_OF("e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"), INT64_C(1700000000000) },
		/* Its bytes need both letters that URLs have instead: {"n":"ÿ~?>û","exp":7}. */
		{ FILE_OF("e30.eyJuIjoiw79-Pz7DuyIsImV4cCI6N30.c2ln"), 7000 },
		{ FILE_OF("e30.eyJleHAiOjE3MDAwMDAwMDB9"), INT64_C(1700000000000) },
		{ "-----BEGIN NATS USER JWT-----\r\n  e30.eyJleHAiOjd9.c2ln\r\n", 7000 },
		{ FILE_OF("e30.eyJpYXQiOjE3MDAwMDAwMDB9.c2ln"), 0 }, /* no end */
		{ FILE_OF("e30.eyJleHAiOi03fQ.c2ln"), 0 },
		{ FILE_OF("e30.eyJleHAiOjkyMjMzNzIwMzY4NTQ3NzU4MDd9.c2ln"), 0 },
		{ FILE_OF("e30.eyJleHAiOiI3In0.c2ln"), 0 }, /* a text */
		{ FILE_OF("e30.W10.c2ln"), 0 },
		{ FILE_OF("e30.!!!!.c2ln"), 0 },
		{ FILE_OF("e30..c2ln"), 0 },
		{ FILE_OF("e30"), 0 },
		{ "-----BEGIN NATS USER JWT-----", 0 },
		{ "e30.eyJleHAiOjd9.c2ln", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_int_equal(creds_end_ms(all[i].text), all[i].ms);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
