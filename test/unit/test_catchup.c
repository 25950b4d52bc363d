#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "opsd/cluster/catchup.h"
#include "test/unit/openrep.h"

/*
 * The log for several tables that lack something of it: one question, one walk through the log, one answer, in the order
 * in which it was written.
 */
#define DOG  70u /* the tables' ids at the peer */
#define CAT  71u
#define LIFE 1000u

static int
setup(void **state)
{
	struct openrep *r = openrep_begin(state, "dog", "cat");
	struct entering e = { boston, "boston", "*", 1, 1, 0, 5 };

	assert_int_equal(openrep_call(r, entering_run, &e), 200);
	return (0);
}

/* ---- what is answered ---- */

static struct catchup_question
ask_for(const char *name, uint64_t after, uint64_t from_ms)
{
	struct catchup_question q = {
		.kind = CATCHUP_LOG,
		.max = 1 << 20,
		.database = "dev",
		.dblen = 3,
		.name = name,
		.nlen = strlen(name),
		.after = after,
		.from_ms = from_ms,
	};

	memcpy(q.asker, boston, NODE_ID_LEN);
	return (q);
}

static void
serve(struct openrep *r, const struct catchup_question *list, uint32_t n, struct buf *out,
    struct catchup_answer *a)
{
	struct buf b = { 0 };

	catchup_questions_write(&b, list, n);
	buf_clear(out);
	catchup_serve(&r->rep, NULL, b.data, b.len, out);
	assert_int_equal(catchup_answer_read(a, CATCHUP_LOG, out->data, out->len), 0);
	assert_int_equal(a->tables, n);
	buf_free(&b);
}

static uint64_t
write_one(struct openrep *r, const char *table, int key)
{
	char text[64];

	snprintf(text, sizeof(text), "[{\"id\":%d}]", key);
	assert_int_equal(opendata_write(&r->o, table, TXN_INSERT, text), 200);
	return (r->o.data.log.last);
}

static void
assert_seqs(struct catchup_answer *a, const uint64_t *seqs, uint32_t n)
{
	struct log_entry e;

	assert_int_equal(a->count, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(log_entry_read(&a->items, &e), 0);
		assert_int_equal(e.seq, seqs[i]);
	}
	assert_true(rd_done(&a->items));
}

static void
test_served_together(void **state)
{
	struct openrep *r = *state;
	uint64_t d1 = write_one(r, "dog", 1), c1 = write_one(r, "cat", 1),
		 d2 = write_one(r, "dog", 2), c2 = write_one(r, "cat", 2);
	struct catchup_question list[] = {
		ask_for("dog", d1, 0),
		ask_for("cow", 0, 0),
		ask_for("cat", d1, 0),
	};
	struct catchup_answer a;
	struct buf out = { 0 };

	serve(r, list, 3, &out, &a);
	assert_int_equal(a.from, d1);
	assert_int_equal(a.upto, c2);
	assert_seqs(&a, (uint64_t[]){ c1, d2, c2 }, 3);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.head.seq, d2);
	assert_true(a.done);
	assert_true(catchup_answer_next(&a));
	assert_int_equal(a.status, 404);
	assert_true(catchup_answer_next(&a));
	assert_int_equal(a.status, 200);
	assert_int_equal(a.head.seq, c2);
	assert_true(a.done);
	assert_false(catchup_answer_next(&a));
	/* Each from where it is: what one of them has is not given to it for the sake of another. */
	list[0].after = d2;
	serve(r, list, 3, &out, &a);
	assert_seqs(&a, (uint64_t[]){ c1, c2 }, 2);
	buf_free(&out);
}

static void
test_served_in_pieces(void **state)
{
	struct openrep *r = *state;
	uint64_t d1 = write_one(r, "dog", 1), c1 = write_one(r, "cat", 1),
		 d2 = write_one(r, "dog", 2);
	struct catchup_question list[] = { ask_for("cat", d1 - 1, 0), ask_for("dog", d1 - 1, 0) };
	struct catchup_answer a;
	struct buf out = { 0 };

	list[0].max = 1;
	serve(r, list, 2, &out, &a);
	assert_int_equal(a.upto, d1);
	assert_seqs(&a, &d1, 1);
	assert_false(a.done);
	list[0].after = list[1].after = a.upto;
	serve(r, list, 2, &out, &a);
	assert_int_equal(a.upto, c1);
	assert_seqs(&a, &c1, 1);
	assert_true(a.done);
	assert_true(catchup_answer_next(&a));
	assert_false(a.done);
	list[1].after = d2;
	list[0].after = c1;
	serve(r, list, 2, &out, &a);
	assert_int_equal(a.count, 0);
	assert_true(a.done);
	buf_free(&out);
}

/* The log answers for times after it was opened, so it may not be in that millisecond. */
static uint64_t
first_of_its_time(struct openrep *r, const char *table)
{
	const struct timespec tick = { 0, 1000000 };

	while (wall_ms() <= r->o.data.log.unlogged_ms)
		nanosleep(&tick, NULL);
	return (write_one(r, table, 1));
}

/* A start time is each table's own, and the first millisecond counts. */
static void
test_served_since(void **state)
{
	struct openrep *r = *state;
	uint64_t d1 = first_of_its_time(r, "dog"), c1 = write_one(r, "cat", 1);
	struct catchup_question list[] = {
		ask_for("dog", 0, txlog_ms(&r->o.data.log, d1)),
		ask_for("cat", 0, txlog_ms(&r->o.data.log, c1) + 60000),
	};
	struct catchup_answer a;
	struct log_entry e;
	struct buf out = { 0 };
	int found = 0;

	serve(r, list, 2, &out, &a);
	assert_int_equal(a.status, 200);
	for (uint32_t i = 0; i < a.count; i++) {
		assert_int_equal(log_entry_read(&a.items, &e), 0);
		found |= e.seq == d1;
		assert_int_not_equal(e.seq, c1);
	}
	assert_true(found);
	buf_free(&out);
}

static void
raise_horizon(struct group *g, void *arg)
{
	struct table *t = group_edit(g, group_table_named(g, "dev", 3, "dog", 3));

	t->horizon = *(const struct stamp *)arg;
	t->changed = 1;
}

/* Of a row whose tombstone has gone the log may have the insert, and others' delete not. */
static void
test_not_before_the_horizon(void **state)
{
	struct openrep *r = *state;
	uint64_t ms = txlog_ms(&r->o.data.log, first_of_its_time(r, "dog"));
	struct catchup_question q = ask_for("dog", 0, ms);
	struct catchup_answer a;
	struct buf out = { 0 };
	struct stamp horizon = { ms << 16, 1 };

	serve(r, &q, 1, &out, &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(openrep_call(r, raise_horizon, &horizon), 200);
	serve(r, &q, 1, &out, &a);
	assert_int_equal(a.status, 410);
	q.from_ms++;
	serve(r, &q, 1, &out, &a);
	assert_int_equal(a.status, 200);
	buf_free(&out);
}

/* ---- what is asked and taken ---- */

static const struct cursor_view *
cursor(struct openrep *r, uint32_t id)
{
	return (cursor_view(cursors_find(r->rep.cursors, boston, id)));
}

static void
begin_cursor(struct group *g, void *arg)
{
	const struct cursor_event *e = arg;
	struct cursor *cur;
	uint32_t id = (uint32_t)e->rows;

	cur = cursors_add(g, boston, id, "dev", id == DOG ? "dog" : "cat");
	cursors_on(g, cur,
	    &(struct cursor_event){ .kind = ON_SUBSCRIBED, .incarnation = LIFE, .at = e->at });
	cursors_on(g, cur, &(struct cursor_event){ .kind = ON_GAP });
}

/* A cursor that lacks what comes after that. */
static void
lacking_after(struct openrep *r, uint32_t id, uint64_t seq)
{
	struct cursor_event e = { .at = { seq, MARK(seq), seq }, .rows = id };

	assert_int_equal(openrep_call(r, begin_cursor, &e), 200);
	assert_int_equal(cursor(r, id)->state, CURSOR_FETCH);
}

struct line {
	uint32_t id;
	uint16_t status;
	uint64_t head;
	int done;
};

static void
answer_lines(struct buf *b, const struct line *lines, uint32_t n, uint64_t from, uint64_t upto)
{
	seal_begin(b);
	buf_u16(b, 200);
	buf_u64(b, LIFE);
	buf_u32(b, 0);
	buf_u64(b, from);
	buf_u64(b, upto);
	buf_u32(b, n);
	for (uint32_t i = 0; i < n; i++) {
		buf_u16(b, lines[i].status);
		buf_u32(b, lines[i].id);
		if (lines[i].status != 200)
			continue;
		answer_head(b, lines[i].head);
		buf_u8(b, (uint8_t)lines[i].done);
	}
}

static void
answer_entry(struct buf *b, uint32_t id, struct sent s)
{
	struct buf payload = { 0 };
	struct log_entry e = sent_entry(&payload, &s, boston, id, id == DOG ? "dog" : "cat");

	log_entry_write(b, &e);
	buf_free(&payload);
}

static int
has_row(struct openrep *r, const char *table, const char *key)
{
	json_t *v = opendata_value(&r->o, table, key, "a");

	json_decref(v);
	return (v != NULL);
}

static void
test_taken_together(void **state)
{
	struct openrep *r = *state;
	struct buf b = { 0 };

	lacking_after(r, DOG, 5);
	lacking_after(r, CAT, 6);
	assert_int_equal(openrep_ask(r, 0), 1);
	assert_int_equal(r->asked[0]->n, 2);
	answer_lines(&b, (struct line[]){ { DOG, 200, 9, 1 }, { CAT, 200, 12, 0 } }, 2, 5, 10);
	buf_u32(&b, 3);
	answer_entry(&b, DOG, (struct sent){ 7, 5, 700, 1, 10, 0 });
	answer_entry(&b, CAT, (struct sent){ 8, 6, 800, 1, 10, 0 });
	answer_entry(&b, DOG, (struct sent){ 9, 7, 900, 2, 20, 0 });
	seal_end(&b, 0, b.len);
	openrep_answer_as_is(r, DOG, &b);
	assert_int_equal(cursor(r, DOG)->state, CURSOR_LIVE);
	assert_int_equal(cursor(r, DOG)->seq, 9);
	assert_int_equal(cursor(r, CAT)->state, CURSOR_FETCH);
	assert_int_equal(cursor(r, CAT)->seq, 8);
	assert_true(has_row(r, "dog", "2") && has_row(r, "cat", "1"));
	/* Who has more to come asks at once, alone now. */
	assert_int_equal(openrep_ask(r, 0), 1);
	assert_int_equal(r->asked[0]->n, 1);
	buf_free(&b);
}

/* What one of them cannot take is not the other's matter; a page that is for others is not an end. */
static void
test_taken_each(void **state)
{
	struct openrep *r = *state;
	struct buf b = { 0 };

	lacking_after(r, DOG, 5);
	lacking_after(r, CAT, 500);
	assert_int_equal(openrep_ask(r, 0), 1);
	answer_lines(&b, (struct line[]){ { DOG, 200, 9, 1 }, { CAT, 200, 600, 0 } }, 2, 5, 10);
	buf_u32(&b, 1);
	answer_entry(&b, DOG, (struct sent){ 9, 8, 900, 2, 20, 0 });
	seal_end(&b, 0, b.len);
	openrep_answer_as_is(r, DOG, &b);
	assert_int_equal(cursor(r, DOG)->state, CURSOR_COPY); /* they do not chain */
	assert_int_equal(cursor(r, CAT)->state, CURSOR_FETCH);
	assert_int_equal(openrep_ask(r, 0), 2);
	assert_int_equal(r->asked[0]->kind, CATCHUP_LOG);
	/* Refused alone: later. */
	buf_clear(&b);
	answer_lines(&b, (struct line[]){ { CAT, 403, 0, 0 } }, 1, 0, 0);
	buf_u32(&b, 0);
	seal_end(&b, 0, b.len);
	openrep_answer_as_is(r, CAT, &b);
	assert_non_null(strstr(cursor(r, CAT)->why, "subscription"));
	assert_int_equal(openrep_ask(r, 0), 0);
	buf_free(&b);
}

/* Not an answer to what was asked: nobody believes any of it, all ask again. */
static void
test_other_number_of_tables(void **state)
{
	struct openrep *r = *state;
	struct buf b = { 0 };

	lacking_after(r, DOG, 5);
	lacking_after(r, CAT, 6);
	assert_int_equal(openrep_ask(r, 0), 1);
	answer_lines(&b, (struct line[]){ { DOG, 200, 5, 1 } }, 1, 5, 10);
	buf_u32(&b, 0);
	seal_end(&b, 0, b.len);
	openrep_answer_as_is(r, DOG, &b);
	assert_int_equal(cursor(r, DOG)->state, CURSOR_FETCH);
	assert_int_equal(openrep_ask(r, 0), 0);
	assert_int_equal(openrep_ask(r, 60000000), 1);
	buf_free(&b);
}

/* Who lacks little does not wait for who lacks much. */
static void
test_far_apart(void **state)
{
	struct openrep *r = *state;
	struct cursors_question **list;
	size_t n;

	lacking_after(r, DOG, 5);
	lacking_after(r, CAT, 5000000);
	list = cursors_due(r->rep.cursors, boston, mono_us(), 8, 4, &n);
	assert_int_equal(n, 2);
	assert_int_equal(list[0]->tables[0], DOG);
	assert_int_equal(list[1]->tables[0], CAT);
	for (size_t i = 0; i < n; i++)
		cursors_question_free(list[i]);
	free(list);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, openrep_end)
	const struct CMUnitTest tests[] = {
		TEST(test_served_together),
		TEST(test_served_in_pieces),
		TEST(test_served_since),
		TEST(test_not_before_the_horizon),
		TEST(test_taken_together),
		TEST(test_taken_each),
		TEST(test_other_number_of_tables),
		TEST(test_far_apart),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
