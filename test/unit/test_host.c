#include "config.h"

#include "opsd/watch/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "test/unit/folder.h"

static json_int_t
number_of(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_number(v))
		fail_msg("%s is no number", name);
	return ((json_int_t)json_number_value(v));
}

static void
line_is(const char *text, const char *want)
{
	char *path = in_folder("line"), *line;
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	line = host_line(path);
	if (want == NULL)
		assert_null(line);
	else
		assert_string_equal(line, want);
	free(line);
	free(path);
}

static void
test_lines(void **state)
{
	(void)state;
	line_is("1234\n", "1234");
	line_is("a b\nc\n", "a b");
	line_is("not ended", "not ended");
	line_is("\nx", "");
	line_is("", NULL);
	assert_null(host_line("/nowhere/at/all"));
}

/* A name with blanks and brackets does not move the fields behind it. */
static void
test_own_process(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(prctl(PR_SET_NAME, "a) R (1 2"), 0);
	o = host_process((int)getpid());
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "name")), "a) R (1 2");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "running");
	assert_int_equal(number_of(o, "pid"), getpid());
	assert_true(number_of(o, "threads") >= 1); /* a sanitizer may have one of its own */
	assert_true(number_of(o, "memory") > 100000);
	assert_true(number_of(o, "uptime") >= 0 && number_of(o, "uptime") < 3600);
	assert_non_null(strstr(json_string_value(json_object_get(o, "command")), "test_host"));
	json_decref(o);
	assert_null(host_process(0x7ffffff0));
}

static void *
wait_for_end(void *arg)
{
	prctl(PR_SET_NAME, "waits");
	pthread_barrier_wait(arg);
	pthread_barrier_wait(arg);
	return (NULL);
}

static void
test_threads(void **state)
{
	pthread_barrier_t both;
	pthread_t t;
	json_t *list = host_threads(), *o;
	size_t i, before = json_array_size(list);
	int found = 0;

	(void)state;
	json_decref(list);
	pthread_barrier_init(&both, NULL, 2);
	assert_int_equal(pthread_create(&t, NULL, wait_for_end, &both), 0);
	pthread_barrier_wait(&both);
	list = host_threads();
	assert_int_equal(json_array_size(list), before + 1);
	json_array_foreach(list, i, o)
		found += strcmp(json_string_value(json_object_get(o, "name")), "waits") == 0;
	assert_int_equal(found, 1);
	pthread_barrier_wait(&both);
	pthread_join(t, NULL);
	pthread_barrier_destroy(&both);
	json_decref(list);
}

static void
test_machine(void **state)
{
	json_t *memory = host_memory(), *cpu = host_cpu(), *disk = host_disk(folder);
	json_t *sizes = json_object_get(disk, "size"), *size = json_array_get(sizes, 0);
	json_t *system = host_system(), *now = host_time(), *load;

	(void)state;
	assert_true(number_of(memory, "total") > number_of(memory, "free"));
	assert_int_equal(number_of(memory, "used"),
	    number_of(memory, "total") - number_of(memory, "free"));
	assert_int_equal(number_of(cpu, "cores"), sysconf(_SC_NPROCESSORS_ONLN));
	load = json_object_get(cpu, "current_load");
	assert_true(number_of(load, "currentload") >= 0 && number_of(load, "currentload") <= 100);
	assert_int_equal(json_array_size(sizes), 1);
	assert_string_equal(json_string_value(json_object_get(size, "path")), folder);
	assert_true(number_of(size, "size") >= number_of(size, "used"));
	assert_true(number_of(size, "use") <= 100);
	assert_string_equal(json_string_value(json_object_get(system, "platform")), "linux");
	assert_true(number_of(now, "uptime") > 0);
	json_decref(memory);
	json_decref(cpu);
	json_decref(disk);
	json_decref(system);
	json_decref(now);
	disk = host_disk("/nowhere/at/all");
	assert_int_equal(json_array_size(json_object_get(disk, "size")), 0);
	json_decref(disk);
}

static void
test_network(void **state)
{
	json_t *o = host_network(), *list = json_object_get(o, "interfaces");
	json_t *stats = json_object_get(o, "stats"), *one;
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(list), json_array_size(stats));
	json_array_foreach(stats, i, one) {
		assert_string_equal(json_string_value(json_object_get(one, "iface")),
		    json_string_value(json_object_get(json_array_get(list, i), "iface")));
		assert_true(number_of(one, "rx_bytes") >= 0 && number_of(one, "tx_bytes") >= 0);
	}
	json_decref(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_own_process),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_network),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
