#include "config.h"

#include "common/base/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/formats.h"
#include "common/base/seal.h"

static const struct log_entry entries[] = {
	{ .seq = 5,
	    .mark = 50,
	    .prev = 2,
	    .prev_mark = 20,
	    .ms = 1000,
	    .table = 7,
	    .payload = (const uint8_t *)"one",
	    .len = 3 },
	{ .seq = 6,
	    .mark = 60,
	    .prev = 5,
	    .prev_mark = 50,
	    .ms = 1001,
	    .table = 7,
	    .payload = (const uint8_t *)"",
	    .len = 0 },
	{ .seq = 9,
	    .mark = 90,
	    .prev = 6,
	    .prev_mark = 60,
	    .ms = 1002,
	    .table = 7,
	    .payload = (const uint8_t *)"three",
	    .len = 5 },
};

static const struct frame head = {
	.node = "0123456789abcde",
	.incarnation = 3,
	.table = 7,
	.window = 12,
};

static int
valid(const void *p, size_t n)
{
	struct rd r = rd_init(p, n);
	struct frame f;

	return (frame_open(&r, &f) == 0);
}

static void
make(struct buf *b, const struct frame *f, size_t n)
{
	size_t at, i;

	buf_clear(b);
	at = frame_begin(b, f);
	for (i = 0; i < n; i++)
		frame_add(b, at, &entries[i]);
	frame_end(b, at, b->len - at, 0);
}

static void
test_round_trip(void **state)
{
	struct buf b = { 0 };
	struct log_entry e;
	struct frame f;
	struct rd r;
	size_t at, i;

	buf_add(&b, "before", 6);
	at = frame_begin(&b, &head);
	assert_int_equal(at, 6);
	for (i = 0; i < 3; i++)
		frame_add(&b, at, &entries[i]);
	frame_end(&b, at, b.len - at, FRAME_WINDOW_END);
	assert_true(valid(b.data + at, b.len - at));
	r = rd_init(b.data + at, b.len - at);
	assert_int_equal(frame_read(&r, &f), 0);
	assert_int_equal(f.flags, FRAME_WINDOW_END);
	assert_memory_equal(f.node, head.node, NODE_ID_LEN);
	assert_int_equal(f.incarnation, 3);
	assert_int_equal(f.table, 7);
	assert_int_equal(f.window, 12);
	assert_int_equal(f.last, 9);
	assert_int_equal(f.mark, 90);
	assert_int_equal(f.count, 3);
	for (i = 0; i < 3; i++) {
		assert_int_equal(log_entry_read(&r, &e), 0);
		assert_int_equal(e.seq, entries[i].seq);
		assert_int_equal(e.mark, entries[i].mark);
		assert_int_equal(e.prev, entries[i].prev);
		assert_int_equal(e.prev_mark, entries[i].prev_mark);
		assert_int_equal(e.ms, entries[i].ms);
		assert_int_equal(e.len, entries[i].len);
		assert_memory_equal(e.payload, entries[i].payload, e.len);
	}
	assert_true(rd_done(&r));
	buf_free(&b);
}

static void
test_every_cut_is_seen(void **state)
{
	struct buf b = { 0 };
	size_t n;

	make(&b, &head, 3);
	for (n = 0; n < b.len; n++) {
		assert_false(valid(b.data, n));
		if (n < SEAL_LEN)
			continue;
		seal_end(&b, 0, n); /* were it sealed so */
		assert_false(valid(b.data, n));
	}
	buf_u8(&b, 0);
	seal_end(&b, 0, b.len);
	assert_false(valid(b.data, b.len));
	buf_free(&b);
}

/* In whatever place: head, entries, or the seal. */
static void
test_every_flipped_bit_is_seen(void **state)
{
	struct buf b = { 0 };

	make(&b, &head, 3);
	for (size_t bit = 0; bit < 8 * b.len; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(valid(b.data, b.len));
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(valid(b.data, b.len));
	buf_free(&b);
}

static void
test_what_is_not_valid(void **state)
{
	struct log_entry other = entries[1];
	struct frame f = head;
	struct buf b = { 0 };

	make(&b, &head, 0);
	assert_false(valid(b.data, b.len)); /* empty */
	make(&b, &head, 1);
	assert_true(valid(b.data, b.len));
	b.data[0] = formats.wire + 1;
	assert_false(valid(b.data, b.len));
	f.table = 8;
	make(&b, &f, 1);
	assert_false(valid(b.data, b.len)); /* an entry of another table */
	f = head;
	f.window = 8;
	make(&b, &f, 3);
	assert_false(valid(b.data, b.len)); /* beyond its window */
	make(&b, &head, 1);
	frame_add(&b, 0, &entries[2]);
	frame_end(&b, 0, b.len, 0);
	assert_false(valid(b.data, b.len)); /* 6 is missing */
	other.prev_mark = 51;
	make(&b, &head, 1);
	frame_add(&b, 0, &other);
	frame_end(&b, 0, b.len, 0);
	assert_false(valid(b.data, b.len)); /* of another life */
	buf_free(&b);
}

static void
test_count_that_lies(void **state)
{
	struct buf b = { 0 };
	struct frame f;
	struct rd r;

	make(&b, &head, 1);
	buf_put_u32(&b, SEAL_LEN + 53, 1000000);
	seal_end(&b, 0, b.len);
	r = rd_init(b.data, b.len);
	assert_int_equal(frame_read(&r, &f), -1);
	buf_free(&b);
}

/* What the entries are to somebody who has the table up to 5. */
static void
test_steps(void **state)
{
	struct log_entry e = entries[1];

	assert_int_equal(log_step(5, 50, &entries[1]), LOG_NEXT);
	assert_int_equal(log_step(5, 50, &entries[0]), LOG_SEEN);
	assert_int_equal(log_step(6, 60, &entries[0]), LOG_SEEN);
	assert_int_equal(log_step(5, 50, &entries[2]), LOG_GAP);
	assert_int_equal(log_step(5, 51, &entries[0]), LOG_OTHER); /* another was at 5 */
	assert_int_equal(log_step(5, 51, &entries[1]), LOG_OTHER);
	assert_int_equal(log_step(8, 80, &entries[2]), LOG_OTHER); /* none of the table is at 8 */
	e.prev = e.prev_mark = 0;
	assert_int_equal(log_step(0, 0, &e), LOG_NEXT);
	assert_int_equal(log_step(3, 30, &e), LOG_OTHER); /* nothing was before it */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_cut_is_seen),
		cmocka_unit_test(test_every_flipped_bit_is_seen),
		cmocka_unit_test(test_what_is_not_valid),
		cmocka_unit_test(test_count_that_lies),
		cmocka_unit_test(test_steps),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
