#include "config.h"

#include "opsd/watch/metrics_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

static const char *
operation_name(unsigned i)
{
	return (i == 0 ? "insert" : "search");
}

static void
page_is(struct buf *b, const char *want)
{
	buf_u8(b, 0);
	assert_string_equal((char *)b->data, want);
	buf_free(b);
}

static int
has_line(const struct buf *b, const char *line)
{
	const char *at = strstr((const char *)b->data, line);

	return (at != NULL && (at == (const char *)b->data || at[-1] == '\n') &&
	    at[strlen(line)] == '\n');
}

static void
test_labels(void **state)
{
	struct buf b = { 0 };

	(void)state;
	metric_line(&b, "a", 1, NULL);
	metric_line(&b, "a", 1, "x", "", NULL);
	metric_line(&b, "a", 1, "x", "1", "y", "a\\b\"c\nd", NULL);
	page_is(&b,
	    "hubleaf_a 1\n"
	    "hubleaf_a{x=\"\"} 1\n"
	    "hubleaf_a{x=\"1\",y=\"a\\\\b\\\"c\\nd\"} 1\n");
}

/* Whole numbers have no exponent, and nothing is lost that a double has to 15 digits. */
static void
test_numbers(void **state)
{
	struct buf b = { 0 };

	(void)state;
	metric_line(&b, "a", 0, NULL);
	metric_line(&b, "a", -3, NULL);
	metric_line(&b, "a", 123456789012345, NULL);
	metric_line(&b, "a", 0.25, NULL);
	metric_line(&b, "a", 1e300, NULL);
	metric_line(&b, "a", INFINITY, NULL);
	page_is(&b,
	    "hubleaf_a 0\nhubleaf_a -3\nhubleaf_a 123456789012345\nhubleaf_a 0.25\n"
	    "hubleaf_a 1e+300\nhubleaf_a inf\n");
}

static void
test_head(void **state)
{
	struct buf b = { 0 };

	(void)state;
	metric_one(&b, "open", "gauge", "What is open.", 7);
	page_is(&b,
	    "# HELP hubleaf_open What is open.\n# TYPE hubleaf_open gauge\nhubleaf_open 7\n");
}

static void
test_requests(void **state)
{
	struct metrics *m = metrics_new(2, operation_name);
	struct buf b = { 0 };

	(void)state;
	metrics_request(m, 1, 200, 99);
	metrics_request(m, 1, 200, 100);
	metrics_request(m, 1, 200, 101);
	metrics_request(m, 1, 404, 20000000);
	metrics_request(m, 0, 503, 0);
	metrics_request(m, 0, 17, 0); /* whatever somebody answers with */
	metrics_request(m, 0, 999, 0);
	assert_int_equal(metrics_answered(m, 1), 1);
	assert_int_equal(metrics_answered(m, 2), 3);
	assert_int_equal(metrics_answered(m, 4), 1);
	assert_int_equal(metrics_answered(m, 5), 2);
	metrics_counted(m, &b);
	buf_u8(&b, 0);
#define INSERT "operation=\"insert\""
	assert_true(has_line(&b, "hubleaf_requests_total{" INSERT ",code=\"2xx\"} 3"));
	assert_true(has_line(&b, "hubleaf_requests_total{" INSERT ",code=\"4xx\"} 1"));
	assert_true(has_line(&b, "hubleaf_requests_total{operation=\"none\",code=\"5xx\"} 2"));
	assert_true(has_line(&b, "hubleaf_request_seconds_bucket{le=\"0.0001\"," INSERT "} 2"));
	assert_true(has_line(&b, "hubleaf_request_seconds_bucket{le=\"0.00025\"," INSERT "} 3"));
	assert_true(has_line(&b, "hubleaf_request_seconds_bucket{le=\"10\"," INSERT "} 3"));
	assert_true(has_line(&b, "hubleaf_request_seconds_bucket{le=\"+Inf\"," INSERT "} 4"));
	assert_true(has_line(&b, "hubleaf_request_seconds_count{" INSERT "} 4"));
	assert_true(has_line(&b, "hubleaf_request_seconds_sum{" INSERT "} 20.0003"));
	assert_null(strstr((char *)b.data, "search")); /* nobody asked for it */
	buf_free(&b);
	metrics_free(m);
}

static void
test_groups(void **state)
{
	struct metrics *m = metrics_new(0, operation_name);
	struct buf b = { 0 };

	(void)state;
	metrics_group(m, 3, 1000, 2000);
	metrics_group(m, 5000, 1, 1);
	metrics_counted(m, &b);
	buf_u8(&b, 0);
	assert_true(has_line(&b, "hubleaf_commit_group_jobs_bucket{le=\"2\"} 0"));
	assert_true(has_line(&b, "hubleaf_commit_group_jobs_bucket{le=\"4\"} 1"));
	assert_true(has_line(&b, "hubleaf_commit_group_jobs_bucket{le=\"4096\"} 1"));
	assert_true(has_line(&b, "hubleaf_commit_group_jobs_bucket{le=\"+Inf\"} 2"));
	assert_true(has_line(&b, "hubleaf_commit_group_jobs_sum 5003"));
	assert_true(has_line(&b, "hubleaf_commit_group_bytes_bucket{le=\"256\"} 1"));
	assert_true(has_line(&b, "hubleaf_commit_group_seconds_bucket{le=\"0.0025\"} 2"));
	assert_true(has_line(&b, "hubleaf_commit_group_seconds_sum 0.002001"));
	buf_free(&b);
	metrics_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_groups),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
