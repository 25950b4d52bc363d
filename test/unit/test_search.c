#include "config.h"

#include "opsd/search/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "test/unit/rowtable.h"

#define ROWS 400

/* One table of random rows, which are also kept as JSON. */
struct fixture {
	struct rowtable rt;
	json_t *rows; /* in key order */
	uint64_t seed;
};

/* What a search is asked for, at random. */
struct asked {
	const char *by[2];
	int down[2];
	size_t norders;
	uint64_t offset, limit;
	struct condition *where; /* taken by the search */
};

static uint64_t
next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (*seed);
}

/* Beyond KEY_TEXT_MAX an index has only the beginning of a text. */
static json_t *
long_text(uint64_t *seed)
{
	char text[KEY_TEXT_MAX + 3];

	memset(text, 'l', sizeof(text));
	text[sizeof(text) - 2] = (char)('a' + next(seed) % 3);
	text[sizeof(text) - 1] = '\0';
	return (json_string(text + next(seed) % 4));
}

static json_t *
random_value(struct fixture *f)
{
	char text[8];

	switch (next(&f->seed) % 8) {
	case 0:
		return (json_null());
	case 1:
		return (json_boolean((int)(next(&f->seed) & 1)));
	case 2:
		return (json_real((double)(next(&f->seed) % 80) / 4 - 5));
	case 3:
	case 4:
		for (size_t i = 0; i < 3; i++)
			text[i] = "ab\0"[next(&f->seed) % 3];
		return (json_stringn(text, next(&f->seed) % 4));
	case 5:
		return (next(&f->seed) % 2 ? json_pack("[i]", (int)(next(&f->seed) % 2)) :
					     long_text(&f->seed));
	default:
		return (json_integer((json_int_t)(next(&f->seed) % 20) - 5));
	}
}

/* "a" was dropped once and made again: its index has entries of values that rows have no more. */
static void
put_stale(struct fixture *f)
{
	struct attribute *a = table_edit_attr(f->rt.table, "a", 1);
	struct scalar two;
	struct buf value = { 0 }, key = { 0 }, k = { 0 };

	a->dropped = (struct stamp){ UINT64_C(4000) << 16, 9 };
	scalar_integer(&two, 2);
	key_from_scalar(&value, &two);
	for (int i = 0; i < ROWS; i += 7) {
		json_t *id = json_integer(i);

		buf_clear(&key);
		buf_clear(&k);
		key_from_json(&key, id);
		key_index(&k, f->rt.table->id, a->id, value.data, value.len, key.data, key.len);
		store_batch_put(f->rt.batch, CF_INDEX, k.data, k.len, "", 0);
		json_decref(id);
	}
	buf_free(&value);
	buf_free(&key);
	buf_free(&k);
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->seed = 88172645463325252;
	rowtable_open(&f->rt);
	f->rows = json_array();
	for (int i = 0; i < ROWS; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "id", json_integer(i));
		for (int n = 0; n < ROWTABLE_NAMES; n++)
			if (next(&f->seed) % 8 != 0)
				json_object_set_new(o, rowtable_names[n], random_value(f));
		rowtable_put(&f->rt, o, i % 10 == 3);
		if (i % 10 != 3)
			json_array_append(f->rows, o);
		json_decref(o);
	}
	put_stale(f);
	assert_int_equal(rowtable_write(&f->rt), 0);
	*state = f;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	int rc = rowtable_close(&f->rt);

	json_decref(f->rows);
	free(f);
	return (rc);
}

static struct field
field(struct fixture *f, const char *name)
{
	return (rowtable_field(&f->rt, name));
}

static struct search *
open_search(struct fixture *f)
{
	struct search *s = search_new(f->rt.store, f->rt.table);
	struct field id = field(f, "id");

	search_column(s, &id);
	for (int i = 0; i < ROWTABLE_NAMES; i++) {
		struct field at = field(f, rowtable_names[i]);

		search_column(s, &at);
	}
	return (s);
}

static void
run(struct search *s)
{
	enum search_state st;

	while ((st = search_step(s, 0)) == SEARCH_MORE)
		;
	assert_int_equal(st, SEARCH_DONE);
}

/* In the smallest slices; frees it.  Twice: first counted, as for MessagePack. */
static json_t *
results(struct search *s, int twice)
{
	json_t *found;

	search_start(s);
	if (twice) {
		search_count(s);
		run(s);
		assert_int_equal(search_again(s), 0);
	}
	run(s);
	found = json_loadb((const char *)search_out(s)->data, search_out(s)->len, JSON_ALLOW_NUL,
	    NULL);
	assert_non_null(found);
	assert_int_equal(search_shown(s), json_array_size(found));
	search_free(s);
	return (found);
}

static struct condition *
leaf_of(struct fixture *f, const char *name, enum compare compare, json_t *value)
{
	struct field at = field(f, name);
	struct condition *c = condition_leaf(&at, compare, value);

	json_decref(value);
	return (c);
}

static struct condition *
random_leaf(struct fixture *f)
{
	static const char *const names[] = { "a", "a", "b", "c", "o", "id" };
	const char *name = names[next(&f->seed) % 6];
	unsigned compare = next(&f->seed) % (CMP_BETWEEN + 1);

	if (next(&f->seed) % 3 == 0)
		compare = CMP_EQUALS;
	return (leaf_of(f, name, (enum compare)compare,
	    compare != CMP_BETWEEN ? random_value(f) :
				     json_pack("[o,o]", random_value(f), random_value(f))));
}

static struct condition *
random_condition(struct fixture *f, int depth)
{
	struct condition *c;

	if (depth == 0 || next(&f->seed) % 3 == 0)
		return (random_leaf(f));
	c = condition_group(next(&f->seed) % 2 ? COND_AND : COND_OR);
	for (uint64_t n = next(&f->seed) % 4; n > 0; n--)
		condition_add(c, random_condition(f, depth - 1));
	return (c);
}

/* ---- what is right: all rows, filtered and sorted ---- */

static json_t *
matching(struct fixture *f, const struct condition *c)
{
	struct row_view v = { 0 };
	struct buf key = { 0 }, values = { 0 };
	json_t *found = json_array(), *row;
	size_t i;

	json_array_foreach(f->rows, i, row) {
		rowtable_view(&v, &key, &values, row);
		if (c == NULL || condition_match(c, &v))
			json_array_append(found, row);
	}
	row_view_free(&v);
	buf_free(&key);
	buf_free(&values);
	return (found);
}

static int
value_cmp(const json_t *x, const json_t *y, const char *name)
{
	json_t *a = json_object_get(x, name), *b = json_object_get(y, name);
	struct scalar s = { .rank = RANK_NULL }, t = { .rank = RANK_NULL };

	if (a != NULL && scalar_from_json(&s, a) == -1)
		s.rank = RANK_DEEP;
	if (b != NULL && scalar_from_json(&t, b) == -1)
		t.rank = RANK_DEEP;
	return (scalar_cmp(&s, &t));
}

/* Equal rows go by their keys, in the direction of the last order. */
static int
asked_cmp(const struct asked *q, const json_t *x, const json_t *y)
{
	int d;

	for (size_t i = 0; i < q->norders; i++)
		if ((d = value_cmp(x, y, q->by[i])) != 0)
			return (q->down[i] ? -d : d);
	d = value_cmp(x, y, "id");
	return (q->down[q->norders - 1] ? -d : d);
}

static json_t *
sorted_page(const struct asked *q, json_t *rows)
{
	json_t *sorted = json_array(), *page = json_array(), *row;
	size_t i, at;

	json_array_foreach(rows, i, row) {
		for (at = 0; at < i && asked_cmp(q, json_array_get(sorted, at), row) < 0; at++)
			;
		json_array_insert(sorted, at, row);
	}
	json_array_foreach(sorted, i, row)
		if (i >= q->offset && (q->limit == 0 || i - q->offset < q->limit))
			json_array_append(page, row);
	json_decref(sorted);
	return (page);
}

/* As a result has it: missing is null. */
static int
same_row(const json_t *found, const json_t *row)
{
	int same = json_equal(json_object_get(found, "id"), json_object_get(row, "id"));

	for (int i = 0; i < ROWTABLE_NAMES; i++)
		same &= value_cmp(found, row, rowtable_names[i]) == 0;
	return (same && json_object_size(found) == 1 + ROWTABLE_NAMES);
}

static void
random_asked(struct fixture *f, struct asked *q)
{
	static const char *const names[] = { "id", "a", "b", "c", "o" };

	*q = (struct asked){ .norders = 1 + next(&f->seed) % 2 };
	for (size_t i = 0; i < q->norders; i++) {
		q->by[i] = names[next(&f->seed) % 5];
		q->down[i] = (int)(next(&f->seed) & 1);
	}
	if (next(&f->seed) % 2) {
		q->offset = next(&f->seed) % 30;
		q->limit = 1 + next(&f->seed) % 30;
	}
	if (next(&f->seed) % 4 != 0)
		q->where = random_condition(f, 3);
}

static struct search *
ask(struct fixture *f, const struct asked *q)
{
	struct search *s = open_search(f);

	for (size_t i = 0; i < q->norders; i++) {
		struct field by = field(f, q->by[i]);

		search_sort(s, &by, q->down[i]);
	}
	search_page(s, q->offset, q->limit);
	if (q->where != NULL)
		search_where(s, q->where);
	return (s);
}

static void
test_every_way_finds_the_same(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 1200; i++) {
		struct asked q;
		json_t *matches, *page, *found, *row;
		size_t n;

		random_asked(f, &q);
		matches = matching(f, q.where);
		page = sorted_page(&q, matches);
		found = results(ask(f, &q), i % 2);
		if (json_array_size(found) != json_array_size(page))
			fail_msg("case %d: %zu rows, not %zu", i, json_array_size(found),
			    json_array_size(page));
		json_array_foreach(page, n, row)
			if (!same_row(json_array_get(found, n), row))
				fail_msg("case %d: row %zu", i, n);
		json_decref(found);
		json_decref(page);
		json_decref(matches);
	}
}

/* Without an order each is found once, from either end. */
static void
test_without_an_order(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 500; i++) {
		struct asked q = { .by = { "id" }, .norders = 1 };
		struct search *s = open_search(f);
		struct condition *c = random_condition(f, 3);
		json_t *matches = matching(f, c), *found, *all;
		size_t n;

		search_where(s, c);
		if (i % 2)
			search_reverse(s);
		found = results(s, 0);
		all = sorted_page(&q, found);
		assert_int_equal(json_array_size(all), json_array_size(matches));
		for (n = 0; n < json_array_size(all); n++)
			assert_true(same_row(json_array_get(all, n), json_array_get(matches, n)));
		json_decref(all);
		json_decref(found);
		json_decref(matches);
	}
}

/* An index has the beginning of a long text: what is compared is all of it. */
static void
test_long_texts(void **state)
{
	static const enum compare all[] = { CMP_EQUALS, CMP_NOT_EQUAL, CMP_STARTS_WITH, CMP_GREATER,
		CMP_GREATER_EQUAL, CMP_LESS, CMP_LESS_EQUAL, CMP_BETWEEN };
	struct fixture *f = *state;

	for (size_t i = 0; i < 200; i++) {
		enum compare compare = all[i % (sizeof(all) / sizeof(all[0]))];
		struct search *s = open_search(f);
		json_t *text = long_text(&f->seed), *matches, *found;
		struct condition *c;

		c = leaf_of(f, "a", compare,
		    compare != CMP_BETWEEN ? text : json_pack("[o,o]", text, long_text(&f->seed)));
		matches = matching(f, c);
		search_where(s, c);
		found = results(s, 0);
		if (json_array_size(found) != json_array_size(matches))
			fail_msg("comparison %d: %zu rows, not %zu", (int)compare,
			    json_array_size(found), json_array_size(matches));
		json_decref(found);
		json_decref(matches);
	}
}

static int
show(const struct table *t, const char *name, void *arg)
{
	return (strcmp(name, "b") != 0);
}

static json_int_t
id(const json_t *rows, size_t i)
{
	return (json_integer_value(json_object_get(json_array_get(rows, i), "id")));
}

static void
test_by_keys(void **state)
{
	struct fixture *f = *state;
	struct search *s = search_new(f->rt.store, f->rt.table);
	json_t *keys = json_pack("[i,i,f,s,i]", 7, 3, 5.0, "5", 399), *found;

	search_all_columns(s, show, NULL);
	search_keys(s, keys);
	found = results(s, 1);
	assert_int_equal(json_array_size(found), 3);
	assert_int_equal(id(found, 0), 7);
	assert_int_equal(id(found, 1), 5);
	assert_int_equal(json_object_size(json_array_get(found, 1)), 6);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(found, 1),
			     "__createdtime__")),
	    5000);
	json_decref(found);
	json_decref(keys);
	s = search_new(f->rt.store, f->rt.table);
	keys = json_array();
	search_keys(s, keys);
	found = results(s, 0);
	assert_int_equal(json_array_size(found), 0);
	json_decref(found);
	json_decref(keys);
}

static void
test_reverse(void **state)
{
	struct fixture *f = *state;
	struct search *s = open_search(f);
	json_t *found;

	search_reverse(s);
	search_page(s, 1, 2);
	found = results(s, 0);
	assert_int_equal(json_array_size(found), 2);
	assert_int_equal(id(found, 0), 398);
	assert_int_equal(id(found, 1), 397);
	json_decref(found);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_way_finds_the_same),
		cmocka_unit_test(test_without_an_order),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_by_keys),
		cmocka_unit_test(test_reverse),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
