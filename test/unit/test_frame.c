#include "config.h"

#include "common/base/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zstd.h>

#include "common/base/formats.h"
#include "common/base/mem.h"
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

	return (frame_open(&r, &f, NULL) == 0);
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

/* Two entries whose payloads are alike, in a frame and in the same packed. */
static void
make_packed(struct buf *plain, struct buf *packed)
{
	static uint8_t payload[3000];
	struct log_entry e = entries[0];
	size_t at = frame_begin(plain, &head);

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i % 100);
	e.payload = payload;
	e.len = sizeof(payload);
	frame_add(plain, at, &e);
	e = entries[1];
	e.payload = payload;
	e.len = 100;
	frame_add(plain, at, &e);
	frame_end(plain, at, plain->len - at, FRAME_WINDOW_END);
	assert_int_equal(frame_pack(packed, plain->data, plain->len), 1);
}

static int
opens(const struct buf *b, size_t n)
{
	struct rd r = rd_init(b->data, n);
	struct buf room = { 0 };
	struct frame f;
	int fine = frame_open(&r, &f, &room) == 0;

	buf_free(&room);
	return (fine);
}

static void
test_packed(void **state)
{
	struct buf plain = { 0 }, packed = { 0 }, room = { 0 };
	struct frame f, was;
	struct rd r, rp;

	buf_add(&packed, "before", 6);
	make_packed(&plain, &packed);
	assert_in_range(packed.len, 100, plain.len / 2);
	r = rd_init(packed.data + 6, packed.len - 6);
	rp = rd_init(plain.data, plain.len);
	assert_int_equal(frame_open(&r, &f, &room), 0);
	assert_int_equal(frame_open(&rp, &was, NULL), 0);
	assert_int_equal(f.flags, FRAME_WINDOW_END | FRAME_PACKED);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.last, 6);
	assert_int_equal(f.mark, 60);
	assert_int_equal(f.window, was.window);
	assert_int_equal(rd_left(&r), rd_left(&rp));
	assert_memory_equal(r.p, rp.p, rd_left(&r));
	assert_int_equal(f.plain, rd_left(&rp));
	assert_in_range(frame_cost(packed.data + 6, packed.len - 6), plain.len,
	    plain.len + packed.len);
	assert_int_equal(frame_cost(plain.data, plain.len), plain.len);
	assert_int_equal(frame_cost(plain.data, 3), 3);
	/* The head can be read without them, and who has no room for them does not. */
	r = rd_init(packed.data + 6, packed.len - 6);
	assert_int_equal(frame_read(&r, &f), 0);
	assert_int_equal(f.last, 6);
	r = rd_init(packed.data + 6, packed.len - 6);
	assert_int_equal(frame_open(&r, &f, NULL), -1);
	buf_free(&plain);
	buf_free(&packed);
	buf_free(&room);
}

/* Little, and what does not get smaller, stays as it is. */
static void
test_not_packed(void **state)
{
	struct buf b = { 0 }, out = { 0 };
	struct log_entry e = entries[0];
	uint8_t noise[4000];
	uint32_t x = 1;

	make(&b, &head, 2);
	assert_int_equal(frame_pack(&out, b.data, b.len), 0);
	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (uint8_t)(x >> 24);
	}
	e.payload = noise;
	e.len = sizeof(noise);
	buf_clear(&b);
	frame_add(&b, frame_begin(&b, &head), &e);
	frame_end(&b, 0, b.len, 0);
	assert_int_equal(frame_pack(&out, b.data, b.len), 0);
	assert_int_equal(out.len, 0);
	buf_free(&b);
	buf_free(&out);
}

static void
test_packed_and_damaged(void **state)
{
	struct buf plain = { 0 }, packed = { 0 };
	size_t head_len = SEAL_LEN + 57, n = 0;

	make_packed(&plain, &packed);
	assert_true(opens(&packed, packed.len));
	for (n = 0; n < packed.len; n++) {
		assert_false(opens(&packed, n));
		if (n >= SEAL_LEN) {
			seal_end(&packed, 0, n);
			assert_false(opens(&packed, n));
		}
	}
	/* What it claims: less, more, and more than there may be, which no memory is taken for. */
	static const uint32_t claims[] = { 0, 1, 3148, FRAME_PLAIN_MAX, FRAME_PLAIN_MAX + 1,
		UINT32_MAX };

	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		buf_put_u32(&packed, head_len, claims[i]);
		seal_end(&packed, 0, packed.len);
		assert_false(opens(&packed, packed.len));
	}
	buf_put_u32(&packed, head_len, (uint32_t)(plain.len - head_len));
	seal_end(&packed, 0, packed.len);
	assert_true(opens(&packed, packed.len));
	buf_u8(&packed, 0);
	seal_end(&packed, 0, packed.len);
	assert_false(opens(&packed, packed.len));
	buf_free(&plain);
	buf_free(&packed);
}

/* One that is valid but for its size, in some hundred bytes. */
static void
test_bomb(void **state)
{
	struct buf plain = { 0 }, bomb = { 0 };
	struct log_entry e = entries[0];
	size_t head_len = SEAL_LEN + 57, n;

	e.len = FRAME_PLAIN_MAX;
	e.payload = xcalloc(1, e.len);
	frame_add(&plain, frame_begin(&plain, &head), &e);
	n = plain.len - head_len;
	buf_add(&bomb, plain.data, head_len);
	bomb.data[SEAL_LEN] |= FRAME_PACKED;
	buf_u32(&bomb, (uint32_t)n);
	buf_reserve(&bomb, ZSTD_compressBound(n));
	bomb.len += ZSTD_compress(bomb.data + bomb.len, bomb.cap - bomb.len, plain.data + head_len,
	    n, 1);
	seal_end(&bomb, 0, bomb.len);
	assert_true(bomb.len < 100000);
	assert_false(opens(&bomb, bomb.len));
	assert_int_equal(frame_pack(&bomb, plain.data, plain.len), 0);
	free((void *)(uintptr_t)e.payload);
	buf_free(&plain);
	buf_free(&bomb);
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
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_not_packed),
		cmocka_unit_test(test_packed_and_damaged),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_steps),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
