#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/base/formats.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/linkfeed.h"
#include "test/unit/openrep.h"

/* What of the log a node that is linked may have, and from where. */

static void
enter(struct openrep *r, const char *table, int publish, uint64_t time)
{
	struct entering e = { boston, "boston", table, publish, 1, 0, time };

	assert_int_equal(openrep_call(r, entering_run, &e), 200);
}

static int
setup(void **state)
{
	openrep_begin(state, "dog", "cat");
	return (0);
}

static void
put(struct openrep *r, const char *table, int id)
{
	char *row = xasprintf("[{\"id\": %d}]", id);

	assert_int_equal(opendata_write(&r->o, table, TXN_UPSERT, row), 200);
	free(row);
}

/* How many entries come next. */
static unsigned
read_on(struct linkfeed *f)
{
	struct buf b = { 0 };
	unsigned n = 0;

	if (linkfeed_read(f, 1 << 20, &b) == 1) {
		struct rd r = rd_init(b.data, b.len);
		struct log_entry e;
		size_t len;

		(void)rd_u64(&r);
		for (unsigned t = rd_u16(&r); t > 0; t--) {
			rd_u32(&r);
			rd_strn(&r, &len);
			rd_strn(&r, &len);
		}
		for (n = rd_u32(&r); rd_left(&r) > 0 && log_entry_read(&r, &e) == 0;)
			continue;
		assert_true(rd_done(&r));
	}
	buf_free(&b);
	return (n);
}

/* How many come after a position. */
static unsigned
read_from(struct linkfeed *f, uint64_t incarnation, uint64_t after)
{
	linkfeed_begin(f, incarnation, after);
	return (read_on(f));
}

/* Only what is published to it now; a right that changes counts with the next read. */
static void
test_rights(void **state)
{
	struct openrep *r = *state;
	struct linkfeed *f = linkfeed_new(&r->rep, boston);

	linkfeed_begin(f, 0, 0);
	put(r, "dog", 1);
	assert_int_equal(read_on(f), 0); /* it is not even known */
	enter(r, "dog", 1, 5);
	put(r, "dog", 2);
	put(r, "cat", 1);
	assert_int_equal(read_on(f), 1);
	enter(r, "*", 1, 6);
	put(r, "cat", 2);
	put(r, "dog", 3);
	assert_int_equal(read_on(f), 2);
	enter(r, "dog", 0, 7);
	put(r, "dog", 4);
	put(r, "cat", 3);
	assert_true(linkfeed_is_behind(f));
	assert_int_equal(read_on(f), 1);
	assert_int_equal(read_on(f), 0);
	assert_false(linkfeed_is_behind(f));
	linkfeed_free(f);
}

/* From where it says that it is; who is nowhere in this log begins where the link did. */
static void
test_start(void **state)
{
	struct openrep *r = *state;
	uint64_t first, of_log = r->o.data.log.incarnation;
	struct linkfeed *f;

	enter(r, "*", 1, 5);
	put(r, "dog", 1);
	first = r->o.data.log.last;
	put(r, "dog", 2);
	f = linkfeed_new(&r->rep, boston);
	put(r, "dog", 3);
	assert_int_equal(read_from(f, of_log, first), 2);
	assert_int_equal(read_from(f, 0, 0), 1);
	assert_int_equal(read_from(f, of_log + 1, first), 1);
	assert_int_equal(read_from(f, of_log, first + 1000), 1);
	/* What follows it is not all there any more. */
	r->o.data.log.trimmed = first + 1;
	assert_int_equal(read_from(f, of_log, first), 1);
	linkfeed_free(f);
}

/* Who works with other formats gets nothing that it could not read. */
static void
test_other_format(void **state)
{
	struct openrep *r = *state;
	struct linkfeed *f = linkfeed_new(&r->rep, boston);
	json_t *said = json_pack("{s:s, s:[i,i]}", "name", "boston", "formats", formats.wire + 1,
	    formats.wire + 1);

	enter(r, "*", 1, 5);
	put(r, "dog", 1);
	assert_true(compat_note(r->rep.cluster, boston, said));
	assert_int_equal(read_on(f), 0);
	json_decref(said);
	linkfeed_free(f);
}

static void
lose_run(struct group *g, void *arg)
{
	txlog_begin(&group_data(g)->log, 0, wall_ms());
}

/* Numbers of a lost life were given again; what came since the link began does not count as had. */
static void
test_lost_life(void **state)
{
	struct openrep *r = *state;
	uint64_t inc = r->o.data.log.incarnation, after;
	struct linkfeed *f;

	enter(r, "*", 1, 5);
	put(r, "dog", 1);
	f = linkfeed_new(&r->rep, boston);
	put(r, "dog", 2);
	put(r, "dog", 3);
	after = r->o.data.log.last;
	assert_int_equal(openrep_call(r, lose_run, NULL), 200);
	assert_int_equal(read_from(f, inc, after), 2);
	linkfeed_free(f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, openrep_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rights),
		TEST(test_start),
		TEST(test_other_format),
		TEST(test_lost_life),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
