#include "config.h"

#include "opsd/search/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "opsd/search/search.h"
#include "test/unit/rowtable.h"

#define ROWS 110000

/* id 0.., a is every value 110 times, c one of three, b the same without an index; o is nowhere. */
static int
setup(void **state)
{
	struct rowtable *rt = xcalloc(1, sizeof(*rt));

	rowtable_open(rt);
	for (int i = 0; i < ROWS; i++) {
		json_t *o = json_pack("{s:i,s:i,s:i,s:i}", "id", i, "a", i % 1000, "b", i % 3, "c",
		    i % 3);

		rowtable_put(rt, o, 0);
		json_decref(o);
		if (i % 1000 == 999)
			assert_int_equal(rowtable_write(rt), 0);
	}
	*state = rt;
	return (0);
}

static int
teardown(void **state)
{
	int rc = rowtable_close(*state);

	free(*state);
	return (rc);
}

/* ["and", C...], ["or", C...] or {"name": value}, {"name": [from, to]}. */
static struct condition *
condition(const struct rowtable *rt, json_t *j)
{
	struct condition *c;
	struct field f;
	const char *name;
	json_t *v;

	if (json_is_array(j)) {
		c = condition_group(strcmp(json_string_value(json_array_get(j, 0)), "and") == 0 ?
			COND_AND :
			COND_OR);
		for (size_t i = 1; i < json_array_size(j); i++)
			condition_add(c, condition(rt, json_array_get(j, i)));
		return (c);
	}
	name = json_object_iter_key(json_object_iter(j));
	v = json_object_get(j, name);
	f = rowtable_field(rt, name);
	return (condition_leaf(&f, json_is_array(v) ? CMP_BETWEEN : CMP_EQUALS, v));
}

static struct condition *
condition_read(const struct rowtable *rt, const char *text)
{
	json_t *j = json_loads(text, 0, NULL);
	struct condition *c;

	assert_non_null(j);
	c = condition(rt, j);
	json_decref(j);
	return (c);
}

/* "a c-": by a, then by c descending. */
static size_t
orders_read(const struct rowtable *rt, const char *text, struct order *o)
{
	char *copy = xstrdup(text), *rest = NULL, *name;
	size_t n = 0;

	for (name = strtok_r(copy, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
		size_t len = strlen(name);

		o[n].descending = name[len - 1] == '-';
		if (o[n].descending)
			name[len - 1] = '\0';
		o[n++].field = rowtable_field(rt, name);
	}
	free(copy);
	return (n);
}

static const char *
way(const struct plan *p)
{
	if (p->collect)
		return ("union");
	return (p->ranges[0].index != NULL ? p->ranges[0].index->name :
		p->ranges[0].narrowed      ? "id" :
					     "rows");
}

static void
test_ways(void **state)
{
	static const struct {
		const char *where, *sort;
		uint64_t need;
		const char *way;
		enum plan_sort how;
	} cases[] = {
		{ NULL, "", 0, "rows", SORT_FREE },
		{ "{\"a\":5}", "", 0, "a", SORT_FREE },
		{ "{\"id\":5}", "", 0, "id", SORT_FREE },
		{ "{\"id\":[5,50]}", "", 0, "id", SORT_FREE },
		{ "{\"b\":1}", "", 0, "rows", SORT_FREE },
		{ "{\"o\":1}", "", 0, "o", SORT_FREE },
		/* null is what is missing, too: not all indexes know that */
		{ "{\"o\":null}", "", 0, "rows", SORT_FREE },
		{ "{\"a\":null}", "", 0, "a", SORT_FREE },
		/* of several the one with the fewest rows, wherever it is */
		{ "[\"and\",{\"c\":1},{\"a\":5}]", "", 0, "a", SORT_FREE },
		{ "[\"and\",{\"a\":5},{\"c\":1}]", "", 0, "a", SORT_FREE },
		{ "[\"and\",{\"c\":1},[\"and\",{\"b\":1},{\"a\":5}]]", "", 0, "a", SORT_FREE },
		{ "[\"and\",{\"a\":[5,6]},{\"id\":[5,50]}]", "", 0, "id", SORT_FREE },
		{ "[\"and\",{\"a\":5},{\"id\":[5,50000]}]", "", 0, "a", SORT_FREE },
		{ "[\"and\",{\"c\":1},[\"or\",{\"a\":5},{\"id\":7}]]", "", 0, "union", SORT_FREE },
		{ "[\"and\",{\"b\":1},[\"or\",{\"a\":5},{\"id\":7}]]", "", 0, "union", SORT_FREE },
		{ "[\"and\",{\"a\":5},[\"or\",{\"a\":5},{\"id\":7}]]", "", 0, "a", SORT_FREE },
		/* several conditions on one attribute are one range */
		{ "[\"and\",{\"id\":[5,90000]},{\"id\":[89000,100000]},{\"c\":1}]", "", 0, "id",
		    SORT_FREE },
		/* any of these: all must have a range */
		{ "[\"or\",{\"a\":5},{\"a\":6},{\"id\":7}]", "", 0, "union", SORT_FREE },
		{ "[\"or\",{\"a\":5},{\"b\":1}]", "", 0, "rows", SORT_FREE },
		{ "[\"or\",{\"a\":5},[\"and\",{\"b\":1},{\"id\":[5,6]}]]", "", 0, "union",
		    SORT_FREE },
		{ "[\"or\",{\"a\":5}]", "", 0, "a", SORT_FREE },
		{ "[\"or\"]", "", 0, "union", SORT_FREE },
		/* orders */
		{ NULL, "id", 0, "rows", SORT_FREE },
		{ NULL, "id- a", 10, "rows", SORT_FREE },
		{ NULL, "a", 10, "a", SORT_RUNS },
		{ NULL, "a- c", 10, "a", SORT_RUNS },
		{ NULL, "a", 0, "a", SORT_RUNS },
		{ NULL, "b", 10, "rows", SORT_ALL },
		/* it has not all rows */
		{ NULL, "o", 10, "rows", SORT_ALL },
		{ "{\"o\":[1,9]}", "o", 10, "o", SORT_RUNS },
		/* of one value: by key already */
		{ "{\"a\":5}", "id", 10, "a", SORT_FREE },
		{ "{\"a\":[5,6]}", "id", 0, "a", SORT_ALL },
		{ "{\"a\":5}", "c", 10, "a", SORT_ALL },
		{ "[\"or\",{\"a\":5},{\"a\":6}]", "id-", 0, "union", SORT_FREE },
		{ "[\"or\",{\"a\":5},{\"a\":6}]", "c", 0, "union", SORT_ALL },
		/* a few of many matches: sooner found in the order than by gathering them */
		{ "{\"c\":1}", "a", 10, "a", SORT_RUNS },
		{ "{\"a\":[0,999]}", "id", 10, "rows", SORT_FREE },
		{ "{\"b\":1}", "a", 10, "a", SORT_RUNS },
		/* a few matches, sooner gathered */
		{ "{\"a\":5}", "id", 10, "a", SORT_FREE },
		{ "{\"id\":[5,50]}", "a", 10, "id", SORT_ALL },
	};
	struct rowtable *rt = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct order orders[2];
		struct store_snap *snap = store_snap_new(rt->store);
		struct condition *c = cases[i].where == NULL ? NULL :
							       condition_read(rt, cases[i].where);
		struct query q = {
			.store = rt->store,
			.snap = snap,
			.table = rt->table,
			.where = c,
			.orders = orders,
			.norders = orders_read(rt, cases[i].sort, orders),
			.need = cases[i].need == 0 ? UINT64_MAX : cases[i].need,
		};
		struct plan p;

		assert_int_equal(plan_make(&p, &q, 0), 0);
		if (strcmp(way(&p), cases[i].way) != 0 || p.sort != cases[i].how)
			fail_msg("case %zu: %s by '%s': way %s, sort %d", i, cases[i].where,
			    cases[i].sort, way(&p), p.sort);
		plan_free(&p);
		condition_free(c);
		store_snap_free(snap);
	}
}

/* What turned out to be too much is avoided, or there is no way. */
static void
test_avoided(void **state)
{
	struct rowtable *rt = *state;
	struct store_snap *snap = store_snap_new(rt->store);
	struct condition *c = condition_read(rt, "[\"or\",{\"a\":5},{\"id\":7}]");
	struct order orders[2];
	struct query q = {
		.store = rt->store,
		.snap = snap,
		.table = rt->table,
		.where = c,
		.orders = orders,
		.need = UINT64_MAX,
	};
	struct plan p;

	assert_int_equal(plan_make(&p, &q, AVOID_UNION), 0);
	assert_string_equal(way(&p), "rows");
	plan_free(&p);
	q.where = NULL;
	q.norders = orders_read(rt, "a b", orders);
	assert_int_equal(plan_make(&p, &q, AVOID_GATHER), 0);
	assert_string_equal(way(&p), "a");
	plan_free(&p);
	q.norders = orders_read(rt, "b a", orders);
	assert_int_equal(plan_make(&p, &q, AVOID_GATHER), -1);
	condition_free(c);
	store_snap_free(snap);
}

static uint64_t
found(struct search *s)
{
	enum search_state st;
	uint64_t n;

	search_start(s);
	while ((st = search_step(s, 1000)) == SEARCH_MORE)
		buf_clear(search_out(s));
	assert_int_equal(st, SEARCH_DONE);
	n = search_shown(s);
	search_free(s);
	return (n);
}

/* More keys than a union may collect: all rows are looked at, and each is found once. */
static void
test_a_large_union(void **state)
{
	struct rowtable *rt = *state;
	struct search *s = search_new(rt->store, rt->table);

	search_where(s, condition_read(rt, "[\"or\",{\"c\":0},{\"c\":1},{\"c\":2},{\"a\":5}]"));
	assert_int_equal(found(s), ROWS);
	s = search_new(rt->store, rt->table);
	search_where(s, condition_read(rt, "[\"or\",{\"c\":0},{\"a\":[0,99]},{\"a\":[50,120]}]"));
	/* a third, and of the others 121 in a thousand */
	assert_int_equal(found(s), 36667 + 110 * 121 - 4437);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_avoided),
		cmocka_unit_test(test_a_large_union),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
