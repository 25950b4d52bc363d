#include "config.h"

#include "opsd/watch/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opsd/store/sysrow.h"
#include "opsd/watch/watch.h"
#include "test/unit/opendata.h"

static struct opendata o;
static struct watch watch;

static int
setup(void **state)
{
	static char name[32];
	static int n;

	(void)state;
	snprintf(name, sizeof(name), "health%d", n++);
	opendata_open(&o, name);
	o.data.live.max_skew_ms = 60000;
	o.data.live.queue_ms = 10000;
	memset(&watch, 0, sizeof(watch));
	watch.data = &o.data;
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	opendata_close(&o);
	return (0);
}

static void
fault_is(const char *write_fault, const char *fault)
{
	const char *is = health_write_fault(&watch);

	if (write_fault == NULL)
		assert_null(is);
	else
		assert_true(is != NULL && strstr(is, write_fault) != NULL);
	is = health_fault(&watch);
	if (fault == NULL)
		assert_null(is);
	else
		assert_true(is != NULL && strstr(is, fault) != NULL);
}

static void
test_well(void **state)
{
	fault_is(NULL, NULL);
	health_load(&watch);
	fault_is(NULL, NULL);
}

/* Below the reserve nothing is written; as soon as there is room again it is. */
static void
test_reserve(void **state)
{
	o.data.live.reserve = UINT64_MAX;
	fault_is("below storage.reserve", "below storage.reserve");
	o.data.live.reserve = 0;
	fault_is(NULL, NULL);
}

static void
put_status(const char *status)
{
	json_t *row = json_pack("{s:s, s:s}", "id", "availability", "status", status);
	char *err = NULL;

	assert_int_equal(sysrow_put(&o.data, SYS_STATUS, row, &err), 200);
	json_decref(row);
	health_load(&watch);
}

/* Out of service is for load balancers: writes go on. */
static void
test_availability(void **state)
{
	put_status("Unavailable");
	fault_is(NULL, "out of service");
	put_status("Available");
	fault_is(NULL, NULL);
	put_status("unavailable");
	fault_is(NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_well, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_availability, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
