#include "config.h"

#include "opsd/store/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opsd/store/value.h"

static const struct stamp first = { 10, 1 }, later = { 20, 1 };
static struct attribute attribute = { .name = (char *)"a", .nlen = 1, .indexed = 1 };
static struct table table = { .primary_key = (char *)"id" };

/* A row that was made at `first`, with a value of then. */
static struct row_view
view_with(struct buf *value, const json_t *v)
{
	struct row_view view = { .key = (const uint8_t *)"k", .klen = 1 };
	struct attr *a;

	view.row.created = view.row.cleared = first;
	if (v == NULL)
		return (view);
	value_pack(value, v);
	a = row_add(&view.row, "a", 1);
	a->value = value->data;
	a->vlen = (uint32_t)value->len;
	a->stamp = first;
	return (view);
}

/* The key that an index has for the row, and its length; -1: it has none. */
static int
index_key(const json_t *v, int whole, uint8_t *rank)
{
	struct buf value = { 0 }, key = { 0 };
	struct row_view view = view_with(&value, v);
	struct field f;
	int n;

	attribute.whole = whole;
	f = field_of(&table, &attribute);
	buf_u8(&key, 'x'); /* it is appended */
	n = field_index_key(&f, &view, &key) ? (int)key.len - 1 : -1;
	if (n == -1)
		assert_int_equal(key.len, 1);
	else
		assert_int_equal(field_key_span(key.data + 1, (size_t)n), n);
	*rank = n > 0 ? key.data[1] : 0;
	buf_free(&value);
	buf_free(&key);
	row_view_free(&view);
	return (n);
}

static void
test_long_text_is_cut_in_an_index(void **state)
{
	char text[KEY_TEXT_MAX + 10];
	struct buf value = { 0 }, key = { 0 };
	struct row_view view;
	struct field f = field_of(&table, &attribute);
	json_t *v;
	uint8_t rank;

	(void)state;
	memset(text, 'x', sizeof(text));
	v = json_stringn(text, sizeof(text));
	assert_int_equal(index_key(v, 0, &rank), KEY_TEXT_MAX + 2);
	assert_int_equal(rank, RANK_TEXT);
	view = view_with(&value, v);
	field_key(&f, &view, &key); /* whole, to sort by */
	assert_int_equal(key.len, sizeof(text) + 2);
	json_decref(v);
	buf_free(&value);
	buf_free(&key);
	row_view_free(&view);
}

/* Rows without a value that sorts are only in an index of all rows. */
static void
test_what_an_index_has(void **state)
{
	json_t *list = json_array(), *null = json_null();
	uint8_t rank;

	(void)state;
	assert_int_equal(index_key(list, 0, &rank), -1);
	assert_int_equal(index_key(NULL, 0, &rank), -1);
	assert_int_equal(index_key(list, 1, &rank), 1);
	assert_int_equal(rank, RANK_DEEP);
	assert_true(index_key(NULL, 1, &rank) > 0);
	assert_int_equal(rank, RANK_NULL);
	assert_true(index_key(null, 0, &rank) > 0);
	assert_int_equal(rank, RANK_NULL);
	json_decref(list);
}

/* What was there when the attribute was dropped does not count, nor what the row's life does not reach. */
static void
test_what_counts(void **state)
{
	struct buf value = { 0 };
	json_t *v = json_integer(7);
	struct row_view view = view_with(&value, v);
	struct field f = field_of(&table, &attribute);

	(void)state;
	assert_non_null(field_attr(&f, &view));
	attribute.dropped = first;
	assert_null(field_attr(&f, &view));
	attribute.dropped = (struct stamp){ 0, 0 };
	view.row.created = view.row.cleared = later;
	assert_null(field_attr(&f, &view));
	json_decref(v);
	buf_free(&value);
	row_view_free(&view);
}

static void
test_kinds(void **state)
{
	static const struct {
		const char *name;
		enum field_kind kind;
		int indexed, whole, is;
	} kinds[] = {
		{ "id", FIELD_KEY, 0, 0, 1 },
		{ "a", FIELD_ATTR, 0, 0, 0 },
		{ "a", FIELD_ATTR, 1, 0, 1 },
		{ "__createdtime__", FIELD_CREATED, 1, 0, 0 },
		{ "__updatedtime__", FIELD_UPDATED, 1, 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct attribute a = {
			.name = (char *)(uintptr_t)kinds[i].name,
			.indexed = kinds[i].indexed,
			.whole = kinds[i].whole,
		};
		struct field f = field_of(&table, &a);

		assert_int_equal(f.kind, kinds[i].kind);
		assert_int_equal(field_indexed(&f), kinds[i].is);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_text_is_cut_in_an_index),
		cmocka_unit_test(test_what_an_index_has),
		cmocka_unit_test(test_what_counts),
		cmocka_unit_test(test_kinds),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
