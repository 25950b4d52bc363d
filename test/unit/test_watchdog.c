#include "config.h"

#include "opsd/cli/cli_watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/alive.h"

#define S UINT64_C(1000000)

static char dir[64], text[256];
static struct watchdog w;

static int
setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/watchdog.XXXXXX");
	assert_non_null(mkdtemp(dir));
	watchdog_open(&w, dir, 10 * S);
	assert_int_not_equal(w.fd, -1);
	return (0);
}

static int
teardown(void **state)
{
	watchdog_close(&w);
	return (rmdir(dir)); /* nothing is left there */
}

static void
test_only_who_was_ready_is_judged(void **state)
{
	struct watched x = { 0 };

	assert_false(watched_hangs(&x, 100 * S, 10 * S));
	watched_told(&x, "READY=1\nMAINPID=5");
	assert_false(watched_hangs(&x, 10 * S, 10 * S));
	assert_true(watched_hangs(&x, 1, 10 * S));
	assert_false(watched_hangs(&x, 100 * S, 10 * S)); /* it was said */
	watched_told(&x, "READY=1");
	assert_false(watched_hangs(&x, 10 * S, 10 * S));
	watched_told(&x, "WATCHDOG=1");
	assert_false(watched_hangs(&x, 10 * S, 10 * S));
	watched_told(&x, "RELOADING=1\nMONOTONIC_USEC=7");
	assert_false(watched_hangs(&x, 100 * S, 10 * S));
	watched_told(&x, "WATCHDOG=1\nNOTREADY=1\nREADY=10");
	assert_false(watched_hangs(&x, 100 * S, 10 * S));
	watched_told(&x, "MAINPID=5\nREADY=1");
	assert_true(watched_hangs(&x, 11 * S, 10 * S));
	watched_told(&x, "READY=1");
	watched_told(&x, "STOPPING=1");
	assert_false(watched_hangs(&x, 100 * S, 10 * S));
}

static void
test_time_in_which_we_stood_still_does_not_count(void **state)
{
	uint64_t now = w.looked_us;

	assert_int_equal(watchdog_step(&w, now += S / 10), S / 10);
	assert_int_equal(watchdog_step(&w, now += 3600 * S), S);
	assert_int_equal(watchdog_step(&w, now += S / 10), S / 10);
}

/* Nobody reads: it does not wait, and one message is there. */
static void
test_who_says_it_is_alive_waits_for_nobody(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		watchdog_environment(&w);
		for (int i = 0; i < 2000; i++)
			alive_say();
		_exit(atoi(getenv("WATCHDOG_PID")) == getpid() &&
			    strcmp(getenv("WATCHDOG_USEC"), "10000000") == 0 ?
			0 :
			1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(watchdog_read(&w, text, sizeof(text)), pid);
	assert_string_equal(text, "WATCHDOG=1");
	assert_int_equal(watchdog_read(&w, text, sizeof(text)), 0);
}

static void
test_a_socket_left_behind_and_another_runs(void **state)
{
	struct watchdog second, left = w;

	watchdog_open(&second, dir, S); /* the first one lives */
	assert_int_equal(second.fd, -1);
	watchdog_close(&second);
	close(left.fd);
	w.fd = -1;
	watchdog_open(&second, dir, S);
	assert_int_not_equal(second.fd, -1);
	watchdog_close(&second);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_who_was_ready_is_judged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_in_which_we_stood_still_does_not_count,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_says_it_is_alive_waits_for_nobody, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_a_socket_left_behind_and_another_runs, setup,
		    teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
