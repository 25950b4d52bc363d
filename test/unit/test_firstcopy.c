#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "opsd/cluster/subscribed.h"
#include "test/unit/twopeers.h"

/* A table that two peers have is copied from one of them; at the other it goes on where the first was. */

#define SILENT 16000000u /* longer than a copy may stand still, in microseconds */

static _Atomic uint64_t later_us;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = __real_clock_gettime(id, ts);

	if (id == CLOCK_MONOTONIC)
		ts->tv_sec += (time_t)(later_us / 1000000);
	return (rc);
}

static int
setup(void **state)
{
	struct openrep *r = openrep_begin(state, "dog", NULL);

	later_us = 0;
	twopeers_enter(r);
	return (0);
}

static void
remove_run(struct group *g, void *arg)
{
	cursors_remove(g, cursors_find(replication_of(g)->cursors, arg, BOSTON));
}

/* Where boston is in austin's log, whose table has the id. */
static struct given_position
austin_at(uint64_t seq, uint64_t whole_ms)
{
	struct given_position p = {
		.table = AUSTIN,
		.incarnation = LIFE,
		.at = { seq, MARK(seq), 1000 },
		.whole_ms = whole_ms,
	};

	memcpy(p.node, austin, NODE_ID_LEN);
	return (p);
}

/* A chunk of boston's rows with one row; the first with a position. */
static void
chunk(struct openrep *r, int key, const struct given_position *p, int done)
{
	struct buf b = { 0 }, given = { 0 }, k = { 0 }, state = { 0 };
	json_t *id = json_integer(key);
	struct stamp at = { UINT64_C(1500) << 16, stamp_node(boston) };
	struct row row = { .created = at, .cleared = at };

	if (p != NULL)
		given_write(&given, p, 1);
	key_from_json(&k, id);
	row_encode(&row, &state);
	answer_start(&b, LIFE, BOSTON, 5);
	buf_u8(&b, (uint8_t)done);
	buf_blob(&b, k.data, k.len);
	buf_blob(&b, given.data, given.len);
	buf_u32(&b, 1);
	buf_strn(&b, k.data, k.len);
	buf_blob(&b, state.data, state.len);
	openrep_answer(r, BOSTON, &b);
	json_decref(id);
	buf_free(&b);
	buf_free(&given);
	buf_free(&k);
	buf_free(&state);
}

static void
assert_placed(struct openrep *r, uint64_t seq, int leans)
{
	const struct cursor_view *v = view_of(r, austin, AUSTIN);

	assert_state(r, austin, AUSTIN, CURSOR_FETCH);
	assert_int_equal(v->seq, seq);
	assert_true(v->mark == MARK(seq));
	assert_true(v->whole);
	assert_int_equal(v->leans, leans);
}

/* The second goes on at once, and is whole when the first's copy is; also after a crash. */
static void
test_first_copies(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 0);

	copy_all(r, boston, BOSTON);
	copy_all(r, austin, AUSTIN);
	assert_state(r, boston, BOSTON, CURSOR_COPY);
	assert_state(r, austin, AUSTIN, CURSOR_QUEUED);
	openrep_restart(r);
	assert_state(r, austin, AUSTIN, CURSOR_QUEUED);
	chunk(r, 1, &p, 0);
	assert_placed(r, 9, 1);
	openrep_restart(r);
	assert_placed(r, 9, 1);
	chunk(r, 2, NULL, 1);
	assert_placed(r, 9, 0);
	assert_true(view_of(r, boston, BOSTON)->whole);
}

/* Of whom no position came, or one that does not reach: it is copied after that. */
static void
test_no_position(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 2000);

	copy_all(r, boston, BOSTON);
	copy_all(r, austin, AUSTIN);
	chunk(r, 1, &p, 0);
	assert_state(r, austin, AUSTIN, CURSOR_QUEUED);
	openrep_call(r, remove_run, (void *)(uintptr_t)boston);
	assert_state(r, austin, AUSTIN, CURSOR_QUEUED); /* not reachable */
}

/* From a start time on it is enough that the other has as much. */
static void
test_start_time(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 300);
	struct cursor_event since = { .kind = ON_SINCE, .incarnation = LIFE, .copied = 1 };

	since.from_ms = 400;
	twopeers_on(r, boston, BOSTON, since);
	since.from_ms = 500;
	twopeers_on(r, austin, AUSTIN, since);
	assert_state(r, austin, AUSTIN, CURSOR_QUEUED);
	chunk(r, 1, &p, 0);
	assert_placed(r, 9, 1);
	assert_int_equal(view_of(r, austin, AUSTIN)->whole_ms, 400);
}

/* The one that copies all does not wait for one that copies less. */
static void
test_start_time_less(void **state)
{
	struct openrep *r = *state;

	twopeers_on(r, boston, BOSTON,
	    (struct cursor_event){ .kind = ON_SINCE,
		.incarnation = LIFE,
		.copied = 1,
		.from_ms = 4 });
	copy_all(r, austin, AUSTIN);
	assert_state(r, austin, AUSTIN, CURSOR_COPY);
}

/* Who is met when the copy is over, or after a restart: the position was kept. */
static void
test_met_later(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 0);

	copy_all(r, boston, BOSTON);
	chunk(r, 1, &p, 1);
	openrep_restart(r);
	copy_all(r, austin, AUSTIN);
	assert_placed(r, 9, 0);
	copy_all(r, austin, AUSTIN); /* it does not count twice */
	assert_state(r, austin, AUSTIN, CURSOR_COPY);
}

static void
test_met_meanwhile(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 0);

	copy_all(r, boston, BOSTON);
	chunk(r, 1, &p, 0);
	copy_all(r, austin, AUSTIN);
	assert_placed(r, 9, 1);
}

/* Who sees only then that its log does not reach. */
static void
test_needed_later(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 0);

	twopeers_on(r, austin, AUSTIN,
	    (struct cursor_event){
		.kind = ON_SUBSCRIBED,
		.incarnation = LIFE,
		.at = { 3, MARK(3), 1 },
	    });
	copy_all(r, boston, BOSTON);
	chunk(r, 1, &p, 0);
	assert_state(r, austin, AUSTIN, CURSOR_LIVE);
	copy_all(r, austin, AUSTIN);
	assert_placed(r, 9, 1);
}

/* What leans on a copy that begins anew has nothing until it is there again. */
static void
test_begins_anew(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 0);

	copy_all(r, boston, BOSTON);
	copy_all(r, austin, AUSTIN);
	chunk(r, 1, &p, 0);
	copy_all(r, boston, BOSTON);
	assert_state(r, austin, AUSTIN, CURSOR_QUEUED);
	assert_false(view_of(r, austin, AUSTIN)->whole);
	p = austin_at(11, 0);
	chunk(r, 1, &p, 1);
	assert_placed(r, 11, 0);
}

static void
test_goes(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 0);

	copy_all(r, boston, BOSTON);
	copy_all(r, austin, AUSTIN);
	chunk(r, 1, &p, 0);
	openrep_call(r, remove_run, (void *)(uintptr_t)boston);
	assert_state(r, austin, AUSTIN, CURSOR_COPY);
	assert_false(view_of(r, austin, AUSTIN)->leans);
}

/* A position that is behind our own would lose what we have. */
static void
test_older_position(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 0);

	twopeers_on(r, austin, AUSTIN,
	    (struct cursor_event){
		.kind = ON_SUBSCRIBED,
		.incarnation = LIFE,
		.at = { 12, MARK(12), 1 },
	    });
	copy_all(r, boston, BOSTON);
	copy_all(r, austin, AUSTIN);
	chunk(r, 1, &p, 0);
	assert_state(r, austin, AUSTIN, CURSOR_QUEUED);
	assert_int_equal(view_of(r, austin, AUSTIN)->seq, 12);
}

/* Nor one in a log that austin has not. */
static void
test_position_nowhere(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 0);

	copy_all(r, boston, BOSTON);
	copy_all(r, austin, AUSTIN);
	p.incarnation = LIFE + 1;
	chunk(r, 1, &p, 0);
	assert_state(r, austin, AUSTIN, CURSOR_QUEUED);
	assert_true(view_of(r, austin, AUSTIN)->incarnation == LIFE);
}

/* Nobody waits for a copy that stands still. */
static void
test_stands_still(void **state)
{
	struct openrep *r = *state;

	copy_all(r, boston, BOSTON);
	later_us = SILENT;
	copy_all(r, austin, AUSTIN);
	assert_state(r, austin, AUSTIN, CURSOR_COPY);
}

/* ---- what goes with ours ---- */

static uint32_t
given_here(struct openrep *r, struct given_position **list)
{
	struct table *t = catalog_get(r->o.data.catalog, "dev", "dog");
	struct buf b = { 0 };
	struct rd rd;
	uint32_t n;

	firstcopy_positions(&r->rep, t, &b);
	rd = rd_init(b.data, b.len);
	*list = given_read(&rd, &n);
	assert_non_null(*list);
	assert_true(rd_done(&rd));
	table_unref(t);
	buf_free(&b);
	return (n);
}

static void
assert_gives(struct openrep *r, uint32_t count)
{
	struct given_position *list;

	assert_int_equal(given_here(r, &list), count);
	free(list);
}

/* Only of whom all came that there was: not from now on, not on its way, not by a copy that goes on. */
static void
test_gives_whole(void **state)
{
	struct openrep *r = *state;
	struct given_position p = austin_at(9, 0), *list;

	twopeers_on(r, boston, BOSTON,
	    (struct cursor_event){ .kind = ON_SUBSCRIBED,
		.incarnation = LIFE,
		.at = { 3, MARK(3), 1 } });
	assert_gives(r, 0);
	copy_all(r, boston, BOSTON);
	copy_all(r, austin, AUSTIN);
	chunk(r, 1, &p, 0);
	assert_gives(r, 0);
	chunk(r, 2, NULL, 1);
	assert_int_equal(given_here(r, &list), 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(list[i].at.seq,
		    memcmp(list[i].node, boston, NODE_ID_LEN) == 0 ? 5 : 9);
	free(list);
}

/* As they are on the disk: the rows of what has only just moved a cursor may not be there yet. */
static void
test_gives_stored(void **state)
{
	struct openrep *r = *state;
	struct given_position *list;

	copy_all(r, boston, BOSTON);
	chunk(r, 1, NULL, 1);
	twopeers_on(r, boston, BOSTON,
	    (struct cursor_event){ .kind = ON_ENTRY, .at = { 6, MARK(6), 1 } });
	assert_int_equal(view_of(r, boston, BOSTON)->seq, 6);
	assert_int_equal(given_here(r, &list), 1);
	assert_int_equal(list[0].at.seq, 5);
	free(list);
}

/* What this node let go by itself is nowhere in its rows. */
static void
test_gives_nothing(void **state)
{
	struct openrep *r = *state;

	copy_all(r, boston, BOSTON);
	chunk(r, 1, NULL, 1);
	assert_gives(r, 1);
	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	assert_int_equal(opendata_define(&r->o, DDL_CREATE_TABLE, "dog", NULL, 0), 200);
	assert_gives(r, 0);
}

static void
subscribe_run(struct group *g, void *arg)
{
	struct table *t = group_table_named(g, "dev", 3, "dog", 3);
	struct subscribed s = {
		.id = AUSTIN,
		.head = { 9, MARK(9), 1000 },
		.incarnation = LIFE,
		.start_ms = 1,
		.asked = STAMP_LAST,
		.called = 1,
	};

	subscribed_begin(g, arg, &s, t);
}

/* Nor does it come again by itself from others than who is asked for it. */
static void
test_gives_after_recall(void **state)
{
	struct openrep *r = *state;
	struct given_position *list;

	copy_all(r, boston, BOSTON);
	chunk(r, 1, NULL, 1);
	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	assert_int_equal(opendata_define(&r->o, DDL_CREATE_TABLE, "dog", NULL, 0), 200);
	openrep_call(r, subscribe_run, (void *)(uintptr_t)austin);
	assert_gives(r, 0);
	copy_all(r, boston, BOSTON);
	chunk(r, 2, NULL, 1);
	assert_int_equal(given_here(r, &list), 1);
	assert_memory_equal(list[0].node, boston, NODE_ID_LEN);
	free(list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_copies, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_no_position, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_start_time, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_start_time_less, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_met_later, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_met_meanwhile, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_needed_later, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_begins_anew, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_goes, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_older_position, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_position_nowhere, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_stands_still, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_gives_whole, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_gives_stored, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_gives_nothing, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_gives_after_recall, setup, openrep_end),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
