#include "config.h"

#include "opsd/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define READY   "2026-01-02T03:04:05.678Z [opsd] [info]: version 1.0 is ready\n"
#define STOPPED "2026-01-02T03:04:05.678Z [opsd] [info]: stopping (Terminated)\n"
#define USERS   "2026-01-02T03:04:05.678Z [opsd] [info]: auth: there is no administrator\n"
#define PORT    "2026-01-02T03:04:05.678Z [opsd] [error] [n1]: port 9925: Address already in use"
#define DISK    "2026-01-02T03:04:05.678Z [opsd] [error]: store: No space left on device"
#define NAMED   "2026-01-02T03:04:05.678Z [opsd] [warn]: a table is named [error]\n"
#define QUOTED  "2026-01-02T03:04:05.678Z [opsd] [warn]: a table is named stopping (it is)\n"

static const struct {
	const char *what, *log, *error;
} cases[] = {
	{ "nothing", "", NULL },
	{ "only ends of lines", "\n\n", NULL },
	{ "it runs", READY USERS, NULL },
	{ "it fails", USERS PORT "\n", PORT },
	{ "the line is not whole yet", USERS PORT, PORT },
	{ "the last of its tries counts", DISK "\n" USERS PORT "\n" USERS, PORT },
	{ "what it failed with is mended", PORT "\n" USERS READY, NULL },
	{ "it was stopped", READY PORT "\n" STOPPED, NULL },
	{ "it failed after it was ready", READY DISK "\n", DISK },
	{ "words in a line that is another", PORT "\n" QUOTED, PORT },
	{ "a level in the text of another", NAMED, NULL },
	{ "the log begins within a line", "e: it] [error]\n" READY, NULL },
};

static void
test_the_last_error_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *why = cli_last_error(cases[i].log, strlen(cases[i].log));

		print_message("%s\n", cases[i].what);
		if (cases[i].error == NULL)
			assert_null(why);
		else
			assert_string_equal(why, cases[i].error);
		free(why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_the_last_error_counts) };

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
