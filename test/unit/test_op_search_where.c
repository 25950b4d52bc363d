#include "config.h"

#include "opsd/op/op_search_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opsd/search/condition.h"

static struct table *table;

static int
make_table(void **state)
{
	(void)state;
	table = table_new("data", "dog", "id");
	table->id = 70;
	table_edit_attr(table, "name", 4);
	table_edit_attr(table, "age", 3);
	return (0);
}

static int
free_table(void **state)
{
	(void)state;
	table_unref(table);
	return (0);
}

/* The conditions in short. */
static void
put_condition(struct buf *b, const struct condition *c)
{
	static const char
	    *const signs[] = { [CMP_EQUALS] = "=", [CMP_GREATER] = ">", [CMP_BETWEEN] = "in" };
	char *value;

	if (c->kind == COND_LEAF) {
		value = json_dumps(c->value, JSON_ENCODE_ANY | JSON_COMPACT);
		buf_addf(b, "%s %s %s", c->field.attr->name, signs[c->compare], value);
		free(value);
		return;
	}
	buf_addf(b, "(");
	for (size_t i = 0; i < c->nkids; i++) {
		if (i > 0)
			buf_addf(b, c->kind == COND_AND ? " and " : " or ");
		put_condition(b, c->kids[i]);
	}
	buf_addf(b, ")");
}

static void
read_where(const char *text, const char *want, const char *faults, const char *unknown)
{
	json_t *body = json_loads(text, 0, NULL);
	struct request r = { .body = body };
	struct asking a = {
		.r = &r,
		.table = table,
		.unknown = json_array(),
		.asked = json_object(),
	};
	struct condition *c;
	struct buf b = { 0 };

	assert_non_null(body);
	c = ask_conditions(&a);
	if (c != NULL)
		put_condition(&b, c);
	buf_u8(&b, 0);
	buf_u8(&a.f.text, 0);
	assert_string_equal((char *)a.f.text.data, faults);
	if (want != NULL)
		assert_string_equal((char *)b.data, want);
	assert_string_equal(json_array_size(a.unknown) == 0 ?
		"" :
		json_string_value(json_array_get(a.unknown, 0)),
	    unknown);
	condition_free(c);
	buf_free(&b);
	buf_free(&a.f.text);
	json_decref(a.unknown);
	json_decref(a.asked);
	json_decref(body);
}

#define WHERE(list) "{\"conditions\":[" list "]}"
#define NAME        "{\"attribute\":\"name\",\"value\":\"x\"}"
#define AGE(word)   "{\"search_attribute\":\"age\",\"search_type\":\"" word "\",\"search_value\":7}"

static void
test_conditions(void **state)
{
	(void)state;
	read_where(WHERE(NAME), "(name = \"x\")", "", "");
	read_where(WHERE(NAME "," AGE("greater_than")), "(name = \"x\" and age > 7)", "", "");
	read_where("{\"operator\":\"OR\",\"conditions\":[" NAME "," NAME "]}",
	    "(name = \"x\" or name = \"x\")", "", "");
	read_where(WHERE("{\"operator\":\"or\",\"conditions\":[" NAME "," NAME "]}," NAME),
	    "((name = \"x\" or name = \"x\") and name = \"x\")", "", "");
	read_where(WHERE("{\"attribute\":\"age\",\"comparator\":\"In\",\"value\":[1,2]}"),
	    "((age = 1 or age = 2))", "", "");
	read_where(WHERE("{\"attribute\":\"age\",\"comparator\":\"between\",\"value\":[1,2]}"),
	    "(age in [1,2])", "", "");
}

static void
test_what_is_wrong(void **state)
{
	(void)state;
	read_where("{}", NULL, "'conditions' is required", "");
	read_where("{\"conditions\":7}", NULL, "'conditions' must be an array", "");
	read_where(WHERE(""), NULL, "'conditions' must contain at least 1 items", "");
	read_where(WHERE("7"), NULL, "'conditions[0]' must be of type object", "");
	read_where("{\"operator\":\"xor\",\"conditions\":[" NAME "]}", NULL,
	    "'operator' must be one of [and, or]", "");
	read_where(WHERE(NAME ",{}"), NULL,
	    "'conditions[1].search_attribute' is required. 'conditions[1].search_value' is required",
	    "");
	read_where(WHERE("{\"attribute\":7,\"value\":1}"), NULL,
	    "'conditions[0].attribute' must be a string", "");
	read_where(WHERE("{\"attribute\":\"age\",\"comparator\":7,\"value\":1}"), NULL,
	    "'conditions[0].comparator' must be a string", "");
	read_where(WHERE(AGE("like")), NULL,
	    "'conditions[0].search_type' must be one of [equals, contains, starts_with, ends_with, "
	    "greater_than, greater_than_equal, less_than, less_than_equal, between, not_equal, in]",
	    "");
	read_where(WHERE(AGE("in")), NULL, "'conditions[0].search_value' must be an array", "");
	read_where(WHERE("{\"attribute\":\"age\",\"comparator\":\"between\",\"value\":[1]}"), NULL,
	    "'conditions[0].value' must contain 2 items", "");
	read_where(WHERE("{\"attribute\":\"age\",\"search_attribute\":\"name\",\"value\":1}"), NULL,
	    "'conditions[0].attribute' and 'conditions[0].search_attribute' are the same field, and "
	    "have different values",
	    "");
	read_where(WHERE("{\"conditions\":[" NAME ",7]}"), NULL,
	    "'conditions[0].conditions[1]' must be of type object", "");
	read_where(WHERE("{\"attribute\":\"size\",\"value\":1}"), NULL, "", "size");
}

/* Neither nests without end, nor is longer than somebody waits for. */
static void
test_limits(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 17; i++)
		buf_addf(&b, "{\"conditions\":[");
	buf_addf(&b, NAME);
	for (int i = 0; i < 17; i++)
		buf_addf(&b, "]}");
	buf_u8(&b, 0);
	read_where((char *)b.data, NULL, "", "");
	buf_clear(&b);
	for (int i = 0; i < 18; i++)
		buf_addf(&b, "{\"conditions\":[");
	buf_addf(&b, NAME);
	for (int i = 0; i < 18; i++)
		buf_addf(&b, "]}");
	buf_u8(&b, 0);
	read_where((char *)b.data, NULL, "'conditions' are nested more than 16 levels deep", "");
	buf_clear(&b);
	buf_addf(&b, "{\"conditions\":[");
	for (int i = 0; i < 1001; i++)
		buf_addf(&b, "%s" NAME, i > 0 ? "," : "");
	buf_addf(&b, "]}");
	buf_u8(&b, 0);
	read_where((char *)b.data, NULL, "'conditions' are more than 1000", "");
	buf_clear(&b);
	buf_addf(&b, WHERE("{\"attribute\":\"age\",\"comparator\":\"in\",\"value\":[0"));
	b.len -= 2;
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, ",%d", i);
	buf_addf(&b, "]}]}");
	buf_u8(&b, 0);
	read_where((char *)b.data, NULL, "'conditions' are more than 1000", "");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_limits),
	};

	return (cmocka_run_group_tests(tests, make_table, free_table));
}
