#include "config.h"

#include "opsd/store/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opsd/store/key.h"
#include "opsd/store/value.h"

#define NAMES      4
#define VALUES     6
#define WRITES_MAX 12

static const char *names[NAMES] = { "a", "ab", "b", "zebra" };
static struct buf values[VALUES];

static struct stamp
at(uint64_t time, uint64_t node)
{
	return ((struct stamp){ time, node });
}

static void
put(struct row *r, const char *name, int value, struct stamp s)
{
	struct attr *a = row_add(r, name, strlen(name));

	a->value = values[value].data;
	a->vlen = (uint32_t)values[value].len;
	a->stamp = s;
}

enum kind { INSERT, UPDATE, DELETE, UPSERT };

/* What a write contributes, as the encoding of a transaction would. */
static void
write_row(struct row *r, enum kind kind, unsigned attrs, int value, struct stamp s)
{
	memset(r, 0, sizeof(*r));
	if (kind == INSERT || kind == UPSERT)
		r->created = s;
	if (kind == INSERT || kind == DELETE)
		r->cleared = s;
	for (unsigned i = 0; kind != DELETE && i < NAMES; i++)
		if (attrs & 1u << i)
			put(r, names[i], value, s);
}

static void
encode(const struct row *r, struct buf *b)
{
	buf_clear(b);
	row_encode(r, b);
}

static void
assert_same(const struct row *a, const struct row *b)
{
	struct buf x = { 0 }, y = { 0 };

	encode(a, &x);
	encode(b, &y);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	buf_free(&x);
	buf_free(&y);
}

static struct row
copy(const struct row *r)
{
	struct row c = { .created = r->created, .cleared = r->cleared };

	for (uint32_t i = 0; i < r->n; i++)
		*row_add(&c, r->attrs[i].name, r->attrs[i].nlen) = r->attrs[i];
	return (c);
}

static struct row
random_write(void)
{
	struct row r;

	write_row(&r, (enum kind)(random() % 4), (unsigned)random() % (1 << NAMES),
	    (int)(random() % VALUES), at(1 + (uint64_t)random() % 12, 1 + (uint64_t)random() % 3));
	return (r);
}

/* Merge the writes one by one in the given order; some of them again. */
static struct row
in_order(const struct row *writes, const int *order, int n, int repeat)
{
	struct row r = { 0 };

	for (int i = 0; i < n; i++) {
		row_merge(&r, &writes[order[i]]);
		if (repeat && random() % 2)
			row_merge(&r, &writes[order[random() % (i + 1)]]);
	}
	return (r);
}

/* Merge halves on their own and then with each other, as copies between nodes do. */
static struct row
in_groups(const struct row *writes, const int *order, int n)
{
	struct row a, b;
	int half;

	if (n <= 1)
		return (in_order(writes, order, n, 0));
	half = 1 + (int)(random() % (n - 1));
	a = in_groups(writes, order, half);
	b = in_groups(writes, order + half, n - half);
	row_merge(&a, &b);
	row_free(&b);
	return (a);
}

static void
shuffle(int *order, int n)
{
	for (int i = n - 1; i > 0; i--) {
		int k = (int)(random() % (i + 1)), was = order[i];

		order[i] = order[k];
		order[k] = was;
	}
}

static void
test_any_order_one_result(void **state)
{
	srandom(42);
	for (int round = 0; round < 20000; round++) {
		struct row writes[WRITES_MAX], first, other;
		int order[WRITES_MAX], n = 1 + (int)(random() % WRITES_MAX);

		for (int i = 0; i < n; i++) {
			writes[i] = random_write();
			order[i] = i;
		}
		first = in_order(writes, order, n, 0);
		for (int k = 0; k < 4; k++) {
			shuffle(order, n);
			other = k % 2 ? in_groups(writes, order, n) : in_order(writes, order, n, 1);
			assert_same(&first, &other);
			row_free(&other);
		}
		for (int i = 0; i < n; i++)
			row_free(&writes[i]);
		row_free(&first);
	}
}

/* The return value: 1 if and only if the bytes differ. */
static void
test_says_when_it_changed(void **state)
{
	struct buf before = { 0 }, after = { 0 };

	srandom(43);
	for (int round = 0; round < 50000; round++) {
		struct row r = { 0 }, w;
		int changed;

		for (int i = (int)(random() % 5); i >= 0; i--) {
			w = random_write();
			row_merge(&r, &w);
			row_free(&w);
		}
		w = random_write();
		encode(&r, &before);
		changed = row_merge(&r, &w);
		encode(&r, &after);
		assert_int_equal(changed,
		    before.len != after.len || memcmp(before.data, after.data, after.len) != 0);
		assert_int_equal(row_merge(&r, &w), 0);
		row_free(&w);
		row_free(&r);
	}
	buf_free(&before);
	buf_free(&after);
}

static void
test_encoding(void **state)
{
	struct buf b = { 0 }, again = { 0 };

	srandom(44);
	for (int round = 0; round < 20000; round++) {
		struct row r = { 0 }, w, back = { 0 };

		for (int i = (int)(random() % 6); i >= 0; i--) {
			w = random_write();
			row_merge(&r, &w);
			row_free(&w);
		}
		encode(&r, &b);
		assert_int_equal(row_decode(&back, b.data, b.len), 0);
		assert_same(&r, &back);
		assert_int_equal(row_load(&back, b.data, b.len), 0);
		encode(&back, &again);
		assert_int_equal(b.len, again.len);
		assert_int_equal(row_visible(&r), row_visible(&back));
		for (size_t cut = 1; cut < b.len; cut++)
			assert_int_equal(row_decode(&back, b.data, cut), -1);
		row_free(&back);
		row_free(&r);
	}
	buf_free(&b);
	buf_free(&again);
}

static void
test_broken(void **state)
{
	struct row r = { 0 }, back = { 0 };
	struct buf b = { 0 };

	/* Names out of order, and one twice. */
	write_row(&r, INSERT, 0, 0, at(5, 1));
	put(&r, "b", 0, at(5, 1));
	put(&r, "a", 0, at(5, 1));
	encode(&r, &b);
	assert_int_equal(row_decode(&back, b.data, b.len), -1);
	r.attrs[1].name = "b";
	encode(&r, &b);
	assert_int_equal(row_decode(&back, b.data, b.len), -1);
	/* A value that is none: checked by one, trusted by the other. */
	r.attrs[0].name = "a";
	r.attrs[1].value = (const uint8_t *)"\xc1";
	r.attrs[1].vlen = 1;
	encode(&r, &b);
	assert_int_equal(row_decode(&back, b.data, b.len), -1);
	assert_int_equal(row_load(&back, b.data, b.len), 0);
	/* A stamp at the end of its range. */
	row_clear(&r);
	r.created = r.cleared = at(STAMP_TIME_MAX, 1);
	encode(&r, &b);
	assert_int_equal(row_decode(&back, b.data, b.len), -1);
	/* Nothing is an empty row. */
	assert_int_equal(row_decode(&back, NULL, 0), 0);
	assert_false(row_visible(&back));
	buf_free(&b);
	row_free(&r);
	row_free(&back);
}

/* Merges `n` writes and looks at the result. */
static struct row
merged(struct row *writes, int n)
{
	int order[WRITES_MAX];
	struct row r;

	for (int i = 0; i < n; i++)
		order[i] = i;
	r = in_order(writes, order, n, 0);
	for (int i = 0; i < n; i++)
		row_free(&writes[i]);
	return (r);
}

static void
test_update_never_revives(void **state)
{
	struct row w[3], r;

	write_row(&w[0], INSERT, 3, 1, at(10, 1));
	write_row(&w[1], DELETE, 0, 0, at(20, 1));
	write_row(&w[2], UPDATE, 1, 2, at(30, 2));
	r = merged(w, 3);
	assert_false(row_visible(&r));
	assert_int_equal(r.n, 1); /* kept, never shown */
	row_free(&r);
}

/* As a tombstone may be stored. */
static void
test_cleared_after_created(void **state)
{
	struct row r = { .created = { 5, 1 }, .cleared = { 5, 2 } };

	assert_false(row_visible(&r));
	r.created.node = 2;
	assert_true(row_visible(&r));
}

static void
test_upsert_after_delete(void **state)
{
	struct row w[3], r;

	write_row(&w[0], INSERT, 3, 1, at(10, 1));
	write_row(&w[1], UPSERT, 4, 2, at(30, 2));
	write_row(&w[2], DELETE, 0, 0, at(20, 1));
	r = merged(w, 3);
	assert_true(row_visible(&r));
	assert_int_equal(r.n, 1);
	assert_non_null(row_attr(&r, "b", 1));
	assert_null(row_attr(&r, "a", 1));
	assert_true(row_created(&r).time == 20 && row_updated(&r).time == 30);
	row_free(&r);
}

static void
test_new_life_shows_nothing_old(void **state)
{
	struct row w[3], r;

	write_row(&w[0], INSERT, 3, 1, at(10, 1));
	write_row(&w[1], INSERT, 4, 2, at(30, 1));
	write_row(&w[2], UPDATE, 8, 3, at(20, 2));
	r = merged(w, 3);
	assert_true(row_visible(&r));
	assert_int_equal(r.n, 1);
	assert_non_null(row_attr(&r, "b", 1));
	row_free(&r);
}

static void
test_both_attributes_win(void **state)
{
	struct row w[3], r;

	write_row(&w[0], INSERT, 5, 0, at(10, 1));
	write_row(&w[1], UPDATE, 1, 1, at(20, 1));
	write_row(&w[2], UPDATE, 4, 2, at(20, 2));
	r = merged(w, 3);
	assert_memory_equal(row_attr(&r, "a", 1)->value, values[1].data, values[1].len);
	assert_memory_equal(row_attr(&r, "b", 1)->value, values[2].data, values[2].len);
	assert_true(row_created(&r).time == 10);
	assert_int_equal(stamp_cmp(row_updated(&r), at(20, 2)), 0);
	assert_int_equal(stamp_cmp(row_newest(&r), at(20, 2)), 0);
	row_free(&r);
}

static void
test_equal_stamps_the_greater_value(void **state)
{
	struct row w[2], r, q;

	write_row(&w[0], INSERT, 1, 1, at(10, 1));
	write_row(&w[1], INSERT, 1, 2, at(10, 1));
	r = copy(&w[0]);
	q = copy(&w[1]);
	row_merge(&r, &w[1]);
	row_merge(&q, &w[0]);
	assert_same(&r, &q);
	row_free(&r);
	row_free(&q);
	row_free(&w[0]);
	row_free(&w[1]);
}

static void
test_floor(void **state)
{
	struct row w[2], r;

	write_row(&w[0], INSERT, 3, 1, at(10, 1));
	write_row(&w[1], UPDATE, 1, 2, at(20, 1));
	r = merged(w, 2);
	row_floor(&r, at(10, 1));
	assert_false(row_visible(&r));
	assert_int_equal(r.n, 1);
	row_floor(&r, at(20, 1));
	assert_int_equal(r.n, 0);
	row_free(&r);
}

static void
test_parts(void **state)
{
	struct row w[2], r;

	write_row(&w[0], INSERT, 3, 1, at(10 << 16, 1));
	write_row(&w[1], UPDATE, 1, 2, at((20 << 16) + 3, 2));
	r = merged(w, 2);
	row_only_node(&r, 2);
	assert_int_equal(r.n, 1);
	assert_true(stamp_none(r.created) && stamp_none(r.cleared));
	row_free(&r);
}

static int
make_values(void **state)
{
	static const char *texts[VALUES] = { "1", "\"x\"", "\"longer text\"", "null", "[1,{}]",
		"2.5" };
	json_t *v;

	for (int i = 0; i < VALUES; i++) {
		v = json_loads(texts[i], JSON_DECODE_ANY, NULL);
		value_pack(&values[i], v);
		json_decref(v);
	}
	return (0);
}

static int
free_values(void **state)
{
	for (int i = 0; i < VALUES; i++)
		buf_free(&values[i]);
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order_one_result),
		cmocka_unit_test(test_says_when_it_changed),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_update_never_revives),
		cmocka_unit_test(test_cleared_after_created),
		cmocka_unit_test(test_upsert_after_delete),
		cmocka_unit_test(test_new_life_shows_nothing_old),
		cmocka_unit_test(test_both_attributes_win),
		cmocka_unit_test(test_equal_stamps_the_greater_value),
		cmocka_unit_test(test_floor),
		cmocka_unit_test(test_parts),
	};

	return (cmocka_run_group_tests(tests, make_values, free_values));
}
