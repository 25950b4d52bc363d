#include "config.h"

#include "opsd/snapshot/snapfile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/formats.h"
#include "common/base/mem.h"
#include "opsd/store/key.h"
#include "opsd/store/row.h"
#include "opsd/store/value.h"

/* A snapshot comes out of its bytes as it went in, and whatever happened to them is seen. */

#define ROWS 3000

static const uint8_t taker[NODE_ID_LEN] = "the taker's id.";

struct bytes {
	const uint8_t *p;
	size_t n, at, step;
	int broken; /* the disk */
};

/* No more than a step at once. */
static ssize_t
give(void *arg, void *p, size_t n)
{
	struct bytes *b = arg;
	size_t left = b->n - b->at;

	if (left == 0 && b->broken) {
		errno = EIO;
		return (-1);
	}
	n = n < left ? n : left;
	n = n < b->step ? n : b->step;
	memcpy(p, b->p + b->at, n);
	b->at += n;
	return ((ssize_t)n);
}

static void
write_table(struct snapwriter *w, const char *name, uint64_t rows)
{
	struct given_position at[2] = {
		{ .table = 70, .incarnation = 1000, .at = { 12, 34, 56 } },
		{ .table = 80, .incarnation = 2000, .at = { 7, 8, 9 }, .whole_ms = 10 },
	};
	struct snapfile_table t = {
		.database = (char *)(uintptr_t) "dev",
		.name = (char *)(uintptr_t)name,
		.primary_key = (char *)(uintptr_t) "id",
		.definition = json_pack("{s:s}", "primary_key", "id"),
		.rows = rows,
		.positions = at,
		.n = 2,
	};

	memcpy(at[0].node, taker, NODE_ID_LEN);
	snapwriter_table(w, &t);
	json_decref(t.definition);
}

static void
write_row(struct snapwriter *w, int64_t i)
{
	struct stamp s = { (uint64_t)(i + 1) << 16, 9 };
	struct row row = { .created = s, .cleared = s };
	struct buf key = { 0 }, value = { 0 }, bytes = { 0 };
	json_t *n = json_integer(i), *text = json_stringn("some words that say something", 29);
	struct attr *a = row_add(&row, "a", 1);

	key_from_json(&key, n);
	value_pack(&value, text);
	a->value = value.data;
	a->vlen = (uint32_t)value.len;
	a->stamp = s;
	row_encode(&row, &bytes);
	snapwriter_row(w, key.data, key.len, bytes.data, bytes.len);
	row_free(&row);
	buf_free(&key);
	buf_free(&value);
	buf_free(&bytes);
	json_decref(n);
	json_decref(text);
}

/* A table with so many rows, and an empty one. */
static struct buf
write_all(int64_t rows)
{
	struct snapfile_head h = {
		.name = (char *)(uintptr_t) "here",
		.version = (char *)(uintptr_t) "1.2",
		.taken_ms = 12345,
		.tables = 2,
	};
	struct buf out = { 0 };
	struct snapwriter *w;

	memcpy(h.node, taker, NODE_ID_LEN);
	w = snapwriter_new(&h, &out);
	write_table(w, "full", (uint64_t)rows);
	for (int64_t i = 0; i < rows; i++)
		write_row(w, i);
	write_table(w, "empty", 0);
	snapwriter_end(w);
	snapwriter_free(w);
	return (out);
}

/* Reads to its end or fault; the rows. */
static uint64_t
read_all(struct snapreader *r, enum snapfile_piece *last)
{
	uint64_t rows = 0;
	uint32_t n;

	while ((*last = snapreader_next(r)) != SNAPFILE_BAD && *last != SNAPFILE_END)
		if (*last == SNAPFILE_ROWS) {
			snapreader_rows(r, &n);
			rows += n;
		}
	return (rows);
}

static void
assert_fault(const struct buf *b, int broken, const char *part)
{
	struct bytes from = { b->data, b->len, 0, 4096, broken };
	struct snapreader *r = snapreader_new(give, &from);
	enum snapfile_piece last;

	read_all(r, &last);
	assert_int_equal(last, SNAPFILE_BAD);
	if (strstr(snapreader_fault(r), part) == NULL)
		fail_msg("%s", snapreader_fault(r));
	assert_int_equal(snapreader_next(r), SNAPFILE_BAD);
	snapreader_free(r);
}

static void
test_round_trip(void **state)
{
	struct buf b = write_all(ROWS);
	struct bytes from = { b.data, b.len, 0, 1, 0 };
	struct snapreader *r = snapreader_new(give, &from);
	const struct snapfile_table *t = snapreader_table(r);
	enum snapfile_piece last;

	assert_int_equal(snapreader_next(r), SNAPFILE_HEAD);
	assert_memory_equal(snapreader_head(r)->node, taker, NODE_ID_LEN);
	assert_string_equal(snapreader_head(r)->name, "here");
	assert_string_equal(snapreader_head(r)->version, "1.2");
	assert_int_equal(snapreader_head(r)->taken_ms, 12345);
	assert_int_equal(snapreader_next(r), SNAPFILE_TABLE);
	assert_string_equal(t->database, "dev");
	assert_string_equal(t->name, "full");
	assert_string_equal(t->primary_key, "id");
	assert_int_equal(t->rows, ROWS);
	assert_int_equal(t->n, 2);
	assert_memory_equal(t->positions[0].node, taker, NODE_ID_LEN);
	assert_int_equal(t->positions[1].at.mark, 8);
	assert_int_equal(t->positions[1].whole_ms, 10);
	assert_int_equal(read_all(r, &last), ROWS);
	assert_int_equal(last, SNAPFILE_END);
	assert_string_equal(t->name, "empty");
	snapreader_free(r);
	buf_free(&b);
}

/* Many pieces of rows, and fewer bytes than they have. */
static void
test_pieces(void **state)
{
	struct buf b = write_all(40000);
	struct bytes from = { b.data, b.len, 0, SIZE_MAX, 0 };
	struct snapreader *r = snapreader_new(give, &from);
	enum snapfile_piece last;

	assert_int_equal(read_all(r, &last), 40000);
	assert_int_equal(last, SNAPFILE_END);
	assert_true(b.len < SNAPFILE_PIECE);
	snapreader_free(r);
	buf_free(&b);
}

static void
test_each_byte_counts(void **state)
{
	struct buf b = write_all(20);

	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0x10;
		assert_fault(&b, 0, "it");
		b.data[i] ^= 0x10;
	}
	buf_free(&b);
}

static void
test_cut_anywhere(void **state)
{
	struct buf b = write_all(20);

	for (size_t whole = b.len; b.len-- > 0;)
		assert_fault(&b, 0, b.len < whole ? "it ends too early" : "");
	buf_free(&b);
}

/* A piece that is gone, whole: no checksum of its own is wrong. */
static void
test_piece_gone(void **state)
{
	struct buf b = write_all(40000), cut = { 0 };
	struct rd r;
	size_t at = 12, len[3];

	for (int i = 0; i < 3; i++) {
		r = rd_init(b.data + at + 1, 4);
		len[i] = 9 + rd_u32(&r);
		at += i < 2 ? len[i] : 0;
	}
	buf_add(&cut, b.data, at);
	buf_add(&cut, b.data + at + len[2], b.len - at - len[2]);
	assert_fault(&cut, 0, "it is damaged: the sum of all of it differs");
	buf_free(&b);
	buf_free(&cut);
}

static size_t
piece_length(const struct buf *b, size_t at)
{
	struct rd r = rd_init(b->data + at + 1, 4);

	return (9 + rd_u32(&r));
}

/* As many tables and rows as there were, with good checksums, but not in their order. */
static void
test_pieces_swapped(void **state)
{
	struct buf b = write_all(40000), swapped = { 0 };
	size_t at = 12, first, second;

	for (int i = 0; i < 2; i++)
		at += piece_length(&b, at);
	first = piece_length(&b, at);
	second = piece_length(&b, at + first);
	assert_int_equal(b.data[at], SNAPFILE_ROWS);
	assert_int_equal(b.data[at + first], SNAPFILE_ROWS);
	buf_add(&swapped, b.data, at);
	buf_add(&swapped, b.data + at + first, second);
	buf_add(&swapped, b.data + at, first);
	buf_add(&swapped, b.data + at + first + second, b.len - at - first - second);
	assert_fault(&swapped, 0, "it is damaged: the sum of all of it differs");
	buf_free(&b);
	buf_free(&swapped);
}

static void
test_words(void **state)
{
	struct buf b = write_all(1);

	b.len -= 60;
	assert_fault(&b, 1, "it cannot be read: Input/output error");
	b.len += 60;
	b.data[b.len - 1] ^= 1;
	assert_fault(&b, 0, "it is damaged: a checksum differs at byte");
	b.data[b.len - 1] ^= 1;
	b.data[8]++;
	assert_fault(&b, 0, "it is of format 2, this hubleaf reads 1");
	b.data[8]--;
	b.data[10] = (uint8_t)(formats.wire + 1);
	assert_fault(&b, 0, "its rows are of format");
	b.data[0] = 'h';
	assert_fault(&b, 0, "it is no snapshot");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_each_byte_counts),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_piece_gone),
		cmocka_unit_test(test_pieces_swapped),
		cmocka_unit_test(test_words),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
