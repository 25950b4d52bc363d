#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "opsd/job/forget.h"
#include "opsd/job/job.h"
#include "test/unit/holding.h"
#include "test/unit/openrep.h"

/* delete_records_before, while rows come in. */

static struct openrep r;
static struct jobs *jobs;

static int
setup(void **state)
{
	char *err = NULL;

	openrep_open(&r, "forget");
	assert_int_equal(opendata_define(&r.o, DDL_CREATE_DATABASE, NULL, NULL, 0), 200);
	assert_int_equal(opendata_define(&r.o, DDL_CREATE_TABLE, "dog", NULL, 0), 200);
	jobs = jobs_start(&r.rep, &err);
	assert_non_null(jobs);
	return (0);
}

static int
teardown(void **state)
{
	jobs_stop(jobs);
	openrep_close(&r);
	return (0);
}

static unsigned
waiting(void)
{
	unsigned local, remote;

	commit_waiting(r.o.data.commit, &local, &remote);
	return (local);
}

#define wait_until(cond)                                  \
	do {                                              \
		uint64_t wait_end = mono_us() + 30000000; \
		while (!(cond) && mono_us() < wait_end)   \
			usleep(1000);                     \
		assert_true(cond);                        \
	} while (0)

/* ---- who waits for it ---- */

static void *
write_dog(void *arg)
{
	assert_int_equal(opendata_write(&r.o, "dog", TXN_UPSERT, "[{\"id\": 2, \"a\": 1}]"), 200);
	return (NULL);
}

static void *
forget_all(void *arg)
{
	struct table *t = catalog_get(r.o.data.catalog, "dev", "dog");

	forget_rows(arg, t, "tester", wall_ms() + 60000);
	table_unref(t);
	return (NULL);
}

static int
has_dog(const char *id)
{
	json_t *a = opendata_value(&r.o, "dog", id, "a");
	int has = a != NULL;

	json_decref(a);
	return (has);
}

/* A row of before that is written before the time is remembered goes like those that are there. */
static void
test_on_its_way(void **state)
{
	struct job_spec spec = { .type = "delete_records_before", .did = "deleted" };
	json_t *body = json_object();
	pthread_t writer, forgetter;
	struct holding hold;
	struct job *job;
	char *err = NULL;
	int status;

	assert_int_equal(opendata_write(&r.o, "dog", TXN_UPSERT, "[{\"id\": 1, \"a\": 1}]"), 200);
	job = job_begin(jobs, "tester", body, &spec, &status, &err);
	assert_non_null(job);
	holding_begin(&hold, r.o.data.commit, NULL);
	pthread_create(&writer, NULL, write_dog, NULL);
	wait_until(waiting() == 1);
	pthread_create(&forgetter, NULL, forget_all, job);
	wait_until(waiting() == 2);
	holding_end(&hold);
	pthread_join(writer, NULL);
	pthread_join(forgetter, NULL);
	assert_false(job_failed(job));
	assert_int_equal(job_counts(job).did, 2);
	assert_false(has_dog("1"));
	assert_false(has_dog("2"));
	job_finish(job);
	json_decref(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_on_its_way, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
