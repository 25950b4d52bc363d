#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "opsd/cluster/origin.h"
#include "opsd/cluster/renew.h"
#include "opsd/cluster/subscription_change.h"
#include "test/unit/openrep.h"

/* What a node takes over of what another one offers, and what it refuses, on a real store. */

#define THERE 70u
#define LIFE  1000u

static size_t more_tables;

size_t __real_catalog_count(struct catalog *c);
size_t __wrap_catalog_count(struct catalog *c);

size_t
__wrap_catalog_count(struct catalog *c)
{
	return (__real_catalog_count(c) + more_tables);
}

static int
setup(void **state)
{
	more_tables = 0;
	openrep_begin(state, "dog", NULL);
	return (0);
}

static struct offer *
called(int publish, int subscribe, const char *table)
{
	struct offer *o = offering_new(boston, "boston", LIFE);

	o->strict = 1;
	offering_add(o, table, publish, subscribe, 0, 5);
	return (o);
}

/* With the peer's table. */
static struct offer *
with_dog(struct offer *o)
{
	offering_table(o, "dog", THERE, 3, "id");
	return (o);
}

static void
refused(struct openrep *r, struct offer *o, int status, const char *why)
{
	struct take *t = take_new(o);
	struct peer *p;

	assert_int_equal(commit_wait(r->o.data.commit, &t->job), status);
	assert_string_equal(t->job.error, why);
	p = nodes_by_id(r->rep.nodes, o->id);
	assert_null(p);
	take_free(t);
}

static int
has_table_in(struct openrep *r, const char *database, const char *name)
{
	struct table *t = catalog_get(r->o.data.catalog, database, name);

	table_unref(t);
	return (t != NULL);
}

static int
has_table(struct openrep *r, const char *name)
{
	return (has_table_in(r, "dev", name));
}

static struct subscription
here(struct openrep *r, const char *table)
{
	struct peer *p = nodes_by_id(r->rep.nodes, boston);
	const struct subscription *s = p != NULL ? subscriptions_find(&p->subs, "dev", table) :
						   NULL;
	struct subscription copy = s != NULL ? *s : (struct subscription){ .removed = -1 };

	copy.database = copy.table = NULL;
	peer_free(p);
	return (copy);
}

static const struct cursor_view *
cursor(struct openrep *r)
{
	struct cursor *cur = cursors_find(r->rep.cursors, boston, THERE);

	return (cur != NULL ? cursor_view(cur) : NULL);
}

/* ---- refused ---- */

static void
test_own_id(void **state)
{
	struct openrep *r = *state;
	struct offer *o = called(1, 0, "dog");

	memcpy(o->id, r->o.data.node_id, NODE_ID_LEN);
	refused(r, o, 400, "a node cannot subscribe to itself");
}

static void
test_nothing_there(void **state)
{
	struct openrep *r = *state;
	struct offer *o;

	refused(r, called(1, 0, "cat"), 404, "Table 'dev.cat' does not exist");
	o = called(1, 0, "*");
	o->items[0].has_database = 0;
	free(o->items[0].sub.database);
	o->items[0].sub.database = xstrdup("new");
	refused(r, o, 404, "database 'new' does not exist");
	/* On one side it is enough, and who only compares is not refused. */
	assert_int_equal(openrep_take(r, called(1, 0, "dog")), 200);
	o = called(1, 0, "cat");
	o->strict = 0;
	assert_int_equal(openrep_take(r, o), 200);
	assert_false(has_table(r, "cat"));
}

static void
test_other_key(void **state)
{
	struct openrep *r = *state;
	struct offer *o = called(1, 0, "dog");

	offering_table(o, "dog", THERE, 3, "key");
	refused(r, o, 400, "Primary keys of 'dev.dog' differ: 'id' and 'key'");
	/* As entries are compared, the table shows it. */
	o = called(1, 0, "dog");
	offering_table(o, "dog", THERE, 3, "key");
	o->strict = 0;
	assert_int_equal(openrep_take(r, o), 200);
	assert_int_equal(cursor(r)->state, CURSOR_FAILED);
	/* A call that ends it is taken. */
	o = called(0, 0, "dog");
	offering_table(o, "dog", THERE, 3, "key");
	o->items[0].sub.stamp.time++;
	assert_int_equal(openrep_take(r, o), 200);
	assert_false(here(r, "dog").publish);
}

static struct offer *
many(unsigned from, unsigned n)
{
	struct offer *o = offering_new(boston, "boston", LIFE);
	char name[16];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "t%u", from + i);
		offering_add(o, name, 1, 0, i % 2, 5);
	}
	return (o);
}

/* Up to the limit, whatever is newer can be told again and ended; nothing more can come. */
static void
test_too_many(void **state)
{
	struct openrep *r = *state;
	struct offer *again;

	assert_int_equal(openrep_take(r, many(0, SUBSCRIPTIONS_MAX)), 200);
	assert_int_equal(openrep_take(r, many(SUBSCRIPTIONS_MAX, 1)), 409);
	again = many(7, 3);
	again->items[0].sub.stamp.time = 9;
	assert_int_equal(openrep_take(r, again), 200);
	assert_int_equal(here(r, "t7").stamp.time, 9);
}

/* ---- what this side agrees to ---- */

/* Over a link, whose end is who it says. */
static struct take *
vouched(struct openrep *r, struct offer *o, const struct subscriptions *asked)
{
	struct take *t = take_new(o);

	t->vouched = 1;
	t->answered = 1;
	t->asked = asked;
	commit_wait(r->o.data.commit, &t->job);
	return (t);
}

static int
lacks(const struct take *t, size_t i)
{
	return ((int)t->answer->items[i].sub.lacks_here);
}

/* Nothing is made, and nothing told of what is here, until a call here asks for it, too. */
static void
test_proposed(void **state)
{
	struct openrep *r = *state;
	struct subscriptions asked = { 0 };
	struct subscription cat = { (char *)"dev", (char *)"cat", 0, 1, 0, { 9, 1 }, 0, 0, 0 };
	struct offer *o;
	struct take *t;

	/* Only that flows. */
	openrep_call(r, entering_run, &(struct entering){ boston, "boston", "bird", 1, 0, 0, 4 });
	o = called(1, 1, "dog");
	offering_table(o, "dog", THERE, 3, "other key");
	offering_add(o, "cat", 1, 0, 0, 9);
	offering_table(o, "cat", THERE + 1, 0, "id");
	t = vouched(r, o, NULL);
	assert_int_equal(t->job.status, 200);
	assert_int_equal(t->answer->n, 3);
	assert_int_equal(lacks(t, 1), SUBSCRIPTION_PUBLISH | SUBSCRIPTION_SUBSCRIBE);
	assert_int_equal(t->answer->items[1].n, 0);
	assert_false(t->answer->items[1].has_database);
	assert_int_equal(lacks(t, 2), SUBSCRIPTION_SUBSCRIBE);
	assert_false(has_table(r, "cat"));
	assert_null(cursor(r));
	take_free(t);
	subscriptions_take(&asked, &cat);
	o = called(1, 0, "cat");
	o->items[0].sub.stamp.time = 10;
	offering_table(o, "cat", THERE, 0, "id");
	t = vouched(r, o, &asked);
	assert_true(has_table(r, "cat"));
	assert_int_equal(cursor(r)->state, CURSOR_LIVE);
	take_free(t);
	subscriptions_clear(&asked);
}

/* Who is vouched for is known already, and has its name from there. */
static void
test_vouched(void **state)
{
	struct openrep *r = *state;
	struct take *t = vouched(r, with_dog(called(1, 0, "dog")), NULL);
	char *name;

	assert_int_equal(t->job.status, 403);
	take_free(t);
	openrep_call(r, entering_run, &(struct entering){ boston, "salem", "bird", 1, 0, 0, 4 });
	t = vouched(r, with_dog(called(1, 0, "dog")), NULL);
	assert_int_equal(t->job.status, 200);
	name = nodes_name(r->rep.nodes, boston);
	assert_string_equal(name, "salem");
	free(name);
	take_free(t);
}

/* ---- taken ---- */

static void
test_seen_from_here(void **state)
{
	struct openrep *r = *state;
	struct offer *o = with_dog(called(1, 0, "dog"));

	assert_int_equal(openrep_take(r, o), 200);
	assert_false(here(r, "dog").publish);
	assert_true(here(r, "dog").subscribe);
	assert_int_equal(cursor(r)->state, CURSOR_LIVE);
	assert_int_equal(cursor(r)->seq, 3);
	/* What is older changes nothing, its end does. */
	o = offering_new(boston, "boston", LIFE);
	offering_add(o, "dog", 0, 1, 0, 4);
	assert_int_equal(openrep_take(r, o), 200);
	assert_true(here(r, "dog").subscribe);
	assert_non_null(cursor(r));
	o = offering_new(boston, "boston", LIFE);
	offering_add(o, "dog", 0, 0, 1, 6);
	assert_int_equal(openrep_take(r, o), 200);
	assert_int_equal(here(r, "dog").removed, 1);
	assert_null(cursor(r));
}

static void
test_tables_are_made(void **state)
{
	struct openrep *r = *state;
	struct offer *o = called(0, 0, "*");

	offering_table(o, "cat", THERE, 3, "id");
	assert_int_equal(openrep_take(r, o), 200);
	assert_false(has_table(r, "cat"));
	o = called(1, 0, "*");
	o->items[0].sub.stamp.time = 6;
	offering_table(o, "cat", THERE, 3, "id");
	assert_int_equal(openrep_take(r, o), 200);
	assert_true(has_table(r, "cat"));
}

/* Others may name as many as they like. */
static void
test_tables_have_an_end(void **state)
{
	struct openrep *r = *state;
	struct offer *o = called(1, 0, "*");

	offering_table(o, "cat", THERE, 3, "id");
	offering_table(o, "cow", THERE + 1, 3, "id");
	more_tables = TAKE_TABLES_MAX - 1 - __real_catalog_count(r->o.data.catalog);
	assert_int_equal(openrep_take(r, o), 200);
	assert_true(has_table(r, "cat"));
	assert_false(has_table(r, "cow"));
}

/* What was dropped here comes back by a call, not as the two compare. */
static void
test_dropped_here(void **state)
{
	struct openrep *r = *state;
	struct offer *o = with_dog(called(1, 0, "dog"));

	assert_int_equal(openrep_take(r, o), 200);
	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	assert_int_equal(openrep_take(r, with_dog(called(1, 0, "dog"))), 200);
	assert_false(has_table(r, "dog"));
	o = called(1, 0, "dog");
	o->items[0].sub.stamp.time = 6;
	offering_table(o, "dog", THERE, 3, "id");
	assert_int_equal(openrep_take(r, o), 200);
	assert_true(has_table(r, "dog"));
}

/* A subscription that is compared, made at a time and with a start time. */
static struct offer *
compared(uint64_t ms, const char *table)
{
	struct offer *o = offering_new(boston, "boston", LIFE);

	offering_add(o, table, 1, 0, 0, ms << 16)->sub.start_ms = 1;
	return (o);
}

static void
compare(struct openrep *r, struct offer *o)
{
	struct take *t = take_new(o);

	t->compared = 1;
	assert_int_equal(commit_wait(r->o.data.commit, &t->job), 200);
	take_free(t);
}

/* One that is put back to a time after remove_node: what it wrote since it was added again may be lost. */
static void
test_removed_then_put_back(void **state)
{
	struct openrep *r = *state;
	struct offer *o = offering_new(boston, "boston", LIFE);

	offering_add(o, "dog", 0, 0, 1, 5);
	assert_int_equal(openrep_take(r, o), 200);
	compare(r, with_dog(compared(wall_ms(), "dog")));
	assert_int_equal(cursor(r)->state, CURSOR_COPY);
	assert_true(cursor(r)->recovering);
}

/* A node that is put back learns of subscriptions that are older than what it dropped since. */
static void
test_asked_before_the_drop(void **state)
{
	struct openrep *r = *state;
	uint64_t now = wall_ms();

	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	compare(r, with_dog(compared(now - 60000, "dog")));
	assert_true(here(r, "dog").subscribe);
	assert_false(has_table(r, "dog"));
	/* A call is of now, whatever the clock of who calls. */
	assert_int_equal(openrep_take(r, with_dog(compared(now - 59999, "dog"))), 200);
	assert_true(has_table(r, "dog"));
	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	compare(r, with_dog(compared(now + 60000, "dog")));
	assert_true(has_table(r, "dog"));
}

static void
test_asked_before_the_drop_of_all(void **state)
{
	struct openrep *r = *state;
	uint64_t now = wall_ms();
	struct offer *o;

	assert_int_equal(opendata_define(&r->o, DDL_DROP_DATABASE, NULL, NULL, 0), 200);
	o = compared(now - 60000, "*");
	offering_table(o, "cat", THERE, 3, "id");
	compare(r, o);
	assert_false(catalog_has_database(r->o.data.catalog, "dev"));
	assert_false(has_table(r, "cat"));
	o = compared(now + 60000, "*");
	offering_table(o, "cat", THERE, 3, "id");
	compare(r, o);
	assert_true(has_table(r, "cat"));
}

static void
forget_run(struct group *g, void *arg)
{
	struct table *t = group_edit(g, group_table_named(g, "dev", 3, "dog", 3));

	t->forgotten = (struct stamp){ 1 << 16, 1 };
	t->forgot = *(struct stamp *)arg;
	t->changed = 1;
}

/* The dog's marks: of drop_table, delete_records_before and drop_attribute. */
static int
marks(struct openrep *r)
{
	struct table *t = catalog_get(r->o.data.catalog, "dev", "dog");
	const struct attribute *a = table_attr(t, "age", 3);
	int n = !stamp_none(t->floor) + !stamp_none(t->forgotten) + !stamp_none(a->dropped);

	table_unref(t);
	return (n);
}

static int
is_hidden(struct openrep *r)
{
	struct table *t = catalog_get(r->o.data.catalog, "dev", "dog");
	int hidden = table_attr(t, "age", 3)->hidden;

	table_unref(t);
	return (hidden);
}

static struct offer *
with_age(struct offer *o)
{
	struct offer_table *t = &with_dog(o)->items[0].tables[0];

	json_array_append_new(json_object_get(t->definition, "attributes"),
	    json_pack("{s:s}", "name", "age"));
	return (o);
}

/* What went since stays away, rows and attributes; what went before may come. */
static void
test_asked_before_the_marks(void **state)
{
	struct openrep *r = *state;
	uint64_t now = wall_ms();
	struct stamp later = { (now + 120000) << 16, 1 };

	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	assert_int_equal(opendata_define(&r->o, DDL_CREATE_TABLE, "dog", NULL, 0), 200);
	assert_int_equal(opendata_define(&r->o, DDL_CREATE_ATTRIBUTE, "dog", "age", 0), 200);
	assert_int_equal(opendata_define(&r->o, DDL_DROP_ATTRIBUTE, "dog", "age", 0), 200);
	assert_int_equal(openrep_call(r, forget_run, &later), 200);
	compare(r, with_age(compared(now - 60000, "dog")));
	assert_int_equal(marks(r), 3);
	assert_true(is_hidden(r));
	openrep_restart(r);
	assert_int_equal(marks(r), 3);
	compare(r, with_age(compared(now - 50000, "dog")));
	assert_int_equal(marks(r), 3);
	compare(r, with_age(compared(now + 60000, "dog")));
	assert_int_equal(marks(r), 1);
	compare(r, with_age(compared(now + 180000, "dog")));
	assert_int_equal(marks(r), 0);
	assert_false(is_hidden(r));
}

static struct cursor *
cursor_of_id(struct openrep *r, uint32_t id)
{
	return (cursors_find(r->rep.cursors, boston, id));
}

/*
 * Dropped here, and made again there: the cursor of the one before asked in vain.  That of the new
 * one begins with its log, which makes the table here if that is younger than the drop.
 */
static void
test_dropped_here_remade_there(void **state)
{
	struct openrep *r = *state;

	compare(r, with_age(compared(wall_ms() - 60000, "dog")));
	assert_non_null(cursor(r));
	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	for (uint32_t id = THERE + 1; id >= THERE; id--) {
		struct offer *o = compared(wall_ms() - 60000, "dog");

		offering_table(o, "dog", id, 30, "id");
		compare(r, o);
		assert_false(has_table(r, "dog"));
		assert_null(cursor(r));
		assert_non_null(cursor_of_id(r, THERE + 1));
		assert_int_equal(cursor_view(cursor_of_id(r, THERE + 1))->state, CURSOR_LIVE);
		assert_int_equal(cursor_view(cursor_of_id(r, THERE + 1))->seq, 0);
	}
}

static void
test_dropped_before_it_was_known(void **state)
{
	struct openrep *r = *state;

	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	compare(r, with_age(compared(wall_ms() - 60000, "dog")));
	assert_null(cursor(r));
}

static void
lose_run(struct group *g, void *arg)
{
	cursors_on(g, cursor_of_id(arg, THERE), &(struct cursor_event){ .kind = ON_OWN_LOST });
}

/* Who copied from here while own writes came back looks again, however that ended. */
static void
test_ended_while_recovering(void **state)
{
	struct openrep *r = *state;
	uint64_t before = r->o.data.log.incarnation;
	struct offer *o = with_dog(called(1, 0, "dog"));

	assert_int_equal(openrep_take(r, o), 200);
	assert_int_equal(openrep_call(r, lose_run, r), 200);
	assert_int_equal(cursor(r)->recovering, 1);
	assert_int_equal(r->o.data.log.incarnation, before);
	o = offering_new(boston, "boston", LIFE);
	offering_add(o, "dog", 0, 0, 1, 6);
	assert_int_equal(openrep_take(r, o), 200);
	assert_null(cursor(r));
	assert_int_equal(r->o.data.log.incarnation, before + 1);
}

/* Under a new id all is offered, as it was asked for once: marks of peers since then hold. */
static void
test_renewed(void **state)
{
	struct openrep *r = *state;
	char hex[2 * NODE_ID_LEN + 1], *err = NULL;

	assert_int_equal(openrep_take(r, called(1, 1, "dog")), 200);
	assert_int_equal(renew_node_id(&r->rep, hex, &err), 200);
	assert_int_equal(here(r, "dog").start_ms, 1);
	assert_int_equal(here(r, "dog").stamp.time, 5);
	openrep_restart(r);
	assert_int_equal(here(r, "dog").start_ms, 1);
	assert_int_equal(here(r, "dog").stamp.time, 5);
}

/* The answer has all that there is, from here, and what is here of its tables. */
static void
test_answer(void **state)
{
	struct openrep *r = *state;
	struct take *t = take_new(called(1, 0, "dog"));

	t->answered = 1;
	assert_int_equal(commit_wait(r->o.data.commit, &t->job), 200);
	assert_memory_equal(t->answer->id, r->o.data.node_id, NODE_ID_LEN);
	assert_int_equal(t->answer->n, 1);
	assert_true(t->answer->items[0].sub.subscribe);
	assert_false(t->answer->items[0].sub.publish);
	assert_int_equal(t->answer->items[0].n, 1);
	assert_string_equal(t->answer->items[0].tables[0].name, "dog");
	assert_string_equal(offer_key(&t->answer->items[0].tables[0]), "id");
	take_free(t);
}

/* ---- a call here ---- */

static struct subscriptions
wanted(const char *table, int publish, int subscribe)
{
	struct subscriptions l = { 0 };

	subscriptions_take(&l,
	    &(struct subscription){ (char *)"dev", (char *)(uintptr_t)table, publish, subscribe, 0,
		{ 0, 0 }, 0 });
	return (l);
}

static void
test_plan(void **state)
{
	struct openrep *r = *state;
	struct subscriptions same = wanted("dog", 0, 1), other = wanted("cat", 1, 1);
	struct offer *o = with_dog(called(1, 0, "dog"));
	struct proposal *p;

	assert_int_equal(openrep_take(r, o), 200);
	p = proposal_new(&r->rep, "boston");
	assert_true(p->met);
	proposal_plan(p, &same);
	assert_int_equal(p->asked.n, 0);
	assert_int_equal(p->skipped.n, 1);
	proposal_plan(p, &other);
	proposal_plan_removals(p, &other);
	assert_int_equal(p->asked.n, 2);
	assert_int_equal(p->changed.n, 1);
	assert_true(subscriptions_find(&p->asked, "dev", "cat")->publish);
	assert_true(subscriptions_find(&p->asked, "dev", "dog")->removed);
	assert_true(subscriptions_find(&p->asked, "dev", "dog")->stamp.time > 5);
	proposal_free(p);
	subscriptions_clear(&same);
	subscriptions_clear(&other);
}

/* What a peer may have taken of a call that failed ends by what is newer still. */
static void
test_undo(void **state)
{
	struct openrep *r = *state;
	struct subscriptions dog = wanted("dog", 1, 1), cat = wanted("cat", 1, 1);
	struct proposal *p;
	struct stamp asked;

	assert_int_equal(openrep_take(r, called(1, 0, "dog")), 200);
	p = proposal_new(&r->rep, "boston");
	proposal_plan(p, &dog);
	proposal_plan(p, &cat);
	asked = subscriptions_find(&p->asked, "dev", "dog")->stamp;
	subscription_change_undo(&r->rep, &p, 1);
	assert_int_equal(here(r, "dog").stamp.time, 5); /* it was not sent */
	p->sent = 1;
	subscription_change_undo(&r->rep, &p, 1);
	assert_true(here(r, "dog").subscribe && !here(r, "dog").publish);
	assert_true(stamp_cmp(here(r, "dog").stamp, asked) > 0);
	assert_int_not_equal(here(r, "dog").stamp.node, SUBSCRIPTION_BY_REMOVAL);
	/* No operator has ended it: once the two are linked, it may be. */
	assert_int_equal(here(r, "cat").removed, 1);
	assert_int_equal(here(r, "cat").stamp.node, SUBSCRIPTION_BY_REMOVAL);
	proposal_free(p);
	subscriptions_clear(&dog);
	subscriptions_clear(&cat);
}

/* ---- all databases ---- */

/* Tables come with their databases, and all that is in them; what has something of its own is left. */
static void
test_all_databases(void **state)
{
	struct openrep *r = *state;
	struct offer *o = offering_new(boston, "boston", LIFE);

	offering_add(o, "cat", 0, 0, 0, 5);
	offering_all(o, 6);
	offering_table_in(o, "far", "bird", THERE, 9, "id");
	offering_table_in(o, "dev", "cat", THERE + 1, 9, "id");
	compare(r, o);
	assert_true(has_table_in(r, "far", "bird"));
	assert_false(has_table_in(r, "dev", "cat"));
	assert_non_null(cursor(r));
	assert_int_equal(cursor(r)->state, CURSOR_COPY);
	assert_string_equal(cursor(r)->database, "far");
}

/* What was dropped here does not come back by itself, whoever linked the two last. */
static void
test_all_databases_not_dropped(void **state)
{
	struct openrep *r = *state;
	struct offer *o = offering_new(boston, "boston", LIFE);

	assert_int_equal(opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	offering_all(o, (wall_ms() + 1000) << 16);
	offering_table_in(o, "dev", "dog", THERE, 9, "id");
	compare(r, o);
	assert_false(has_table(r, "dog"));
}

static void
test_all_databases_written(void **state)
{
	struct openrep *r = *state;
	struct subscription wide = { (char *)"*", (char *)"*", 1, 1, 0, { 5, 1 }, 0 };
	struct offer *o = offer_new(&r->rep, &wide, 1, 0), *back;
	json_t *written = offer_write(o), *item;
	char *fault = NULL;

	back = offer_read(written, &fault);
	assert_null(fault);
	assert_int_equal(back->items[0].n, 1);
	assert_string_equal(offer_database(&back->items[0], &back->items[0].tables[0]), "dev");
	offer_free(back);
	item = json_array_get(json_object_get(written, "subscriptions"), 0);
	json_object_set_new(item, "table", json_string("dog"));
	assert_null(offer_read(written, &fault));
	assert_non_null(strstr(fault,
	    "'subscriptions[0].table' must be '*' where the database is"));
	free(fault);
	json_decref(written);
	offer_free(o);
}

/* ---- first copies are not copied back ---- */

/* The peer's table began empty, and has else what came from these. */
static struct offer *
from_nodes(struct offer *o, const uint8_t *id, const uint8_t *another)
{
	struct offer_nodes from = { xcalloc(2, NODE_ID_LEN), another != NULL ? 2 : 1 };

	memcpy(from.ids, id, NODE_ID_LEN);
	if (another != NULL)
		memcpy(from.ids + NODE_ID_LEN, another, NODE_ID_LEN);
	o->sources = xcalloc(1, sizeof(*o->sources));
	o->sources[0] = from;
	o->nsources = 1;
	o->items[0].tables[0].sources = 1;
	return (o);
}

static const struct cursor_view *
dog_of(struct openrep *r, const uint8_t *id)
{
	return (cursor_view(cursors_find(r->rep.cursors, id, THERE)));
}

static struct offer *
joined(const uint8_t *id, const char *name)
{
	struct offer *o = offering_new(id, name, LIFE);

	offering_all(o, 5);
	offering_table_in(o, "dev", "dog", THERE, 3, "id");
	return (o);
}

/* It replicates all with us, and has no table yet. */
static void
meet(struct openrep *r, const uint8_t *id, const char *name)
{
	struct offer *o = offering_new(id, name, LIFE);

	offering_all(o, 5);
	compare(r, o);
}

static void
test_given_from_here(void **state)
{
	struct openrep *r = *state;

	r->o.data.live.replicates = r->o.data.live.links = 1;
	meet(r, boston, "boston");
	meet(r, austin, "austin");
	compare(r, from_nodes(joined(boston, "boston"), r->o.data.node_id, NULL));
	assert_int_equal(dog_of(r, boston)->state, CURSOR_FETCH);
	assert_int_equal(dog_of(r, boston)->seq, 0);
	assert_true(dog_of(r, boston)->whole);
	/* One that has some of that node as well, of whom all is here. */
	compare(r, from_nodes(joined(austin, "austin"), r->o.data.node_id, boston));
	assert_int_equal(dog_of(r, austin)->state, CURSOR_FETCH);
}

static void
test_given_from_elsewhere(void **state)
{
	struct openrep *r = *state;

	r->o.data.live.replicates = r->o.data.live.links = 1;
	meet(r, boston, "boston");
	meet(r, austin, "austin");
	/* Where from is not said; from a node that is not known here. */
	compare(r, joined(boston, "boston"));
	assert_int_equal(dog_of(r, boston)->state, CURSOR_COPY);
	compare(r,
	    from_nodes(joined(austin, "austin"), r->o.data.node_id,
		(const uint8_t *)"denver-denver-d"));
	assert_true(dog_of(r, austin)->copying);
}

/* What came from boston is not all here yet: it may have been the last that has it. */
static void
test_given_while_copied(void **state)
{
	struct openrep *r = *state;

	r->o.data.live.replicates = r->o.data.live.links = 1;
	meet(r, boston, "boston");
	meet(r, austin, "austin");
	compare(r, joined(boston, "boston"));
	compare(r, from_nodes(joined(austin, "austin"), r->o.data.node_id, boston));
	assert_true(dog_of(r, austin)->copying);
}

static uint8_t *
sources_of(struct openrep *r, const char *name, size_t *n)
{
	struct table *t = catalog_get(r->o.data.catalog, "dev", name);
	uint8_t *ids = origin_nodes(&r->rep, t, n);

	table_unref(t);
	return (ids);
}

static void
remove_cursor(struct group *g, void *arg)
{
	struct cursors *f = arg;

	cursors_remove(g, cursors_find(f, boston, THERE));
}

static void
test_sources(void **state)
{
	struct openrep *r = *state;
	struct offer *o = offering_new(boston, "boston", LIFE);
	uint64_t begun;
	uint8_t *ids;
	size_t n;

	r->o.data.live.replicates = r->o.data.live.links = 1;
	r->o.data.log.unlogged_ms = 0; /* in the same millisecond, as it may be */
	offering_all(o, 5);
	offering_table_in(o, "dev", "cow", THERE, 3, "id");
	compare(r, o);
	ids = sources_of(r, "cow", &n);
	assert_non_null(ids);
	assert_int_equal(n, 1);
	assert_memory_equal(ids, boston, NODE_ID_LEN);
	free(ids);
	/* One that was here before. */
	assert_null(sources_of(r, "dog", &n));
	/* What was written is not all in the log; the log begins anew. */
	r->o.data.log.unlogged_ms = UINT64_MAX;
	assert_null(sources_of(r, "cow", &n));
	r->o.data.log.unlogged_ms = 0;
	begun = r->o.data.log.begun;
	r->o.data.log.begun = r->o.data.log.incarnation + 1;
	assert_null(sources_of(r, "cow", &n));
	r->o.data.log.begun = begun;
	openrep_restart(r);
	ids = sources_of(r, "cow", &n);
	assert_non_null(ids);
	free(ids);
	/* It has rows of a node that is known no more. */
	assert_int_equal(openrep_call(r, remove_cursor, r->rep.cursors), 200);
	assert_null(sources_of(r, "cow", &n));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, openrep_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_own_id),
		TEST(test_nothing_there),
		TEST(test_other_key),
		TEST(test_too_many),
		TEST(test_proposed),
		TEST(test_vouched),
		TEST(test_seen_from_here),
		TEST(test_tables_are_made),
		TEST(test_tables_have_an_end),
		TEST(test_dropped_here),
		TEST(test_removed_then_put_back),
		TEST(test_asked_before_the_drop),
		TEST(test_asked_before_the_drop_of_all),
		TEST(test_asked_before_the_marks),
		TEST(test_dropped_here_remade_there),
		TEST(test_dropped_before_it_was_known),
		TEST(test_ended_while_recovering),
		TEST(test_renewed),
		TEST(test_answer),
		TEST(test_plan),
		TEST(test_undo),
		TEST(test_all_databases),
		TEST(test_all_databases_not_dropped),
		TEST(test_all_databases_written),
		TEST(test_given_from_here),
		TEST(test_given_from_elsewhere),
		TEST(test_given_while_copied),
		TEST(test_sources),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
