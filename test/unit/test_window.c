#include "config.h"

#include "common/base/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAME_MAX (64 << 10)

static const uint8_t node[NODE_ID_LEN] = "0123456789abcde";

/* Log data with tables 10, 11 and 12; entries are put in by add(). */
struct data {
	struct buf b;
	size_t at;
	uint32_t count;
	uint64_t last[3];
	uint64_t seq;
};

static void
begin(struct data *d)
{
	memset(d, 0, sizeof(*d));
	buf_u64(&d->b, 77);
	buf_u16(&d->b, 3);
	buf_u32(&d->b, 10);
	buf_str(&d->b, "dev");
	buf_str(&d->b, "dog");
	buf_u32(&d->b, 11);
	buf_str(&d->b, "dev");
	buf_str(&d->b, "cat");
	buf_u32(&d->b, 12);
	buf_str(&d->b, "other");
	buf_str(&d->b, "dog");
	d->at = d->b.len;
	buf_u32(&d->b, 0);
	d->seq = 100;
}

static void
add(struct data *d, unsigned table, size_t len)
{
	struct log_entry e = { 0 };
	uint8_t *payload = malloc(len + 1);

	assert_non_null(payload);
	memset(payload, (int)(d->seq & 0xff), len + 1);
	e.seq = ++d->seq;
	e.mark = e.seq << 32;
	e.ms = 1000 + e.seq;
	e.prev = d->last[table];
	e.prev_mark = e.prev << 32;
	e.table = 10 + table;
	e.payload = payload;
	e.len = (uint32_t)len;
	d->last[table] = e.seq;
	log_entry_write(&d->b, &e);
	buf_put_u32(&d->b, d->at, ++d->count);
	free(payload);
}

static struct frame
head(const struct window *w, size_t i)
{
	struct rd r = rd_init(w->bytes.data + w->frames[i].at, w->frames[i].len);
	struct frame f;

	assert_int_equal(frame_open(&r, &f, NULL), 0);
	return (f);
}

static void
build(struct window *w, struct data *d, size_t frame_max)
{
	assert_int_equal(window_build(w, d->b.data, d->b.len, node, frame_max), 0);
	buf_free(&d->b);
}

static void
test_groups_by_table(void **state)
{
	struct window w;
	struct data d;
	struct frame f;

	begin(&d);
	add(&d, 1, 10); /* 101 */
	add(&d, 0, 10);
	add(&d, 1, 10);
	add(&d, 2, 10);
	add(&d, 0, 10); /* 105 */
	build(&w, &d, FRAME_MAX);
	assert_int_equal(w.incarnation, 77);
	assert_int_equal(w.last, 105);
	assert_int_equal(w.ms, 1105);
	assert_int_equal(w.nframes, 3);

	/* In the order in which the tables first appear. */
	f = head(&w, 0);
	assert_int_equal(f.table, 11);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.last, 103);
	assert_int_equal(f.window, 105);
	assert_int_equal(f.incarnation, 77);
	assert_int_equal(f.flags, 0);
	assert_memory_equal(f.node, node, NODE_ID_LEN);
	assert_string_equal(w.tables[w.frames[0].table].name, "cat");
	f = head(&w, 1);
	assert_int_equal(f.table, 10);
	assert_int_equal(f.last, 105);
	assert_int_equal(f.flags, 0);
	f = head(&w, 2);
	assert_int_equal(f.table, 12);
	assert_int_equal(f.last, 104);
	assert_int_equal(f.window, 105);
	assert_int_equal(f.flags, FRAME_WINDOW_END);
	assert_string_equal(w.tables[w.frames[2].table].database, "other");
	window_free(&w);
	assert_int_equal(w.nframes, 0);
}

static void
test_splits_large(void **state)
{
	struct window w;
	struct data d;
	uint64_t last = 0;
	size_t i, entries = 0;

	begin(&d);
	for (i = 0; i < 100; i++)
		add(&d, 0, 3000);
	add(&d, 0, 200000);
	add(&d, 0, 5);
	build(&w, &d, FRAME_MAX);
	assert_true(w.nframes >= 7);
	for (i = 0; i < w.nframes; i++) {
		struct frame f = head(&w, i);

		if (w.frames[i].len > FRAME_MAX)
			assert_int_equal(f.count, 1);
		assert_true(f.last > last);
		last = f.last;
		entries += f.count;
		assert_int_equal(f.flags, i + 1 == w.nframes ? FRAME_WINDOW_END : 0);
	}
	assert_int_equal(entries, 102);
	assert_int_equal(last, 202);
	window_free(&w);
}

/* Entries of one table that do not chain cannot share a frame. */
static void
test_splits_gap(void **state)
{
	struct window w;
	struct data d;

	begin(&d);
	add(&d, 0, 1);
	d.last[0] = 50;
	add(&d, 0, 1);
	build(&w, &d, FRAME_MAX);
	assert_int_equal(w.nframes, 2);
	assert_int_equal(head(&w, 1).flags, FRAME_WINDOW_END);
	window_free(&w);
}

static void
test_empty(void **state)
{
	struct window w;
	struct data d;

	begin(&d);
	build(&w, &d, FRAME_MAX);
	assert_int_equal(w.nframes, 0);
	assert_int_equal(w.last, 0);
	assert_int_equal(w.incarnation, 77);
	window_free(&w);
}

static void
check_broken(struct data *d)
{
	struct window w;

	assert_int_equal(window_build(&w, d->b.data, d->b.len, node, FRAME_MAX), -1);
	assert_null(w.frames);
	assert_null(w.tables);
	buf_free(&d->b);
}

static void
test_broken(void **state)
{
	struct window w;
	struct data d;
	size_t n;

	begin(&d);
	add(&d, 0, 20);
	add(&d, 2, 20);
	for (n = 0; n < d.b.len; n++)
		assert_int_equal(window_build(&w, d.b.data, n, node, FRAME_MAX), -1);
	buf_u8(&d.b, 0);
	check_broken(&d);

	begin(&d); /* an unknown table */
	add(&d, 0, 1);
	buf_put_u32(&d.b, 10, 99);
	check_broken(&d);

	begin(&d); /* going back */
	add(&d, 0, 1);
	d.seq = 100;
	add(&d, 1, 1);
	check_broken(&d);

	begin(&d); /* more than there can be */
	buf_put_u32(&d.b, d.at, UINT32_MAX);
	check_broken(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups_by_table),
		cmocka_unit_test(test_splits_large),
		cmocka_unit_test(test_splits_gap),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_broken),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
