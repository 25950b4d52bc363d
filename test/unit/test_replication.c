#include "config.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/formats.h"
#include "common/conf/settings.h"
#include "opsd/cluster/carrier.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/retain.h"
#include "opsd/cluster/sums.h"
#include "opsd/cluster/tombstone.h"
#include "test/unit/openrep.h"

/*
 * What comes from peers, on its way into the rows, and what they get: whole commits on a real store, with restarts
 * between them.  The linker gives us the clock, and the moment at which rows are looked at.
 */
#define THERE 70u   /* the table's id at the peer */
#define LIFE  1000u /* an incarnation of its log */

#define WORKERS 2 /* of opendata.h */

static _Atomic uint64_t ahead_ms, later_ms; /* the wall clock, and the one that only goes on */
static void (*meanwhile)(void *arg);
static void *meanwhile_arg;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
struct store_iter *__real_sums_rows(struct store *s, uint32_t table, const uint8_t *after,
    size_t alen, const uint8_t *last, size_t llen);
struct store_iter *__wrap_sums_rows(struct store *s, uint32_t table, const uint8_t *after,
    size_t alen, const uint8_t *last, size_t llen);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = __real_clock_gettime(id, ts);

	if (id == CLOCK_REALTIME)
		ts->tv_sec += (time_t)(ahead_ms / 1000);
	if (id == CLOCK_MONOTONIC)
		ts->tv_sec += (time_t)(later_ms / 1000);
	return (rc);
}

struct store_iter *
__wrap_sums_rows(struct store *s, uint32_t table, const uint8_t *after, size_t alen,
    const uint8_t *last, size_t llen)
{
	struct store_iter *it = __real_sums_rows(s, table, after, alen, last, llen);

	if (meanwhile != NULL)
		meanwhile(meanwhile_arg);
	meanwhile = NULL;
	return (it);
}

static void
enter(struct openrep *r, int publish, int subscribe, int removed, uint64_t time)
{
	struct entering e = { boston, "boston", "*", publish, subscribe, removed, time };

	assert_int_equal(openrep_call(r, entering_run, &e), 200);
}

static int
setup(void **state)
{
	ahead_ms = 0;
	enter(openrep_begin(state, "dog", NULL), 1, 1, 0, 5);
	return (0);
}

static const struct cursor_view *
cursor(struct openrep *r, uint32_t id)
{
	struct cursor *cur = cursors_find(r->rep.cursors, boston, id);

	return (cur != NULL ? cursor_view(cur) : NULL);
}

static void
assert_at(struct openrep *r, enum cursor_state state, uint64_t seq)
{
	assert_non_null(cursor(r, THERE));
	assert_int_equal(cursor(r, THERE)->state, state);
	assert_int_equal(cursor(r, THERE)->seq, seq);
	assert_true(cursor(r, THERE)->mark == MARK(seq));
}

/* -1: no such row. */
static int
value(struct openrep *r, const char *key)
{
	json_t *v = opendata_value(&r->o, "dog", key, "a");
	int n = v != NULL ? (int)json_integer_value(v) : -1;

	json_decref(v);
	return (n);
}

static void
frame(struct openrep *r, struct sent s)
{
	openrep_frame(r, boston, LIFE, THERE, "dog", &s);
}

static uint64_t
own_last(struct openrep *r)
{
	return (r->o.data.log.last);
}

/* ---- frames ---- */

static void
end_window(struct openrep *r, uint64_t at, uint64_t incarnation, struct sent s, uint8_t flags)
{
	struct buf b = { 0 };

	sent_frame(&b, incarnation, THERE, "dog", &s);
	frame_end(&b, 0, b.len, flags);
	openrep_frame_as_is(r, boston, at, &b);
	buf_free(&b);
}

static void
assert_hint(struct openrep *r, uint64_t stream_seq, uint64_t incarnation, uint64_t window)
{
	struct cursors_hint hint = cursors_hint(r->rep.cursors, boston);

	assert_int_equal(hint.stream_seq[0], stream_seq);
	assert_int_equal(hint.incarnation, incarnation);
	assert_int_equal(hint.window, window);
}

/* A whole window is where a link goes on, whatever brought it; a stream goes on where it was. */
static void
test_hint(void **state)
{
	struct openrep *r = *state;
	struct sent first = { 1, 0, 1000, 1, 10 }, second = { 2, 1, 2000, 1, 11 };

	end_window(r, 7, LIFE, first, 0);
	assert_hint(r, 7, 0, 0);
	end_window(r, 8, LIFE, first, FRAME_WINDOW_END);
	assert_hint(r, 8, LIFE, 1);
	end_window(r, 0, LIFE, second, FRAME_WINDOW_END);
	assert_hint(r, 8, LIFE, 2);
	end_window(r, 9, LIFE, first, FRAME_WINDOW_END); /* the stream is behind the link */
	assert_hint(r, 9, LIFE, 2);
	end_window(r, 10, LIFE - 1, (struct sent){ 5, 4, 3000, 1, 12 }, FRAME_WINDOW_END);
	assert_hint(r, 10, LIFE, 2);
	end_window(r, 0, LIFE + 1, first, FRAME_WINDOW_END);
	assert_hint(r, 10, LIFE + 1, 1);
	openrep_restart(r);
	assert_hint(r, 10, LIFE + 1, 1);
}

static void
end_part(struct openrep *r, struct shard of, uint64_t at, struct sent s)
{
	struct buf b = { 0 };

	sent_frame(&b, LIFE, THERE, "dog", &s);
	frame_end(&b, 0, b.len, FRAME_WINDOW_END);
	openrep_frame_in(r, boston, of, at, &b);
	buf_free(&b);
}

/* Of several streams each has a place of its own, and what is whole is what all have brought. */
static void
test_hint_of_several(void **state)
{
	struct openrep *r = *state;
	struct cursors_hint hint;

	end_part(r, (struct shard){ 1, 2 }, 30, (struct sent){ 1, 0, 1000, 1, 10 });
	assert_hint(r, 0, 0, 0);
	end_part(r, (struct shard){ 1, 2 }, 31, (struct sent){ 4, 1, 1000, 1, 10 });
	end_part(r, (struct shard){ 0, 2 }, 5, (struct sent){ 3, 1, 1000, 1, 10 });
	assert_hint(r, 5, LIFE, 3);
	assert_int_equal(cursors_coming(r->rep.cursors, boston, LIFE), 3);
	assert_int_equal(cursors_coming(r->rep.cursors, boston, LIFE), 0);
	end_part(r, (struct shard){ 1, 2 }, 32, (struct sent){ 9, 4, 1000, 1, 10 });
	assert_int_equal(cursors_coming(r->rep.cursors, boston, LIFE), 9);
	openrep_restart(r);
	assert_hint(r, 5, LIFE, 3);
	hint = cursors_hint(r->rep.cursors, boston);
	assert_int_equal(hint.streams, 2);
	assert_int_equal(hint.stream_seq[1], 32);
	/* Another number of them: those were others. */
	end_part(r, (struct shard){ 2, 3 }, 1, (struct sent){ 10, 9, 1000, 1, 10 });
	hint = cursors_hint(r->rep.cursors, boston);
	assert_int_equal(hint.streams, 3);
	assert_int_equal(hint.stream_seq[0] + hint.stream_seq[1], 0);
	assert_int_equal(hint.stream_seq[2], 1);
}

static void
test_cursor_is_saved(void **state)
{
	struct openrep *r = *state;

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	frame(r, (struct sent){ 4, 1, 2000, 1, 11 });
	assert_at(r, CURSOR_LIVE, 4);
	openrep_restart(r);
	assert_at(r, CURSOR_LIVE, 4);
	assert_int_equal(cursors_hint(r->rep.cursors, boston).stream_seq[0], 4);
	assert_int_equal(value(r, "1"), 11);
	/* It comes once more, then the next one. */
	frame(r, (struct sent){ 4, 1, 2000, 1, 99 });
	frame(r, (struct sent){ 6, 4, 3000, 2, 12 });
	assert_at(r, CURSOR_LIVE, 6);
	assert_int_equal(value(r, "1"), 11);
	assert_int_equal(value(r, "2"), 12);
}

static void
test_gap(void **state)
{
	struct openrep *r = *state;

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	frame(r, (struct sent){ 5, 3, 2000, 1, 11 });
	assert_at(r, CURSOR_FETCH, 1);
	assert_int_equal(value(r, "1"), 10);
	openrep_log(r, LIFE, THERE, "dog",
	    (struct sent[]){ { 3, 1, 1500, 2, 20 }, { 5, 3, 2000, 1, 11 } }, 2, 5);
	assert_at(r, CURSOR_LIVE, 5);
	assert_int_equal(value(r, "1"), 11);
	assert_int_equal(value(r, "2"), 20);
}

/* Sequences are given again after a node was put back: the mark says whose it is. */
static void
test_other_life(void **state)
{
	struct openrep *r = *state;

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	frame(r, (struct sent){ 2, 1, 2000, 1, 11, LIFE_MARK + 1 });
	assert_int_equal(cursor(r, THERE)->state, CURSOR_FETCH);
	assert_int_equal(value(r, "1"), 10);
}

static void
test_incarnations(void **state)
{
	struct openrep *r = *state;
	struct sent old = { 2, 1, 2000, 1, 11 };

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	openrep_frame(r, boston, LIFE - 1, THERE, "dog", &old);
	assert_int_equal(value(r, "1"), 10);
	openrep_frame(r, boston, LIFE + 1, THERE, "dog", &old);
	assert_int_equal(cursor(r, THERE)->state, CURSOR_COPY);
	assert_int_equal(value(r, "1"), 10);
}

/* Frames carry who wrote them; a name may be another node's by now. */
static void
test_frame_of_another(void **state)
{
	struct openrep *r = *state;
	struct entering e = { austin, "austin", "*", 1, 1, 0, 5 };
	struct sent s = { 1, 0, 1000, 1, 10 };

	openrep_call(r, entering_run, &e);
	openrep_frame(r, austin, LIFE, THERE, "dog", &s);
	assert_null(cursor(r, THERE));
	assert_int_equal(value(r, "1"), -1);
}

static void
test_without_subscription(void **state)
{
	struct openrep *r = *state;

	enter(r, 1, 0, 0, 6);
	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	assert_null(cursor(r, THERE));
	enter(r, 1, 1, 1, 7);
	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	assert_null(cursor(r, THERE));
	/* An older entry that arrives late changes nothing. */
	enter(r, 1, 1, 0, 6);
	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	assert_null(cursor(r, THERE));
	assert_int_equal(value(r, "1"), -1);
}

static void
test_clock_ahead(void **state)
{
	struct openrep *r = *state;
	uint64_t now = wall_ms();

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	frame(r, (struct sent){ 2, 1, now + 50000, 1, 11 });
	assert_at(r, CURSOR_LIVE, 2);
	frame(r, (struct sent){ 3, 2, now + 100000, 1, 12 });
	assert_at(r, CURSOR_CLOCK, 2);
	assert_int_equal(value(r, "1"), 11);
	ahead_ms = 60000;
	openrep_log(r, LIFE, THERE, "dog", (struct sent[]){ { 3, 2, now + 100000, 1, 12 } }, 1, 3);
	assert_at(r, CURSOR_LIVE, 3);
	assert_int_equal(value(r, "1"), 12);
}

/* A table that the peer dropped and made again has another id: all that it has is new. */
static void
test_remade_table(void **state)
{
	struct openrep *r = *state;
	struct sent s = { 9, 8, 3000, 2, 20 };

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	openrep_frame(r, boston, LIFE, THERE + 1, "dog", &s);
	assert_null(cursor(r, THERE));
	assert_int_equal(cursor(r, THERE + 1)->state, CURSOR_COPY);
	assert_int_equal(cursor(r, THERE + 1)->chunks, 0);
	/* Late: of the one that was dropped there. */
	frame(r, (struct sent){ 2, 1, 2000, 1, 11 });
	assert_null(cursor(r, THERE));
	assert_int_equal(value(r, "1"), 10);
}

/* The peer was put back to before it made the dog, and gave its id to the cat. */
static void
test_id_given_again(void **state)
{
	struct openrep *r = *state;

	assert_int_equal(opendata_define(&r->o, DDL_CREATE_TABLE, "cat", NULL, 0), 200);
	frame(r, (struct sent){ 5, 0, 1000, 1, 10 });
	assert_at(r, CURSOR_LIVE, 5);
	openrep_frame(r, boston, LIFE + 1, THERE, "cat", &(struct sent){ 2, 0, 2000, 1, 20 });
	assert_string_equal(cursor(r, THERE)->name, "cat");
	assert_at(r, CURSOR_LIVE, 2);
	openrep_frame(r, boston, LIFE + 1, THERE, "cat", &(struct sent){ 3, 2, 3000, 1, 21 });
	assert_at(r, CURSOR_LIVE, 3);
	/* What is late of the dog is not of the cat. */
	frame(r, (struct sent){ 9, 5, 1000, 1, 11 });
	assert_string_equal(cursor(r, THERE)->name, "cat");
}

/* The same, as it shows when subscriptions are compared. */
static void
test_remade_table_offered(void **state)
{
	struct openrep *r = *state;
	struct offer *o = offering_new(boston, "boston", LIFE);

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	offering_add(o, "*", 1, 1, 0, 5);
	offering_table(o, "dog", THERE + 1, 9, "id");
	assert_int_equal(openrep_take(r, o), 200);
	assert_null(cursor(r, THERE));
	assert_int_equal(cursor(r, THERE + 1)->state, CURSOR_COPY);
	assert_int_equal(cursor(r, THERE + 1)->seq, 0);
}

/* What was deleted for longer than tombstones stay does not come back, also after a restart. */
static void
test_horizon(void **state)
{
	struct openrep *r = *state;
	uint64_t now = wall_ms();
	struct table *t;

	enter(r, 0, 1, 1, 6); /* nobody is waited for */
	opendata_write(&r->o, "dog", TXN_INSERT, "[{\"id\":1,\"a\":1}]");
	opendata_write(&r->o, "dog", TXN_DELETE, "[1]");
	tombstone_run(&r->rep);
	opendata_write(&r->o, "dog", TXN_UPSERT, "[{\"id\":3,\"a\":1}]");
	t = catalog_get(r->o.data.catalog, "dev", "dog");
	assert_true(stamp_none(t->horizon));
	table_unref(t);
	ahead_ms = 2000000;
	tombstone_run(&r->rep);
	opendata_write(&r->o, "dog", TXN_UPSERT, "[{\"id\":3,\"a\":2}]");
	openrep_restart(r);
	t = catalog_get(r->o.data.catalog, "dev", "dog");
	assert_false(stamp_none(t->horizon));
	table_unref(t);
	enter(r, 1, 1, 0, 7);
	frame(r, (struct sent){ 1, 0, now - 1000, 1, 10 });
	frame(r, (struct sent){ 2, 1, now + 1000000, 2, 20 });
	assert_int_equal(value(r, "1"), -1);
	assert_int_equal(value(r, "2"), 20);
}

/* Not those that a peer may lack, or that what it holds back may bring to life again. */
static void
assert_tombstone_stays(struct openrep *r)
{
	struct table *t;
	struct buf bytes = { 0 };

	tombstone_run(&r->rep);
	opendata_write(&r->o, "dog", TXN_UPSERT, "[{\"id\":3,\"a\":2}]");
	t = catalog_get(r->o.data.catalog, "dev", "dog");
	assert_true(stamp_none(t->horizon));
	assert_int_equal(opendata_stored(&r->o, "dog", "1", &bytes), 1);
	buf_free(&bytes);
	table_unref(t);
}

/* Tombstones stay until everybody who gets the table has them, and who gives it was heard. */
static void
test_tombstones_wait(void **state)
{
	struct openrep *r = *state;

	opendata_write(&r->o, "dog", TXN_INSERT, "[{\"id\":1,\"a\":1}]");
	opendata_write(&r->o, "dog", TXN_DELETE, "[1]");
	ahead_ms = 2000000;
	assert_tombstone_stays(r);
	enter(r, 1, 0, 0, 7);
	assert_tombstone_stays(r);
	enter(r, 0, 1, 0, 8);
	assert_tombstone_stays(r);
}

/* Nothing late brings back what was there before the table was dropped here. */
static void
test_floor(void **state)
{
	struct openrep *r = *state;
	uint64_t now = wall_ms();

	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	openrep_restart(r);
	assert_int_equal(opendata_define(&r->o, DDL_CREATE_TABLE, "dog", NULL, 0), 200);
	frame(r, (struct sent){ 1, 0, now - 1000, 1, 10 });
	frame(r, (struct sent){ 2, 1, now + 30000, 2, 20 });
	assert_int_equal(value(r, "1"), -1);
	assert_int_equal(value(r, "2"), 20);
}

/* What changed a row goes on to others, once. */
static void
test_republished(void **state)
{
	struct openrep *r = *state;
	uint64_t had = own_last(r);

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	assert_int_equal(own_last(r), had);
	r->o.data.live.republish = 1;
	frame(r, (struct sent){ 2, 1, 2000, 1, 11 });
	assert_int_equal(own_last(r), had + 1);
	frame(r, (struct sent){ 3, 2, 2000, 1, 11 });
	assert_at(r, CURSOR_LIVE, 3);
	assert_int_equal(own_last(r), had + 1);
}

/* ---- catch-up ---- */

static size_t
due(struct openrep *r, uint64_t in_us)
{
	return (openrep_ask(r, in_us));
}

/* The peer died, or did not answer in time: it is asked again, not at once. */
static void
test_not_answered(void **state)
{
	struct openrep *r = *state;

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	frame(r, (struct sent){ 5, 3, 2000, 1, 11 });
	assert_int_equal(due(r, 0), 1);
	assert_int_equal(due(r, 60000000), 0);
	openrep_answer_as_is(r, THERE, NULL);
	assert_int_equal(due(r, 0), 0);
	assert_int_equal(due(r, 5000000), 1);
	assert_at(r, CURSOR_FETCH, 1);
}

static void
test_refused(void **state)
{
	struct openrep *r = *state;
	struct buf b = { 0 };

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	frame(r, (struct sent){ 5, 3, 2000, 1, 11 });
	seal_begin(&b);
	buf_u16(&b, 410);
	buf_u64(&b, LIFE);
	buf_u32(&b, THERE);
	openrep_answer(r, THERE, &b);
	assert_int_equal(cursor(r, THERE)->state, CURSOR_COPY);
	buf_free(&b);
}

/* ---- what is damaged on its way ---- */

static uint64_t
broken(struct openrep *r, enum broken_kind kind)
{
	return (r->rep.broken.n[kind]);
}

/* A bit of each byte; it is put back. */
static void
flip(struct buf *b, size_t i)
{
	b->data[i] ^= (uint8_t)(1u << i % 8);
}

/* Nothing of it is taken, and the next one shows that it is missing. */
static void
test_damaged_frame(void **state)
{
	struct openrep *r = *state;
	struct buf b = { 0 };

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	sent_frame(&b, LIFE, THERE, "dog", &(struct sent){ 2, 1, 2000, 1, 11 });
	for (size_t i = 0; i < b.len; i++) {
		flip(&b, i);
		openrep_frame_as_is(r, boston, 2, &b);
		flip(&b, i);
		assert_at(r, CURSOR_LIVE, 1);
		assert_int_equal(broken(r, BROKEN_FRAME), i + 1);
	}
	assert_int_equal(value(r, "1"), 10);
	assert_int_equal(cursors_hint(r->rep.cursors, boston).stream_seq[0], 2);
	frame(r, (struct sent){ 3, 2, 3000, 1, 12 });
	assert_at(r, CURSOR_FETCH, 1);
	openrep_log(r, LIFE, THERE, "dog",
	    (struct sent[]){ { 2, 1, 2000, 1, 11 }, { 3, 2, 3000, 1, 12 } }, 2, 3);
	assert_at(r, CURSOR_LIVE, 3);
	assert_int_equal(value(r, "1"), 12);
	buf_free(&b);
}

/* After so many broken answers in a row nothing is asked for 1, 2, 4 ... 60 seconds. */
static void
assert_paused(struct openrep *r, size_t n, uint64_t before)
{
	uint64_t after = cluster_catch_up_after(r->rep.cluster, boston);
	uint64_t pause = n == 0 ? 0 : n > 6 ? 60000000 : UINT64_C(1000000) << (n - 1);

	if (pause == 0)
		assert_int_equal(after, 0);
	else
		assert_true(after >= before + pause && after <= mono_us() + pause);
}

/* Asked again, not at once, and nothing of it is taken. */
static void
assert_all_damages_seen(struct openrep *r, struct buf *b, enum cursor_state is, uint64_t seq)
{
	uint32_t there = THERE;
	struct cursors_question q = {
		.kind = CATCHUP_LOG,
		.turn = UINT64_MAX,
		.tables = &there,
		.n = 1,
	};
	uint64_t before;

	for (size_t i = 0; i < b->len; i++) {
		before = mono_us();
		flip(b, i);
		openrep_answer_as_is(r, THERE, b);
		flip(b, i);
		assert_paused(r, i + 1, before);
		assert_at(r, is, seq);
		assert_int_equal(broken(r, BROKEN_ANSWER), i + 1);
		assert_int_equal(due(r, 0), 0);
		assert_int_equal(due(r, 5000000), 1);
	}
	openrep_answer_as_is(r, THERE, b);
	assert_int_equal(broken(r, BROKEN_ANSWER), b->len);
	assert_paused(r, 0, 0);
	/* The next one is the first in a row again. */
	before = mono_us();
	flip(b, 0);
	memcpy(q.peer, boston, NODE_ID_LEN);
	openrep_answer_to(r, &q, b);
	assert_paused(r, 1, before);
}

static void
test_damaged_transactions(void **state)
{
	struct openrep *r = *state;
	struct buf b = { 0 };

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	frame(r, (struct sent){ 3, 2, 3000, 1, 12 });
	sent_log(&b, LIFE, THERE, "dog",
	    (struct sent[]){ { 2, 1, 2000, 1, 11 }, { 3, 2, 3000, 1, 12 } }, 2, 3);
	assert_all_damages_seen(r, &b, CURSOR_FETCH, 1);
	assert_at(r, CURSOR_LIVE, 3);
	assert_int_equal(value(r, "1"), 12);
	buf_free(&b);
}

static void
test_damaged_rows(void **state)
{
	struct openrep *r = *state;
	struct buf b = { 0 };

	frame(r, (struct sent){ 5, 3, 2000, 9, 90 });
	sent_rows(&b, LIFE, THERE, &(struct sent){ 0, 0, 1500, 1, 10 }, 5, 0);
	assert_all_damages_seen(r, &b, CURSOR_COPY, 0);
	assert_at(r, CURSOR_COPY, 5);
	assert_int_equal(cursor(r, THERE)->chunks, 1);
	assert_int_equal(value(r, "1"), 10);
	buf_free(&b);
}

static uint16_t
status_of(struct openrep *r, const struct buf *question)
{
	struct catchup_answer a;
	struct buf out = { 0 };

	catchup_serve(&r->rep, NULL, question->data, question->len, &out);
	assert_int_equal(catchup_answer_read(&a, CATCHUP_ROWS, out.data, out.len), 0);
	buf_free(&out);
	return (a.status);
}

/* A key that was damaged would leave rows out of a copy. */
static void
test_damaged_question(void **state)
{
	struct openrep *r = *state;
	struct catchup_question q = {
		.kind = CATCHUP_ROWS,
		.database = "dev",
		.dblen = 3,
		.name = "dog",
		.nlen = 3,
		.key = (const uint8_t *)"k",
		.klen = 1,
		.max = 1 << 20,
	};
	struct buf b = { 0 };

	memcpy(q.asker, boston, NODE_ID_LEN);
	catchup_question_write(&b, &q);
	assert_int_equal(status_of(r, &b), 200);
	for (size_t i = 1; i < b.len; i++) {
		flip(&b, i);
		assert_int_equal(status_of(r, &b), 503);
		flip(&b, i);
	}
	b.data[0] ^= 0x40; /* another format: it will not be another one the next time */
	assert_int_equal(status_of(r, &b), 400);
	assert_int_equal(broken(r, BROKEN_QUESTION), b.len);
	buf_free(&b);
}

static void
start_copy(struct openrep *r)
{
	frame(r, (struct sent){ 5, 3, 2000, 9, 90 }); /* a log that began without us */
	assert_int_equal(cursor(r, THERE)->state, CURSOR_COPY);
}

/* The head of the first chunk is where entries go on. */
static void
test_copy(void **state)
{
	struct openrep *r = *state;

	start_copy(r);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1500, 1, 10 }, 5, 0);
	assert_at(r, CURSOR_COPY, 5);
	openrep_restart(r);
	assert_at(r, CURSOR_COPY, 5);
	assert_int_equal(cursor(r, THERE)->chunks, 1);
	assert_true(cursor(r, THERE)->next_len > 0);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1500, 2, 20 }, 8, 1);
	assert_at(r, CURSOR_FETCH, 5);
	assert_int_equal(cursor(r, THERE)->next_len, 0);
	assert_int_equal(value(r, "1"), 10);
	assert_int_equal(value(r, "2"), 20);
	openrep_log(r, LIFE, THERE, "dog", (struct sent[]){ { 8, 5, 3000, 1, 11 } }, 1, 8);
	assert_at(r, CURSOR_LIVE, 8);
	assert_int_equal(value(r, "1"), 11);
}

static void
happen_run(struct group *g, void *arg)
{
	cursors_on(g, cursors_find(replication_of(g)->cursors, boston, THERE), arg);
}

/* Something that happens to the cursor. */
static void
happen(struct openrep *r, struct cursor_event e)
{
	openrep_call(r, happen_run, &e);
}

/* Frames that come during a copy are applied, before the first chunk they are not. */
static void
test_frames_during_copy(void **state)
{
	struct openrep *r = *state;

	start_copy(r);
	frame(r, (struct sent){ 6, 5, 2500, 3, 30 });
	assert_int_equal(value(r, "3"), -1);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1500, 1, 10 }, 6, 0);
	frame(r, (struct sent){ 7, 6, 2600, 3, 31 });
	assert_at(r, CURSOR_COPY, 7);
	assert_int_equal(value(r, "3"), 31);
}

/* The head that a copy begins with may be older than what would chain meanwhile. */
static void
test_frames_before_the_head(void **state)
{
	struct openrep *r = *state;

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	happen(r, (struct cursor_event){ .kind = ON_ALL });
	frame(r, (struct sent){ 2, 1, 2000, 1, 11 });
	assert_at(r, CURSOR_COPY, 1);
	assert_int_equal(value(r, "1"), 10);
}

static void
test_copy_of_another_incarnation(void **state)
{
	struct openrep *r = *state;

	start_copy(r);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1500, 1, 10 }, 5, 0);
	openrep_rows(r, LIFE + 1, THERE, &(struct sent){ 0, 0, 1500, 2, 20 }, 2, 1);
	assert_int_equal(cursor(r, THERE)->state, CURSOR_COPY);
	assert_int_equal(cursor(r, THERE)->chunks, 0);
	assert_int_equal(value(r, "2"), -1);
}

static void
begin_since(struct group *g, void *arg)
{
	cursors_on(g, cursors_add(g, boston, THERE, "dev", "dog"), arg);
}

/* From a start time on, what was written at that very millisecond too. */
static void
test_copy_from_a_time(void **state)
{
	struct openrep *r = *state;
	struct cursor_event since = { .kind = ON_SINCE, .from_ms = 1500, .copied = 1 };

	openrep_call(r, begin_since, &since);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1499, 1, 10 }, 5, 0);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1500, 2, 20 }, 5, 1);
	assert_int_equal(value(r, "1"), -1);
	assert_int_equal(value(r, "2"), 20);
	assert_int_equal(cursor(r, THERE)->from_ms, 0);
}

/* A call with a start time for a table that comes already: what is on its way comes, too. */
static void
test_copy_beside(void **state)
{
	struct openrep *r = *state;

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	happen(r, (struct cursor_event){ .kind = ON_SINCE, .from_ms = 5000 });
	frame(r, (struct sent){ 2, 1, 2000, 1, 11 });
	assert_at(r, CURSOR_COPY, 2);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 6000, 2, 20 }, 4, 1);
	assert_at(r, CURSOR_FETCH, 2);
	openrep_log(r, LIFE, THERE, "dog",
	    (struct sent[]){ { 3, 2, 4000, 3, 30 }, { 4, 3, 6000, 2, 20 } }, 2, 4);
	assert_at(r, CURSOR_LIVE, 4);
	assert_int_equal(value(r, "1"), 11);
	assert_int_equal(value(r, "3"), 30);
}

/* What was asked before a copy began anew does not count as its beginning. */
static void
test_copy_answered_late(void **state)
{
	struct openrep *r = *state;
	struct cursors_question *q;
	struct buf b = { 0 };

	start_copy(r);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1500, 1, 10 }, 5, 0);
	assert_int_equal(due(r, 0), 1);
	q = openrep_asked(r, THERE);
	happen(r, (struct cursor_event){ .kind = ON_ALL });
	answer_start(&b, LIFE, THERE, 5);
	buf_u8(&b, 1);
	buf_blob(&b, NULL, 0);
	buf_blob(&b, NULL, 0);
	buf_u32(&b, 0);
	seal_end(&b, 0, b.len);
	openrep_answer_to(r, q, &b);
	cursors_question_free(q);
	assert_at(r, CURSOR_COPY, 5);
	assert_int_equal(cursor(r, THERE)->chunks, 0);
	buf_free(&b);
}

/* What cannot come in now does not end a copy: it is asked for after it. */
static void
test_ahead_during_copy(void **state)
{
	struct openrep *r = *state;
	uint64_t now = wall_ms();

	start_copy(r);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1500, 1, 10 }, 5, 0);
	frame(r, (struct sent){ 6, 5, now + 100000, 2, 20 });
	assert_at(r, CURSOR_COPY, 5);
	assert_true(cursor(r, THERE)->next_len > 0);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1500, 3, 30 }, 6, 1);
	assert_int_equal(value(r, "3"), 30);
	assert_at(r, CURSOR_FETCH, 5);
	openrep_log(r, LIFE, THERE, "dog", (struct sent[]){ { 6, 5, now + 100000, 2, 20 } }, 1, 6);
	assert_at(r, CURSOR_CLOCK, 5);
}

/* Behind a format between nodes that both know: said with both numbers. */
static void
test_transaction_of_another_format(void **state)
{
	struct openrep *r = *state;
	struct frame f = { .incarnation = LIFE, .table = THERE, .window = 2 };
	struct buf bytes = { 0 }, payload = { 0 };
	struct log_entry e = sent_entry(&payload, &(struct sent){ 2, 1, 2000, 2, 20 }, boston,
	    THERE, "dog");

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	payload.data[0] = TXN_FORMAT + 1;
	memcpy(f.node, boston, NODE_ID_LEN);
	frame_add(&bytes, frame_begin(&bytes, &f), &e);
	frame_end(&bytes, 0, bytes.len, 0);
	openrep_frame_as_is(r, boston, 2, &bytes);
	assert_at(r, CURSOR_FAILED, 1);
	assert_string_equal(cursor(r, THERE)->why,
	    "a transaction is of format 3, and this version (" PACKAGE_VERSION ") reads format 2");
	assert_int_equal(value(r, "2"), -1);
	buf_free(&bytes);
	buf_free(&payload);
}

/* ---- cursors on disk ---- */

struct record {
	const uint8_t *key;
	size_t klen;
	const uint8_t *value;
	size_t vlen;
};

static void
put_record(struct group *g, void *arg)
{
	const struct record *rec = arg;

	store_batch_put(group_batch(g), CF_CURSOR, rec->key, rec->klen, rec->value, rec->vlen);
}

/* What is said at the next start of a store with such a record. */
static void
load_says(struct openrep *r, size_t klen, const struct buf *value, const char *want)
{
	uint8_t key[NODE_ID_LEN + 5] = { 0 };
	struct record rec = { key, klen, value->data, value->len };
	struct cursors *again;
	char *err = NULL;

	memcpy(key, boston, NODE_ID_LEN);
	key[NODE_ID_LEN + 3] = THERE;
	assert_int_equal(openrep_call(r, put_record, &rec), 200);
	again = cursors_load(&r->rep, &err);
	if (want == NULL) {
		assert_non_null(again);
	} else {
		assert_null(again);
		assert_string_equal(err, want);
	}
	cursors_free(again);
	free(err);
}

static void
test_cursors_that_cannot_be_read(void **state)
{
	struct openrep *r = *state;
	struct buf value = { 0 };

	frame(r, (struct sent){ 1, 0, 1000, 1, 10 });
	cursor_view_write(cursor(r, THERE), &value);
	load_says(r, NODE_ID_LEN + 4, &value, NULL);
	value.data[0] = CURSOR_FORMAT + 1;
	load_says(r, NODE_ID_LEN + 4, &value,
	    "store: a cursor is of format 7, and this version (" PACKAGE_VERSION
	    ") reads format 6");
	value.data[0] = CURSOR_FORMAT;
	value.len--;
	load_says(r, NODE_ID_LEN + 4, &value, "store: the cursors cannot be read");
	value.len++;
	load_says(r, NODE_ID_LEN + 4, &value, NULL);
	load_says(r, NODE_ID_LEN + 5, &value, "store: the cursors cannot be read");
	buf_free(&value);
}

/* A copy that failed goes on as a copy. */
static void
test_copy_fails(void **state)
{
	struct openrep *r = *state;
	struct buf b = { 0 };

	start_copy(r);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1500, 1, 10 }, 5, 0);
	answer_start(&b, LIFE, THERE, 5);
	buf_u8(&b, 1);
	buf_blob(&b, NULL, 0);
	buf_blob(&b, NULL, 0);
	buf_u32(&b, 1);
	buf_strn(&b, "?", 1);
	openrep_answer(r, THERE, &b);
	assert_at(r, CURSOR_FAILED, 5);
	openrep_restart(r);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 0, 0, 1500, 2, 20 }, 5, 1);
	assert_at(r, CURSOR_FETCH, 5);
	assert_int_equal(value(r, "2"), 20);
	buf_free(&b);
}

/* What a peer's table cannot be called: the place of the hint, and ours of what recovers. */
static void
test_ids(void **state)
{
	struct openrep *r = *state;
	struct sent s = { 1, 0, 1000, 1, 10 };

	openrep_frame(r, boston, LIFE, 0, "dog", &s);
	assert_null(cursor(r, 0));
	openrep_frame(r, boston, LIFE, CURSOR_OWN | 1, "dog", &s);
	assert_null(cursor(r, CURSOR_OWN | 1));
	assert_int_equal(value(r, "1"), -1);
}

/* ---- what peers get ---- */

static void
serve(struct openrep *r, struct catchup_question q, struct buf *out, struct catchup_answer *a)
{
	struct table *t = catalog_get(r->o.data.catalog, "dev", "dog");
	struct buf b = { 0 };

	memcpy(q.asker, boston, NODE_ID_LEN);
	q.database = "dev";
	q.name = "dog";
	q.dblen = q.nlen = 3;
	q.table = t->id;
	q.max = 1 << 20;
	catchup_question_write(&b, &q);
	buf_clear(out);
	catchup_serve(&r->rep, NULL, b.data, b.len, out);
	assert_int_equal(catchup_answer_read(a, q.kind, out->data, out->len), 0);
	buf_free(&b);
	table_unref(t);
}

/* ---- who it really is ---- */

struct replied {
	uint16_t status;
	int times;
};

static void
reply_cb(void *arg, uint16_t status, const void *body, size_t n)
{
	struct replied *r = arg;

	r->status = status;
	r->times++;
}

/* `to`: the id of the node that is meant, or NULL. */
static uint16_t
asked_for(struct openrep *r, const uint8_t *who, const char *verb, const int range[2],
    const char *to)
{
	struct replied got = { 0 };
	char hex[2 * NODE_ID_LEN + 1];
	json_t *question;

	node_id_hex(boston, hex);
	question = json_pack("{s:s, s:s, s:i, s:b, s:[], s:I, s:i, s:[]}", "id", hex, "name",
	    "boston", "incarnation", 1, "strict", 0, "subscriptions", "now", (json_int_t)wall_ms(),
	    "digest", 0, "cursors");
	if (range != NULL)
		json_object_set_new(question, "formats", json_pack("[i,i]", range[0], range[1]));
	if (to != NULL)
		json_object_set_new(question, "to", json_string(to));
	incoming_question(r->rep.cluster, who, verb, question,
	    (struct carrier_reply){ reply_cb, &got });
	while (got.times == 0)
		event_base_loop(r->o.svc.base, EVLOOP_ONCE);
	assert_int_equal(got.times, 1);
	json_decref(question);
	return (got.status);
}

static uint16_t
asked_in(struct openrep *r, const uint8_t *who, const char *verb, const int range[2])
{
	return (asked_for(r, who, verb, range, NULL));
}

static uint16_t
asked_as(struct openrep *r, const uint8_t *who, const char *verb)
{
	int ours[2] = { formats.wire, formats.wire };

	return (asked_in(r, who, verb, ours));
}

/* Of a node that had this one's name, and is undone or compared under it: it is none of ours. */
static void
test_for_another(void **state)
{
	struct openrep *r = *state;
	const char *other = "00112233445566778899aabbccddeeff";
	int ours[2] = { formats.wire, formats.wire };
	char hex[NODE_HEX_LEN];

	node_id_hex(r->o.data.node_id, hex);
	assert_int_equal(asked_for(r, NULL, "subscriptions", ours, other), 404);
	assert_int_equal(asked_for(r, NULL, "subscriptions", ours, hex), 200);
	assert_int_equal(asked_for(r, NULL, "subscriptions", ours, NULL), 200);
}

/* Whoever shares no format, or names none, is answered so that it knows. */
static void
test_formats(void **state)
{
	struct openrep *r = *state;
	const char *verbs[] = { "status", "subscriptions" };
	int new[2] = { formats.wire + 1, formats.wire + 2 },
	    old[2] = { 1, formats.wire_oldest - 1 };
	int both[2] = { formats.wire, formats.wire + 1 };

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(asked_in(r, boston, verbs[i], new), 409);
		assert_int_equal(asked_in(r, boston, verbs[i], old), 409);
		assert_int_equal(asked_in(r, boston, verbs[i], NULL), 409);
		assert_int_equal(asked_in(r, boston, verbs[i], both), 200);
	}
}

/* What a peer's answers say is kept, until they say otherwise. */
static void
test_refused_peer(void **state)
{
	struct openrep *r = *state;
	struct cluster *c = r->rep.cluster;
	json_t *old = json_pack("{s:s, s:[i,i], s:s}", "name", "boston", "formats", 1, 2, "version",
		   "0.0.1"),
	       *now = json_pack("{s:s}", "name", "boston");
	uint64_t before = compat_changes(c);
	char *why;

	compat_say(now);
	assert_false(compat_note(c, boston, now));
	assert_int_equal(compat_changes(c), before);
	assert_true(compat_note(c, boston, old));
	assert_true(compat_note(c, boston, old));
	assert_true(compat_refuses(c, boston));
	assert_false(compat_refuses(c, austin));
	assert_int_equal(compat_changes(c), before + 1);
	why = compat_refused(c, boston);
	assert_non_null(strstr(why, "'boston' (version 0.0.1) speaks formats 1 to 2"));
	assert_non_null(strstr(why, "Update hubleaf on 'boston'"));
	free(why);
	assert_false(compat_note(c, boston, now));
	assert_false(compat_refuses(c, boston));
	assert_int_equal(compat_changes(c), before + 2);
	json_decref(old);
	json_decref(now);
}

/* Whoever the carrier vouches for speaks for itself alone; for whom it does not is believed. */
static void
test_speaks_for_itself(void **state)
{
	struct openrep *r = *state;
	const char *verbs[] = { "status", "subscriptions" };

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(asked_as(r, austin, verbs[i]), 403);
		assert_int_equal(asked_as(r, boston, verbs[i]), 200);
		assert_int_equal(asked_as(r, NULL, verbs[i]), 200);
	}
	assert_int_equal(asked_as(r, NULL, "no such verb"), 400);
}

static void
test_asks_for_itself(void **state)
{
	struct openrep *r = *state;
	struct table *t = catalog_get(r->o.data.catalog, "dev", "dog");
	struct catchup_question q = {
		.kind = CATCHUP_ROWS,
		.table = t->id,
		.database = "dev",
		.name = "dog",
		.dblen = 3,
		.nlen = 3,
		.max = 1 << 20,
	};
	struct catchup_answer a;
	const uint8_t *who[] = { austin, boston, NULL };
	uint16_t statuses[] = { 403, 200, 200 };
	struct buf b = { 0 }, out = { 0 };

	memcpy(q.asker, boston, NODE_ID_LEN);
	catchup_question_write(&b, &q);
	for (size_t i = 0; i < 3; i++) {
		buf_clear(&out);
		catchup_serve(&r->rep, who[i], b.data, b.len, &out);
		assert_int_equal(catchup_answer_read(&a, q.kind, out.data, out.len), 0);
		assert_int_equal(a.status, statuses[i]);
	}
	buf_free(&b);
	buf_free(&out);
	table_unref(t);
}

static void
write_one(void *arg)
{
	opendata_write(arg, "dog", TXN_UPSERT, "[{\"id\":9,\"a\":1}]");
}

/* What is written while rows are read is not among them: it must be after the head. */
static void
test_head_before_rows(void **state)
{
	struct openrep *r = *state;
	struct catchup_answer a;
	struct buf out = { 0 };
	uint64_t last;

	opendata_write(&r->o, "dog", TXN_INSERT, "[{\"id\":1}]");
	last = own_last(r);
	meanwhile_arg = &r->o;
	meanwhile = write_one;
	serve(r, (struct catchup_question){ .kind = CATCHUP_ROWS }, &out, &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.count, 1);
	assert_int_equal(own_last(r), last + 1);
	assert_int_equal(a.head.seq, last);
	buf_free(&out);
}

struct blocking {
	sem_t inside, go, out;
};

static void
block_run(void *arg)
{
	struct blocking *b = arg;

	sem_post(&b->inside);
	sem_wait(&b->go);
	sem_post(&b->out);
}

struct serving {
	int times;
	uint16_t status;
};

static void
served_cb(void *arg, uint16_t status, const void *body, size_t n)
{
	struct serving *s = arg;
	struct catchup_answer a;

	assert_int_equal(status, 200);
	assert_int_equal(catchup_answer_read(&a, CATCHUP_ROWS, body, n), 0);
	s->status = a.status;
	s->times++;
}

/* The status of rows that are served when workers have had no time for so long. */
static uint16_t
served_after(struct openrep *r, uint64_t ms)
{
	struct catchup_question q = { .kind = CATCHUP_ROWS, .database = "dev", .name = "dog" };
	struct serving got = { 0 };
	struct blocking b;
	struct buf question = { 0 };

	memcpy(q.asker, boston, NODE_ID_LEN);
	q.dblen = q.nlen = 3;
	q.max = 1 << 20;
	catchup_question_write(&question, &q);
	sem_init(&b.inside, 0, 0);
	sem_init(&b.go, 0, 0);
	sem_init(&b.out, 0, 0);
	for (int i = 0; i < WORKERS; i++)
		workers_run(r->o.data.workers, block_run, &b);
	for (int i = 0; i < WORKERS; i++)
		sem_wait(&b.inside);
	incoming_catchup(r->rep.cluster, NULL, question.data, question.len,
	    (struct carrier_reply){ served_cb, &got });
	later_ms += ms;
	for (int i = 0; i < WORKERS; i++)
		sem_post(&b.go);
	for (int i = 0; i < WORKERS; i++)
		sem_wait(&b.out);
	while (got.times == 0)
		event_base_loop(r->o.svc.base, EVLOOP_ONCE);
	buf_free(&question);
	return (got.status);
}

/* For whom nobody listens any more, nothing is read. */
static void
test_served_late(void **state)
{
	struct openrep *r = *state;

	assert_int_equal(served_after(r, 0), 200);
	assert_int_equal(served_after(r, 5000), 503);
	assert_int_equal(served_after(r, 0), 200);
}

static void
test_served_log(void **state)
{
	struct openrep *r = *state;
	struct log_entry e;
	struct catchup_answer a;
	struct buf out = { 0 };
	uint64_t first;

	opendata_write(&r->o, "dog", TXN_INSERT, "[{\"id\":1}]");
	first = own_last(r);
	opendata_write(&r->o, "dog", TXN_INSERT, "[{\"id\":2}]");
	opendata_write(&r->o, "dog", TXN_INSERT, "[{\"id\":3}]");
	serve(r, (struct catchup_question){ .kind = CATCHUP_LOG, .after = first }, &out, &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.count, 2);
	assert_int_equal(log_entry_read(&a.items, &e), 0);
	assert_int_equal(e.seq, first + 1);
	assert_int_equal(a.head.seq, first + 2);
	assert_true(a.done);
	/* A position that is not in the log. */
	serve(r,
	    (struct catchup_question){ .kind = CATCHUP_LOG,
		.incarnation = r->o.data.log.incarnation,
		.seq = first,
		.mark = 1,
		.after = first },
	    &out, &a);
	assert_int_equal(a.status, 409);
	buf_free(&out);
}

static uint64_t
claim(struct openrep *r, uint64_t incarnation)
{
	struct catchup_question q = { .kind = CATCHUP_LOG, .incarnation = incarnation, .seq = 1 };
	struct catchup_answer a;
	struct buf out = { 0 };

	serve(r, q, &out, &a);
	assert_int_equal(a.status, 409);
	buf_free(&out);
	enter(r, 1, 1, 0, 5); /* after what was given to the commit thread */
	return (r->o.data.log.incarnation);
}

/* Whoever says that it has an incarnation beyond all that can be does not use up the numbers. */
static void
test_log_never_had(void **state)
{
	struct openrep *r = *state;
	uint64_t was = r->o.data.log.incarnation;

	assert_int_equal(claim(r, INCARNATION_MAX), was);
	assert_int_equal(claim(r, INCARNATION_SEEN_MAX), INCARNATION_SEEN_MAX + 1);
	assert_int_equal(claim(r, INCARNATION_MAX), INCARNATION_SEEN_MAX + 1);
}

struct asking {
	struct openrep *r;
	_Atomic int ends;
};

static void *
asking_run(void *arg)
{
	struct asking *a = arg;

	while (!a->ends)
		nodes_get_it(a->r->rep.nodes, "dev", "dog");
	return (NULL);
}

/* A peer that is looked at is not freed meanwhile: sanitizers see it. */
static void
test_asked_while_changed(void **state)
{
	struct asking a = { .r = *state };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, asking_run, &a), 0);
	for (uint64_t i = 0; i < 300; i++)
		enter(a.r, i % 2 == 0, 1, 0, 6 + i);
	a.ends = 1;
	pthread_join(thread, NULL);
	assert_false(nodes_get_it(a.r->rep.nodes, "dev", "dog"));
}

static size_t
recovering_within(struct openrep *r, uint64_t stalled_us, uint64_t most_us)
{
	size_t n;
	uint8_t *ids = cursors_recovering(r->rep.cursors, stalled_us, most_us, &n);

	assert_true(n == 0 || memcmp(ids, boston, NODE_ID_LEN) == 0);
	free(ids);
	return (n);
}

static size_t
recovering(struct openrep *r)
{
	return (recovering_within(r, UINT64_MAX, UINT64_MAX));
}

static void
test_recovering(void **state)
{
	struct openrep *r = *state;

	frame(r, (struct sent){ 1, 0, 1000, 1, 11, 0 });
	assert_int_equal(recovering(r), 0);
	happen(r, (struct cursor_event){ .kind = ON_OWN_LOST });
	assert_int_equal(recovering(r), 1);
	/* One that stands still, or goes on for too long. */
	assert_int_equal(recovering_within(r, 0, UINT64_MAX), 0);
	assert_int_equal(recovering_within(r, UINT64_MAX, 0), 0);
	openrep_restart(r);
	assert_int_equal(recovering(r), 1);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 1, 0, 1000, 1, 11, 0 }, 1, 0);
	assert_int_equal(recovering(r), 1);
	openrep_rows(r, LIFE, THERE, &(struct sent){ 1, 0, 1000, 2, 11, 0 }, 1, 1);
	assert_int_equal(recovering(r), 0);
	happen(r, (struct cursor_event){ .kind = ON_OWN_LOST });
	assert_int_equal(recovering(r), 1);
	happen(r,
	    (struct cursor_event){ .kind = ON_OTHER_KEY,
		.key = "x",
		.own_key = "id",
		.key_len = 1 });
	assert_int_equal(recovering(r), 0);
}

static int
claims_after(struct openrep *r, uint64_t minutes)
{
	later_ms += minutes * 60000 + 1000;
	return (cluster_may_claim(r->rep.cluster, boston, wall_ms()));
}

/* Each costs all nodes a copy. */
static void
test_claims(void **state)
{
	struct openrep *r = *state;
	uint64_t was = later_ms;

	assert_false(cluster_may_claim(r->rep.cluster, boston, wall_ms() + 2 * 86400000));
	assert_true(claims_after(r, 0));
	for (uint64_t pause = 1; pause < 60; pause *= 2) {
		assert_false(claims_after(r, pause - 1));
		assert_true(claims_after(r, 1));
	}
	assert_false(claims_after(r, 59));
	assert_true(claims_after(r, 1));
	assert_true(claims_after(r, 60));
	/* After a day without one it is as in the beginning. */
	assert_true(claims_after(r, 1440));
	assert_true(claims_after(r, 1));
	assert_false(claims_after(r, 1));
	assert_true(cluster_may_claim(r->rep.cluster, NULL, wall_ms()));
	later_ms = was;
}

static void
test_not_served(void **state)
{
	struct openrep *r = *state;
	struct catchup_answer a;
	struct buf out = { 0 };

	enter(r, 1, 1, 1, 9);
	serve(r, (struct catchup_question){ .kind = CATCHUP_ROWS }, &out, &a);
	assert_int_equal(a.status, 403);
	serve(r, (struct catchup_question){ .kind = CATCHUP_LOG }, &out, &a);
	assert_int_equal(a.status, 403);
	buf_free(&out);
}

/* ---- retention ---- */

/* One entry each hundred seconds; the log keeps a thousand. */
static uint64_t
fill_log(struct openrep *r)
{
	uint64_t first = own_last(r) + 1;

	ahead_ms = 2000000;
	for (int i = 0; i < 6; i++, ahead_ms += 100000)
		opendata_write(&r->o, "dog", TXN_UPSERT, "[{\"id\":1}]");
	return (first);
}

static void
retain(struct openrep *r)
{
	retain_run(&r->rep, 0);
	opendata_write(&r->o, "dog", TXN_UPDATE, "[{\"id\":77}]"); /* after its job */
}

/* The sequence of the first entry that the log has. */
static uint64_t
oldest(struct openrep *r)
{
	struct table *t = catalog_get(r->o.data.catalog, "dev", "dog");
	struct buf out = { 0 };
	struct log_entry e = { 0 };
	struct rd rd;
	struct log_read q = { .max = 1, .scan = 1 << 20, .wants = opendata_is_of, .arg = t };

	txlog_read_entries(&r->o.data.log, &q, &out);
	rd = rd_init(out.data, out.len);
	assert_int_equal(log_entry_read(&rd, &e), 0);
	buf_free(&out);
	table_unref(t);
	return (e.seq);
}

static void
test_retention(void **state)
{
	struct openrep *r = *state;
	uint64_t first;

	enter(r, 0, 1, 0, 6); /* nobody gets it from here */
	first = fill_log(r);
	ahead_ms = 3250000;
	retain(r);
	assert_int_equal(r->o.data.log.trimmed, first + 2);
	assert_int_equal(oldest(r), first + 3);
	openrep_restart(r);
	assert_int_equal(r->o.data.log.trimmed, first + 2);
	/* Not even the last one is kept for nobody. */
	ahead_ms = 9000000;
	retain(r);
	assert_int_equal(r->o.data.log.trimmed, first + 5);
}

/* What a subscriber lacks stays, up to three times as long. */
static void
test_retention_for_subscribers(void **state)
{
	struct openrep *r = *state;
	uint64_t first = fill_log(r);

	ahead_ms = 4900000;
	retain(r);
	assert_true(r->o.data.log.trimmed < first);
	ahead_ms = 5250000;
	retain(r);
	assert_int_equal(r->o.data.log.trimmed, first + 2);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, openrep_end)
	const struct CMUnitTest tests[] = {
		TEST(test_cursor_is_saved),
		TEST(test_gap),
		TEST(test_other_life),
		TEST(test_incarnations),
		TEST(test_frame_of_another),
		TEST(test_hint),
		TEST(test_hint_of_several),
		TEST(test_without_subscription),
		TEST(test_clock_ahead),
		TEST(test_remade_table),
		TEST(test_id_given_again),
		TEST(test_remade_table_offered),
		TEST(test_horizon),
		TEST(test_tombstones_wait),
		TEST(test_floor),
		TEST(test_republished),
		TEST(test_not_answered),
		TEST(test_damaged_frame),
		TEST(test_damaged_transactions),
		TEST(test_damaged_rows),
		TEST(test_damaged_question),
		TEST(test_refused),
		TEST(test_copy),
		TEST(test_frames_during_copy),
		TEST(test_frames_before_the_head),
		TEST(test_copy_of_another_incarnation),
		TEST(test_copy_from_a_time),
		TEST(test_copy_beside),
		TEST(test_copy_answered_late),
		TEST(test_ahead_during_copy),
		TEST(test_transaction_of_another_format),
		TEST(test_cursors_that_cannot_be_read),
		TEST(test_copy_fails),
		TEST(test_ids),
		TEST(test_formats),
		TEST(test_for_another),
		TEST(test_refused_peer),
		TEST(test_speaks_for_itself),
		TEST(test_asks_for_itself),
		TEST(test_head_before_rows),
		TEST(test_served_late),
		TEST(test_served_log),
		TEST(test_log_never_had),
		TEST(test_asked_while_changed),
		TEST(test_recovering),
		TEST(test_claims),
		TEST(test_not_served),
		TEST(test_retention),
		TEST(test_retention_for_subscribers),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
