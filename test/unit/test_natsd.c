#include "config.h"

#include "common/nats/natsd_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <event2/event.h>

#include "common/base/log.h"
#include "test/unit/folder.h"

/*
 * A nats-server that ends by itself is started again, each time later.  The linker gives us the timer that it
 * waits on: what is asked for is noted, and over at once.
 */
#define STARTS 9

static struct natsd *server;
static unsigned pauses[STARTS], npauses;

int __real_event_add(struct event *ev, const struct timeval *tv);
int __wrap_event_add(struct event *ev, const struct timeval *tv);

int
__wrap_event_add(struct event *ev, const struct timeval *tv)
{
	static const struct timeval soon = { 0, 1000 };
	unsigned ms = tv != NULL ? (unsigned)(tv->tv_sec * 1000 + tv->tv_usec / 1000) : 0;

	if (server == NULL || ev != server->timer || server->state != STATE_BACKOFF)
		return (__real_event_add(ev, tv));
	if (npauses < STARTS)
		pauses[npauses++] = ms;
	return (__real_event_add(ev, &soon));
}

static void
changed(void *arg)
{
}

static char *
make_binary(const char *script)
{
	char *path = in_folder("nats-server");
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f,
	    "#!/bin/sh\ncase $1 in --version) echo nats-server: v2.10.27; exit;; -t) exit;; esac\n%s\n",
	    script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0700), 0);
	return (path);
}

static void
timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	*(int *)arg = 1;
}

static void
test_backs_off(void **state)
{
	static const unsigned wanted[STARTS] = { 200, 400, 800, 1600, 3200, 6400, 10000, 10000,
		10000 };
	struct event_base *base = event_base_new();
	char *binary = make_binary("exit 1"), *dir = in_folder("server");
	struct natsd_opts o = {
		.name = "hub",
		.binary = binary,
		.dir = dir,
		.hang_ms = 60000,
		.changed = changed,
	};
	struct timeval wait = { 30, 0 };
	int over = 0;
	struct event *limit = evtimer_new(base, timeout_cb, &over);

	server = natsd_new(base, &o);
	natsd_configure(server, "port: -1\n", 0);
	evtimer_add(limit, &wait);
	while (npauses < STARTS && !over)
		event_base_loop(base, EVLOOP_ONCE);
	assert_false(over);
	for (int i = 0; i < STARTS; i++)
		assert_int_equal(pauses[i], wanted[i]);
	assert_int_equal(natsd_restarts(server, 1), STARTS);
	assert_non_null(natsd_fault(server));
	assert_string_equal(natsd_status(server), "errored");
	natsd_free(server);
	server = NULL;
	event_free(limit);
	event_base_free(base);
	free(binary);
	free(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backs_off),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
