#include "config.h"

#include "search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "log.h"
#include "mem.h"
#include "value.h"

#define ROWS	400

/* A real store with one table: id, a (indexed), b; and the rows as JSON beside it. */
struct fixture {
	char		 dir[64];
	struct store	*store;
	struct table	*table;
	json_t		*rows;		/* in key order */
	uint64_t	 seed;
};

static uint64_t
next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (*seed);
}

static json_t *
random_value(struct fixture *f)
{
	char	text[8];

	switch (next(&f->seed) % 5) {
	case 0:
		return (json_null());
	case 1:
		return (json_boolean((int)(next(&f->seed) & 1)));
	case 2:
		return (json_real((double)(next(&f->seed) % 80) / 4 - 5));
	case 3:
		snprintf(text, sizeof(text), "%c%c", (char)('a' + next(&f->seed) % 3),
		    (char)('a' + next(&f->seed) % 3));
		return (json_string(text));
	default:
		return (json_integer((json_int_t)(next(&f->seed) % 20) - 5));
	}
}

static void
put_index(struct fixture *f, struct store_batch *batch, const struct attr *a, const struct buf *key)
{
	const struct attribute	*ta = table_attr(f->table, a->name, a->nlen);
	struct buf		 v = { 0 }, k = { 0 };

	if (ta->indexed && value_key(&v, a->value, a->vlen) == 0) {
		key_index(&k, f->table->id, ta->id, v.data, v.len, key->data, key->len);
		store_batch_put(batch, CF_INDEX, k.data, k.len, "", 0);
	}
	buf_free(&v);
	buf_free(&k);
}

/* The row's attributes but the key, at a stamp of its own; deleted ones become tombstones. */
static void
put_row(struct fixture *f, struct store_batch *batch, json_t *o, int deleted)
{
	struct row	 row = { 0 };
	struct buf	 key = { 0 }, rkey = { 0 }, bytes = { 0 }, values[2] = { { 0 } };
	struct stamp	 s = { UINT64_C(5000) << 16, 9 };
	const char	*names[] = { "a", "b" };

	key_from_json(&key, json_object_get(o, "id"));
	row.created = row.cleared = s;
	for (int i = 0; i < 2; i++) {
		json_t *v = json_object_get(o, names[i]);
		struct attr *a;

		if (v == NULL || deleted)
			continue;
		value_pack(&values[i], v);
		a = row_add(&row, names[i], 1);
		a->value = values[i].data;
		a->vlen = (uint32_t)values[i].len;
		a->stamp = s;
		put_index(f, batch, a, &key);
	}
	if (deleted)
		row.created.time--;
	row_encode(&row, &bytes);
	key_row(&rkey, f->table->id, key.data, key.len);
	store_batch_put(batch, CF_ROWS, rkey.data, rkey.len, bytes.data, bytes.len);
	row_free(&row);
	buf_free(&key);
	buf_free(&rkey);
	buf_free(&bytes);
	buf_free(&values[0]);
	buf_free(&values[1]);
}

static void
put_rows(struct fixture *f)
{
	struct store_batch	*batch = store_batch_new(f->store);

	f->rows = json_array();
	for (int i = 0; i < ROWS; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "id", json_integer(i));
		if (next(&f->seed) % 8 != 0)
			json_object_set_new(o, "a", random_value(f));
		if (next(&f->seed) % 8 != 0)
			json_object_set_new(o, "b", random_value(f));
		put_row(f, batch, o, i % 10 == 3);
		if (i % 10 != 3)
			json_array_append(f->rows, o);
		json_decref(o);
	}
	assert_int_equal(store_write(f->store, batch, 0), 0);
	store_batch_free(batch);
}

static int
setup(void **state)
{
	struct fixture	*f = xcalloc(1, sizeof(*f));
	char		*err = NULL;

	log_init("test", LOG_ERROR);
	f->seed = 88172645463325252;
	strcpy(f->dir, "/tmp/test_search.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->store = store_open(f->dir, 1 << 20, &err);
	assert_non_null(f->store);
	f->table = table_new("data", "t", "id");
	f->table->id = 70;
	table_add_attr(f->table, "a", 1)->indexed = 1;
	table_add_attr(f->table, "b", 1);
	put_rows(f);
	*state = f;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture	*f = *state;
	char		*rm = xasprintf("rm -rf '%s'", f->dir);
	int		 rc;

	table_unref(f->table);
	json_decref(f->rows);
	store_close(f->store);
	free(f);
	rc = system(rm);
	free(rm);
	return (rc);
}

static struct field
field(struct fixture *f, const char *name)
{
	struct field	at;

	assert_int_equal(field_find(&at, f->table, name), 0);
	return (at);
}

static struct search *
open_search(struct fixture *f)
{
	struct search	*s = search_new(f->store, f->table);
	struct field	 id = field(f, "id"), a = field(f, "a"), b = field(f, "b");

	search_column(s, &id);
	search_column(s, &a);
	search_column(s, &b);
	return (s);
}

/* Run it in the smallest slices; frees it. */
static json_t *
results(struct search *s)
{
	enum search_state	 st;
	json_t			*found;
	int			 slices = 0;

	search_start(s);
	while ((st = search_step(s, 0)) == SEARCH_MORE)
		slices++;
	assert_int_equal(st, SEARCH_DONE);
	found = json_loadb((const char *)search_out(s)->data, search_out(s)->len, 0, NULL);
	assert_non_null(found);
	search_free(s);
	return (found);
}

static json_t *
get(const json_t *row, const char *name)
{
	json_t	*v = json_object_get(row, name);

	return (v != NULL ? json_incref(v) : json_null());
}

/* What the row looks like in a result. */
static int
same_row(const json_t *found, const json_t *row)
{
	static const char *const	names[] = { "id", "a", "b" };
	struct scalar			x, y;
	int				same = 1;

	for (int i = 0; i < 3; i++) {
		json_t *v = get(row, names[i]);

		scalar_from_json(&x, json_object_get(found, names[i]));
		scalar_from_json(&y, v);
		same &= scalar_cmp(&x, &y) == 0;
		json_decref(v);
	}
	return (same && json_object_size(found) == 3);
}

/* Matching rows found by condition_match over JSON put into a row view. */
static int
row_matches(const struct condition *c, const json_t *o)
{
	struct row_view	 v = { 0 };
	struct buf	 key = { 0 }, values[2] = { { 0 } };
	struct stamp	 s = { UINT64_C(5000) << 16, 9 };
	const char	*names[] = { "a", "b" };
	int		 match;

	key_from_json(&key, json_object_get(o, "id"));
	v.key = key.data;
	v.klen = key.len;
	v.row.created = v.row.cleared = s;
	for (int i = 0; i < 2; i++) {
		json_t *j = json_object_get(o, names[i]);
		struct attr *a;

		if (j == NULL)
			continue;
		value_pack(&values[i], j);
		a = row_add(&v.row, names[i], 1);
		a->value = values[i].data;
		a->vlen = (uint32_t)values[i].len;
		a->stamp = s;
	}
	match = condition_match(c, &v);
	row_view_free(&v);
	buf_free(&key);
	buf_free(&values[0]);
	buf_free(&values[1]);
	return (match);
}

static struct condition *
random_leaf(struct fixture *f)
{
	static const char *const	names[] = { "a", "a", "b", "id" };
	struct field			at = field(f, names[next(&f->seed) % 4]);
	unsigned			compare = next(&f->seed) % (CMP_BETWEEN + 1);
	json_t				*v = random_value(f);
	struct condition		*c;

	if (compare == CMP_BETWEEN) {
		json_t *pair = json_array();

		json_array_append_new(pair, v);
		json_array_append_new(pair, random_value(f));
		v = pair;
	}
	c = condition_leaf(&at, (enum compare)compare, v);
	json_decref(v);
	return (c);
}

static struct condition *
random_condition(struct fixture *f, int depth)
{
	struct condition	*c;

	if (depth == 0 || next(&f->seed) % 3 == 0)
		return (random_leaf(f));
	c = condition_group(next(&f->seed) % 2 ? COND_AND : COND_OR);
	for (uint64_t n = 1 + next(&f->seed) % 3; n > 0; n--)
		condition_add(c, random_condition(f, depth - 1));
	return (c);
}

static void
test_every_way_finds_the_same(void **state)
{
	struct fixture	*f = *state;

	for (int i = 0; i < 600; i++) {
		struct search		*s = open_search(f);
		struct condition	*c = random_condition(f, 2);
		struct field		 id = field(f, "id");
		json_t			*found, *row, *expected = json_array();
		size_t			 n;

		json_array_foreach(f->rows, n, row)
			if (row_matches(c, row))
				json_array_append(expected, row);
		search_where(s, c);
		search_sort(s, &id, 0);
		found = results(s);
		assert_int_equal(json_array_size(found), json_array_size(expected));
		json_array_foreach(expected, n, row)
			assert_true(same_row(json_array_get(found, n), row));
		json_decref(found);
		json_decref(expected);
	}
}

/* Order of two results by attribute, then key. */
static int
ordered(const json_t *x, const json_t *y, const char *name, int descending)
{
	struct scalar	a, b;
	int		d;

	scalar_from_json(&a, json_object_get(x, name));
	scalar_from_json(&b, json_object_get(y, name));
	d = scalar_cmp(&a, &b);
	return (descending ? d >= 0 : d <= 0);
}

static void
test_sort_and_page(void **state)
{
	static const char *const	names[] = { "id", "a", "b" };
	struct fixture			*f = *state;

	for (int i = 0; i < 200; i++) {
		const char	*name = names[next(&f->seed) % 3];
		struct field	 by = field(f, name), a = field(f, "a");
		int		 down = (int)(next(&f->seed) & 1);
		int		 numbers = (int)(next(&f->seed) & 1);
		uint64_t	 offset = next(&f->seed) % 30, limit = 1 + next(&f->seed) % 30;
		json_t		*all, *page, *zero = json_integer(-100);
		struct search	*s = open_search(f), *p = open_search(f);
		size_t		 n;

		search_sort(s, &by, down);
		search_sort(p, &by, down);
		if (numbers) {
			search_where(s, condition_leaf(&a, CMP_GREATER, zero));
			search_where(p, condition_leaf(&a, CMP_GREATER, zero));
		}
		search_page(p, offset, limit);
		all = results(s);
		page = results(p);
		for (n = 1; n < json_array_size(all); n++)
			assert_true(ordered(json_array_get(all, n - 1), json_array_get(all, n),
			    name, down));
		n = json_array_size(all) > offset ? json_array_size(all) - offset : 0;
		assert_int_equal(json_array_size(page), n < limit ? n : limit);
		for (n = 0; n < json_array_size(page); n++)
			assert_true(json_equal(json_array_get(page, n),
			    json_array_get(all, n + offset)));
		json_decref(all);
		json_decref(page);
		json_decref(zero);
	}
}

static void
test_two_orders(void **state)
{
	struct fixture	*f = *state;
	struct search	*s = open_search(f);
	struct field	 a = field(f, "a"), b = field(f, "b");
	json_t		*all;

	search_sort(s, &a, 1);
	search_sort(s, &b, 0);
	all = results(s);
	for (size_t n = 1; n < json_array_size(all); n++) {
		const json_t *x = json_array_get(all, n - 1), *y = json_array_get(all, n);

		assert_true(ordered(x, y, "a", 1));
		if (ordered(x, y, "a", 0))
			assert_true(ordered(x, y, "b", 0));
	}
	json_decref(all);
}

static struct condition *
leaf_of(struct fixture *f, const char *name, enum compare compare, const char *json)
{
	struct field		 at = field(f, name);
	json_t			*v = json_loads(json, JSON_DECODE_ANY, NULL);
	struct condition	*c = condition_leaf(&at, compare, v);

	json_decref(v);
	return (c);
}

/* Which way in each kind of condition takes; a is indexed, b is not. */
static void
test_the_way_in(void **state)
{
	static const struct {
		const char	*name, *json;
		enum compare	 compare;
		const char	*and, *sort;	/* `and`: a condition on id between 5 and 300 */
		uint64_t	 limit;
		const char	*way;
		int		 gathers;
	} cases[] = {
		{ "a", "3", CMP_EQUALS, NULL, NULL, 0, "a", 0 },
		{ "a", "[1,3]", CMP_BETWEEN, NULL, NULL, 0, "a", 0 },
		{ "a", "3", CMP_GREATER, NULL, NULL, 0, "a", 0 },
		{ "a", "3", CMP_GREATER_EQUAL, NULL, NULL, 0, "a", 0 },
		{ "a", "3", CMP_LESS, NULL, NULL, 0, "a", 0 },
		{ "a", "3", CMP_LESS_EQUAL, NULL, NULL, 0, "a", 0 },
		{ "a", "\"b\"", CMP_STARTS_WITH, NULL, NULL, 0, "a", 0 },
		{ "a", "\"b\"", CMP_CONTAINS, NULL, NULL, 0, "rows", 0 },
		{ "a", "\"b\"", CMP_ENDS_WITH, NULL, NULL, 0, "rows", 0 },
		{ "a", "3", CMP_NOT_EQUAL, NULL, NULL, 0, "rows", 0 },
		{ "a", "null", CMP_EQUALS, NULL, NULL, 0, "rows", 0 },
		{ "b", "3", CMP_EQUALS, NULL, NULL, 0, "rows", 0 },
		{ "id", "3", CMP_EQUALS, NULL, NULL, 0, "id", 0 },
		{ "a", "3", CMP_EQUALS, "id", NULL, 0, "a", 0 },
		{ "a", "3", CMP_GREATER, "id", NULL, 0, "id", 0 },
		{ "b", "3", CMP_EQUALS, "id", NULL, 0, "id", 0 },
		{ "a", "3", CMP_GREATER, NULL, "a", 0, "a", 0 },
		{ "a", "3", CMP_GREATER, NULL, "b", 0, "a", 1 },
		{ "b", "3", CMP_EQUALS, NULL, "id", 0, "rows", 0 },
		{ "a", "3", CMP_GREATER, "id", "a", 0, "id", 1 },
		{ "a", "3", CMP_GREATER, "id", "a", 5, "a", 0 },
		{ "a", "3", CMP_EQUALS, "id", "id", 5, "a", 1 },
	};
	struct fixture	*f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct search		*s = open_search(f);
		struct condition	*c = condition_group(COND_AND);
		struct field		 by;

		if (cases[i].and != NULL)
			condition_add(c, leaf_of(f, cases[i].and, CMP_BETWEEN, "[5,300]"));
		condition_add(c, leaf_of(f, cases[i].name, cases[i].compare, cases[i].json));
		search_where(s, c);
		if (cases[i].sort != NULL) {
			by = field(f, cases[i].sort);
			search_sort(s, &by, 0);
		}
		search_page(s, 0, cases[i].limit);
		search_start(s);
		if (strcmp(search_way(s), cases[i].way) != 0 ||
		    search_gathers(s) != cases[i].gathers)
			fail_msg("case %zu: by %s, gathers %d", i, search_way(s),
			    search_gathers(s));
		search_free(s);
	}
}

static int
show(const struct table *t, const char *name, void *arg)
{
	return (strcmp(name, "b") != 0);
}

static void
test_by_keys(void **state)
{
	struct fixture	*f = *state;
	struct search	*s = search_new(f->store, f->table);
	json_t		*keys = json_pack("[i,i,f,s,i]", 7, 3, 5.0, "5", 399), *found;

	search_all_columns(s, show, NULL);
	search_keys(s, keys);
	found = results(s);
	assert_int_equal(json_array_size(found), 3);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(found, 0), "id")), 7);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(found, 1), "id")), 5);
	assert_int_equal(json_object_size(json_array_get(found, 1)), 4);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(found, 1),
	    "__createdtime__")), 5000);
	json_decref(found);
	json_decref(keys);
	s = search_new(f->store, f->table);
	keys = json_array();
	search_keys(s, keys);
	found = results(s);
	assert_int_equal(json_array_size(found), 0);
	json_decref(found);
	json_decref(keys);
}

static void
test_reverse(void **state)
{
	struct fixture	*f = *state;
	struct search	*s = open_search(f);
	json_t		*found;

	search_reverse(s);
	search_page(s, 1, 2);
	found = results(s);
	assert_int_equal(json_array_size(found), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(found, 0), "id")), 398);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(found, 1), "id")), 397);
	json_decref(found);
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_every_way_finds_the_same),
		cmocka_unit_test(test_sort_and_page),
		cmocka_unit_test(test_two_orders),
		cmocka_unit_test(test_the_way_in),
		cmocka_unit_test(test_by_keys),
		cmocka_unit_test(test_reverse),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
