#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "opsd/cluster/proposal.h"
#include "opsd/cluster/scope_change.h"
#include "test/unit/openrep.h"

/* What replicates and what does not, by the word of tables and of databases, here and there. */

#define THERE 70u
#define LIFE  1000u

static int
setup(void **state)
{
	openrep_begin(state, "dog", "cat");
	return (0);
}

/* Everything of boston, of which it has a dog and a cat. */
static struct offer *
all_of_boston(uint64_t time)
{
	struct offer *o = offering_new(boston, "boston", LIFE);

	offering_all(o, time);
	offering_table_in(o, "dev", "dog", THERE, 3, "id");
	offering_table_in(o, "dev", "cat", THERE + 1, 3, "id");
	return (o);
}

static int
say(struct openrep *r, const char *table, enum table_replicate said)
{
	struct ddl *d = ddl_new(DDL_ALTER_TABLE, "dev", table);
	int status;

	d->replicate = said;
	status = commit_wait(r->o.data.commit, &d->job);
	ddl_free(d);
	return (status);
}

static void
nothing_run(struct group *g, void *arg)
{
	(void)g;
	(void)arg;
}

/* With all that follows. */
static void
says(struct openrep *r, const char *table, enum table_replicate said)
{
	assert_int_equal(say(r, table, said), 200);
	scope_changed(&r->rep);
	assert_int_equal(openrep_call(r, nothing_run, NULL), 200);
}

static int
flows(struct openrep *r, const char *database, const char *table)
{
	struct peer *p = nodes_by_id(r->rep.nodes, boston);
	int yes = p != NULL && peer_effective(p, database, table) != NULL;

	peer_free(p);
	return (yes);
}

static int
has_cursor(struct openrep *r, uint32_t table)
{
	return (cursors_find(r->rep.cursors, boston, table) != NULL);
}

static size_t
offered(struct openrep *r, const char *database, const char *table)
{
	struct subscription s = { (char *)(uintptr_t)database, (char *)(uintptr_t)table, 1, 1, 0,
		{ 9, 1 }, 0 };
	struct offer *o = offer_new(&r->rep, &s, 1, 0);
	size_t n = o->items[0].n;

	offer_free(o);
	return (n);
}

static void
test_table_stays_here(void **state)
{
	struct openrep *r = *state;
	uint64_t before;

	assert_int_equal(openrep_take(r, all_of_boston(5)), 200);
	assert_true(has_cursor(r, THERE) && has_cursor(r, THERE + 1));
	assert_int_equal(offered(r, "*", "*"), 2);
	before = nodes_changes(r->rep.nodes);
	says(r, "dog", REPLICATE_NO);
	assert_int_not_equal(nodes_changes(r->rep.nodes), before);
	assert_false(flows(r, "dev", "dog"));
	assert_false(nodes_get_it(r->rep.nodes, "dev", "dog"));
	assert_true(flows(r, "dev", "cat"));
	assert_false(has_cursor(r, THERE));
	assert_true(has_cursor(r, THERE + 1));
	assert_int_equal(offered(r, "*", "*"), 1);
	assert_int_equal(offered(r, "dev", "*"), 1);
	assert_int_equal(offered(r, "dev", "dog"), 0);
	/* It is offered again and again, and not taken; after a restart, too. */
	assert_int_equal(openrep_take(r, all_of_boston(5)), 200);
	assert_false(has_cursor(r, THERE));
	openrep_restart(r);
	assert_int_equal(openrep_take(r, all_of_boston(6)), 200);
	assert_false(has_cursor(r, THERE));
	/* All of it comes when it may again. */
	says(r, "dog", REPLICATE_UNSAID);
	assert_int_equal(openrep_take(r, all_of_boston(6)), 200);
	assert_int_equal(cursor_view(cursors_find(r->rep.cursors, boston, THERE))->state,
	    CURSOR_COPY);
}

/* A node that is started with another configuration has no cursors of what it leaves out now. */
static void
test_start(void **state)
{
	struct openrep *r = *state;

	assert_int_equal(openrep_take(r, all_of_boston(5)), 200);
	assert_int_equal(say(r, "dog", REPLICATE_NO), 200);
	openrep_restart(r);
	assert_int_equal(openrep_call(r, nothing_run, NULL), 200);
	assert_false(has_cursor(r, THERE));
	assert_true(has_cursor(r, THERE + 1));
}

static void
test_named_by_a_call(void **state)
{
	struct openrep *r = *state;
	struct offer *o = offering_new(boston, "boston", LIFE);
	struct subscriptions wanted = { 0 };
	struct proposal *p = proposal_new(&r->rep, "boston");
	struct take *t;

	says(r, "dog", REPLICATE_NO);
	o->strict = 1;
	offering_add(o, "dog", 1, 0, 0, 5);
	t = take_new(o);
	assert_int_equal(commit_wait(r->o.data.commit, &t->job), 400);
	assert_non_null(strstr(t->job.error,
	    "Table 'dev.dog' does not replicate: its 'replicate' is false on node "));
	take_free(t);
	subscriptions_take(&wanted,
	    &(struct subscription){ (char *)"dev", (char *)"dog", 1, 0, 0, { 5, 1 }, 0 });
	proposal_plan(p, &wanted);
	assert_int_equal(proposal_ask(p), -1);
	assert_int_equal(p->status, 400);
	assert_string_equal(p->error,
	    "Table 'dev.dog' does not replicate: its 'replicate' is false");
	proposal_free(p);
	subscriptions_clear(&wanted);
}

static struct offer *
told(struct offer *o, json_t *scope)
{
	o->scope = scope;
	return (o);
}

static void
test_what_the_other_says(void **state)
{
	struct openrep *r = *state;
	json_t *some = json_pack("{s:[s], s:{s:b}}", "databases", "*", "tables", "dev/dog", 0);

	assert_int_equal(openrep_take(r, all_of_boston(5)), 200);
	assert_true(has_cursor(r, THERE));
	assert_int_equal(openrep_take(r, told(all_of_boston(5), some)), 200);
	assert_false(flows(r, "dev", "dog"));
	assert_false(has_cursor(r, THERE));
	assert_true(flows(r, "dev", "cat"));
	openrep_restart(r);
	assert_false(flows(r, "dev", "dog"));
	/* Its databases. */
	assert_int_equal(openrep_take(r,
			     told(all_of_boston(5),
				 json_pack("{s:[s], s:{}}", "databases", "data", "tables"))),
	    200);
	assert_false(flows(r, "dev", "cat"));
	assert_true(flows(r, "data", "cat"));
	assert_false(has_cursor(r, THERE + 1));
	/* Who says nothing changes nothing. */
	assert_int_equal(openrep_take(r, all_of_boston(5)), 200);
	assert_false(flows(r, "dev", "cat"));
}

static struct offer *
with_a_word(struct offer *o, json_t *word)
{
	const struct offer_item *i = &o->items[o->n - 1];

	offering_table_in(o, "dev", "new", THERE + 2, 3, "id");
	json_object_set_new(i->tables[i->n - 1].definition, "replicate", word);
	return (o);
}

static enum table_replicate
says_new(struct openrep *r)
{
	return (catalog_replicate(r->o.data.catalog, "dev", 3, "new", 3));
}

/* The word comes with the definition, and what does not replicate does not come. */
static void
test_definition(void **state)
{
	struct openrep *r = *state;
	struct table *t;

	assert_int_equal(openrep_take(r, with_a_word(all_of_boston(5), json_false())), 200);
	t = catalog_get(r->o.data.catalog, "dev", "new");
	assert_null(t);
	assert_int_equal(openrep_take(r, with_a_word(all_of_boston(5), json_true())), 200);
	assert_int_equal(says_new(r), REPLICATE_YES);
	openrep_restart(r);
	assert_int_equal(says_new(r), REPLICATE_YES);
	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "new", NULL, 0), 200);
	assert_int_equal(says_new(r), REPLICATE_UNSAID);
	assert_int_equal(say(r, "new", REPLICATE_NO), 404);
}

/* A table that says so replicates in whatever database it is. */
static void
test_databases(void **state)
{
	struct openrep *r = *state;
	json_t *databases = nodes_scope(r->rep.nodes)->databases;

	assert_int_equal(openrep_take(r, all_of_boston(5)), 200);
	json_array_clear(databases);
	json_array_append_new(databases, json_string("data"));
	assert_false(flows(r, "dev", "dog"));
	assert_false(flows(r, "dev", "cat"));
	assert_true(flows(r, "data", "cat"));
	assert_int_equal(offered(r, "*", "*"), 0);
	says(r, "dog", REPLICATE_YES);
	assert_true(flows(r, "dev", "dog"));
	assert_false(flows(r, "dev", "cat"));
	assert_int_equal(offered(r, "*", "*"), 1);
	assert_true(has_cursor(r, THERE));
	assert_false(has_cursor(r, THERE + 1));
}

static void
faulty(const char *text, const char *why)
{
	json_t *o = json_loads(text, 0, NULL);
	struct peerjson w = { 0 };

	assert_null(scope_read(&w, o, "scope"));
	assert_string_equal(w.fault, why);
	free(w.fault);
	json_decref(o);
}

static void
test_told_in_json(void **state)
{
	struct openrep *r = *state;
	json_t *o, *all;
	struct peerjson w = { 0 };

	says(r, "dog", REPLICATE_NO);
	all = scope_write(nodes_scope(r->rep.nodes));
	o = json_pack("{s:o}", "scope", all);
	assert_ptr_equal(scope_read(&w, o, "scope"), all);
	assert_false(scope_told_has(all, 1, "dev", 3, "dog", 3));
	assert_true(scope_told_has(all, 1, "dev", 3, "cat", 3));
	json_decref(o);
	faulty("{\"scope\":7}", "'scope' must be an object");
	faulty("{\"scope\":{\"databases\":7,\"tables\":{}}}", "'databases' must be an array");
	faulty("{\"scope\":{\"databases\":[7],\"tables\":{}}}",
	    "'scope' must name databases by strings");
	faulty("{\"scope\":{\"databases\":[],\"tables\":{\"a/b\":7}}}",
	    "'scope' must say true or false of a table");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, openrep_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_table_stays_here),
		TEST(test_start),
		TEST(test_named_by_a_call),
		TEST(test_what_the_other_says),
		TEST(test_definition),
		TEST(test_databases),
		TEST(test_told_in_json),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
