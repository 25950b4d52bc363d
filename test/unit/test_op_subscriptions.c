#include "config.h"

#include "opsd/op/op_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "opsd/cluster/subscriptions.h"

static void
read_call(const char *body, struct subscriptions *into, const char *faults)
{
	json_t *o = json_loads(body, 0, NULL);
	struct faults f = { 0 };

	assert_non_null(o);
	memset(into, 0, sizeof(*into));
	op_field_subscriptions(into, &f, o, "");
	buf_u8(&f.text, 0);
	assert_string_equal((char *)f.text.data, faults);
	buf_free(&f.text);
	json_decref(o);
}

static void
refused(const char *body, const char *faults)
{
	struct subscriptions into;

	read_call(body, &into, faults);
	subscriptions_clear(&into);
}

#define CALL(list)  "{\"subscriptions\":[" list "]}"
#define FLAGS       "\"publish\":true,\"subscribe\":false"
#define ONE(fields) "{" fields "," FLAGS "}"

static void
test_read(void **state)
{
	struct subscriptions l;
	const struct subscription *s;

	(void)state;
	read_call(CALL(ONE("\"schema\":\"dev\",\"table\":\"dog\"") "," ONE("\"table\":\"cat\"")),
	    &l, "");
	assert_int_equal(l.n, 2);
	s = subscriptions_find(&l, "dev", "dog");
	assert_true(s != NULL && s->publish && !s->subscribe && s->start_ms == 0);
	assert_non_null(subscriptions_find(&l, "data", "cat"));
	subscriptions_clear(&l);
}

static void
test_refused(void **state)
{
	(void)state;
	refused("{}", "'subscriptions' is required");
	refused("{\"subscriptions\":{}}", "'subscriptions' must be an array");
	refused(CALL(""), "'subscriptions' must contain at least 1 items");
	refused(CALL("7"), "'subscriptions[0]' must be of type object");
	refused(CALL("{}"),
	    "'subscriptions[0].table' is required. 'subscriptions[0].publish' is required. "
	    "'subscriptions[0].subscribe' is required");
	refused(CALL("{\"table\":\"t\",\"publish\":1,\"subscribe\":true}"),
	    "'subscriptions[0].publish' must be a boolean");
	refused(CALL(ONE("\"table\":7")), "'subscriptions[0].table' must be a string");
	refused(CALL(ONE("\"database\":\"system\",\"table\":\"hdb_user\"")),
	    "'subscriptions[0]' invalid database name, 'system' name is reserved");
	refused(CALL(ONE("\"table\":\"t\"") "," ONE("\"database\":\"data\",\"table\":\"t\"")),
	    "'subscriptions[1]' contains a duplicate value");
}

static void
test_too_many(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_addf(&b, "{\"subscriptions\":[0");
	for (int i = 0; i < 10000; i++)
		buf_addf(&b, ",0");
	buf_addf(&b, "]}");
	buf_u8(&b, 0);
	refused((char *)b.data, "'subscriptions' must contain less than or equal to 10000 items");
	buf_free(&b);
}

/* 0: refused. */
static uint64_t
start_of(const char *time)
{
	char *body = xasprintf(CALL(ONE("\"table\":\"t\",\"start_time\":\"%s\"")), time);
	json_t *o = json_loads(body, 0, NULL);
	struct subscriptions l = { 0 };
	struct faults f = { 0 };
	uint64_t ms;

	op_field_subscriptions(&l, &f, o, "");
	ms = subscriptions_find(&l, "data", "t")->start_ms;
	assert_true((ms == 0) == (f.n == 1));
	subscriptions_clear(&l);
	buf_free(&f.text);
	json_decref(o);
	free(body);
	return (ms);
}

static void
test_start_times(void **state)
{
	(void)state;
	assert_true(start_of("2022-09-02T20:06:35.993Z") == UINT64_C(1662149195993));
	assert_true(start_of("2022-09-02T20:06:35Z") == UINT64_C(1662149195000));
	assert_true(start_of("2022-09-02T20:06:35.9Z") == UINT64_C(1662149195900));
	assert_true(start_of("2022-09-02T20:06:35.9939999Z") == UINT64_C(1662149195993));
	assert_true(start_of("2024-02-29T00:00:00.000Z") == UINT64_C(1709164800000));
	assert_int_equal(start_of("1970-01-01T00:00:00.000Z"), 1); /* all of it, not none */
	assert_int_equal(start_of("2023-02-29T00:00:00.000Z"), 0);
	assert_int_equal(start_of("2022-13-02T20:06:35.993Z"), 0);
	assert_int_equal(start_of("2022-09-02T24:06:35.993Z"), 0);
	assert_int_equal(start_of("2022-09-02T20:06:61.993Z"), 0);
	assert_int_equal(start_of("2022-09-02T20:06:35.993"), 0);
	assert_int_equal(start_of("2022-09-02T20:06:35.993+01:00"), 0);
	assert_int_equal(start_of("2022-09-02T20:06:35.Z"), 0);
	assert_int_equal(start_of("2022-09-02 20:06:35.993Z"), 0);
	assert_int_equal(start_of("1969-12-31T23:59:59.000Z"), 0);
	assert_int_equal(start_of(""), 0);
	refused(CALL(ONE("\"table\":\"t\",\"start_time\":null")), "");
	refused(CALL(ONE("\"table\":\"t\",\"start_time\":5")),
	    "'subscriptions[0].start_time' must be in UTC YYYY-MM-DDTHH:mm:ss.sssZ format");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_start_times),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
