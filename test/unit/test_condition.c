#include "config.h"

#include "opsd/search/condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opsd/store/value.h"

/* One row: id "k1", a 5, b "banana", c [1], d absent, n null; t true. */
struct fixture {
	struct table *table;
	struct row_view view;
	struct buf key, values;
};

static const struct {
	const char *name, *json;
} attrs[] = {
	{ "a", "5" },
	{ "b", "\"banana\"" },
	{ "c", "[1]" },
	{ "n", "null" },
	{ "t", "true" },
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct stamp s = { UINT64_C(1000) << 16, 1 };
	size_t at[8];

	f->table = table_new("data", "t", "id");
	table_edit_attr(f->table, "d", 1);
	for (size_t i = 0; i < 5; i++) {
		json_t *v = json_loads(attrs[i].json, JSON_DECODE_ANY, NULL);

		table_edit_attr(f->table, attrs[i].name, 1)->indexed = 1;
		at[i] = f->values.len;
		value_pack(&f->values, v);
		json_decref(v);
	}
	at[5] = f->values.len;
	for (size_t i = 0; i < 5; i++) {
		struct attr *a = row_add(&f->view.row, attrs[i].name, 1);

		a->value = f->values.data + at[i];
		a->vlen = (uint32_t)(at[i + 1] - at[i]);
		a->stamp = s;
	}
	f->view.row.created = f->view.row.cleared = s;
	key_from_string(&f->key, "k1", 2);
	f->view.key = f->key.data;
	f->view.klen = f->key.len;
	*state = f;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	row_view_free(&f->view);
	buf_free(&f->key);
	buf_free(&f->values);
	table_unref(f->table);
	free(f);
	return (0);
}

static struct condition *
leaf(struct fixture *f, const char *name, const char *compare, const char *json)
{
	json_t *v = json_loads(json, JSON_DECODE_ANY, NULL);
	struct condition *c;
	struct field field;

	assert_non_null(v);
	assert_int_equal(field_find(&field, f->table, name), 0);
	c = strcmp(compare, "wild") == 0 ?
	    condition_wildcard(&field, v) :
	    condition_leaf(&field, (enum compare)compare_find(compare), v);
	json_decref(v);
	return (c);
}

/* Where a range of keys is given, what matches must lie in it. */
static void
check_bounds(struct fixture *f, const struct condition *c)
{
	struct buf lower = { 0 }, upper = { 0 }, key = { 0 };
	struct scalar sc;
	size_t n;

	if (condition_bounds(c, &lower, &upper) == 0 &&
	    field_scalar(&c->field, &f->view, &sc) == 0) {
		/* as in an index: a row's key follows */
		key_from_scalar(&key, &sc);
		buf_u8(&key, RANK_TEXT);
		n = key.len < lower.len ? key.len : lower.len;
		assert_true(memcmp(key.data, lower.data, n) >= 0);
		n = key.len < upper.len ? key.len : upper.len;
		assert_true(memcmp(key.data, upper.data, n) < 0);
	}
	buf_free(&lower);
	buf_free(&upper);
	buf_free(&key);
}

static void
test_leaves(void **state)
{
	static const struct {
		const char *name, *compare, *json;
		int match;
	} cases[] = {
		{ "a", "equals", "5", 1 },
		{ "a", "equals", "5.0", 1 },
		{ "a", "equals", "\"5\"", 0 },
		{ "a", "not_equal", "5", 0 },
		{ "a", "not_equal", "6", 1 },
		{ "a", "greater_than", "4", 1 },
		{ "a", "greater_than", "5", 0 },
		{ "a", "greater_than_equal", "5", 1 },
		{ "a", "less_than", "5", 0 },
		{ "a", "less_than", "5.5", 1 },
		{ "a", "less_than_equal", "5", 1 },
		{ "a", "less_than", "\"zzz\"", 0 },
		{ "a", "greater_than", "null", 0 },
		{ "a", "between", "[5,7]", 1 },
		{ "a", "between", "[1,5]", 1 },
		{ "a", "between", "[6,7]", 0 },
		{ "a", "between", "[7,1]", 0 },
		{ "a", "between", "[1,\"x\"]", 0 },
		{ "a", "starts_with", "\"5\"", 0 },
		{ "b", "equals", "\"banana\"", 1 },
		{ "b", "starts_with", "\"ban\"", 1 },
		{ "b", "starts_with", "\"an\"", 0 },
		{ "b", "ends_with", "\"nana\"", 1 },
		{ "b", "ends_with", "\"xbanana\"", 0 },
		{ "b", "contains", "\"nan\"", 1 },
		{ "b", "contains", "\"nam\"", 0 },
		{ "b", "starts_with", "\"\"", 1 },
		{ "b", "greater_than", "\"apple\"", 1 },
		{ "b", "between", "[\"a\",\"c\"]", 1 },
		{ "c", "equals", "[1]", 1 },
		{ "c", "equals", "[2]", 0 },
		{ "c", "equals", "1", 0 },
		{ "c", "not_equal", "1", 1 },
		{ "c", "not_equal", "[1]", 0 },
		{ "d", "equals", "null", 1 },
		{ "d", "equals", "1", 0 },
		{ "d", "not_equal", "1", 1 },
		{ "d", "equals", "[1]", 0 },
		{ "n", "equals", "null", 1 },
		{ "n", "not_equal", "null", 0 },
		{ "t", "equals", "true", 1 },
		{ "t", "greater_than", "false", 1 },
		{ "t", "equals", "1", 0 },
		{ "id", "equals", "\"k1\"", 1 },
		{ "id", "starts_with", "\"k\"", 1 },
		{ "id", "less_than", "\"k1\"", 0 },
		{ "__createdtime__", "equals", "1000", 1 },
		{ "__updatedtime__", "between", "[999,1001]", 1 },
		{ "b", "wild", "\"*\"", 1 },
		{ "d", "wild", "\"*\"", 1 },
		{ "b", "wild", "\"ba*\"", 1 },
		{ "b", "wild", "\"*na\"", 1 },
		{ "b", "wild", "\"*nan*\"", 1 },
		{ "b", "wild", "\"ban\"", 0 },
		{ "b", "wild", "\"x*\"", 0 },
		{ "a", "wild", "5", 1 },
		{ "a", "wild", "\"5*\"", 0 },
		{ "b", "wild", "\"b*a\"", 0 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct condition *c = leaf(f, cases[i].name, cases[i].compare, cases[i].json);

		if (condition_match(c, &f->view) != cases[i].match)
			fail_msg("%s %s %s", cases[i].name, cases[i].compare, cases[i].json);
		if (cases[i].match)
			check_bounds(f, c);
		condition_free(c);
	}
}

static void
test_groups(void **state)
{
	struct fixture *f = *state;
	struct condition *both = condition_group(COND_AND), *either = condition_group(COND_OR);

	assert_true(condition_match(both, &f->view));
	assert_false(condition_match(either, &f->view));
	condition_add(either, leaf(f, "a", "equals", "6"));
	assert_false(condition_match(either, &f->view));
	condition_add(either, leaf(f, "b", "starts_with", "\"b\""));
	assert_true(condition_match(either, &f->view));
	condition_add(both, either);
	assert_true(condition_match(both, &f->view));
	condition_add(both, leaf(f, "a", "less_than", "5"));
	assert_false(condition_match(both, &f->view));
	condition_free(both);
}

static void
test_dropped_attribute_is_missing(void **state)
{
	struct fixture *f = *state;
	struct attribute *a = table_edit_attr(f->table, "a", 1);
	struct condition *c = leaf(f, "a", "equals", "5");
	struct field field;

	a->dropped = f->view.row.created;
	assert_false(condition_match(c, &f->view));
	a->hidden = 1;
	assert_int_equal(field_find(&field, f->table, "a"), -1);
	assert_int_equal(field_find(&field, f->table, "nobody"), -1);
	a->hidden = 0;
	a->dropped = (struct stamp){ 0, 0 };
	condition_free(c);
}

static void
test_words(void **state)
{
	assert_int_equal(compare_find("equals"), CMP_EQUALS);
	assert_int_equal(compare_find("less_than_equal"), CMP_LESS_EQUAL);
	assert_int_equal(compare_find("like"), -1);
	assert_int_equal(compare_find(""), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaves),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_dropped_attribute_is_missing),
		cmocka_unit_test(test_words),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
