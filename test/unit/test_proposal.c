#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "opsd/cluster/carrier.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/proposal.h"
#include "opsd/cluster/status.h"
#include "opsd/store/commit.h"
#include "test/unit/openrep.h"

/* What a call asks a peer for: subscriptions that are newer than all that was before, whatever clocks say. */

#define AHEAD_MS 500000

static uint64_t ahead_ms;

uint64_t __real_commit_ahead_ms(struct commit *c);
uint64_t __wrap_commit_ahead_ms(struct commit *c);

uint64_t
__wrap_commit_ahead_ms(struct commit *c)
{
	return (ahead_ms);
}

static int
setup(void **state)
{
	ahead_ms = 0;
	openrep_begin(state, "dog", "cat");
	return (0);
}

static struct subscription
wanted_of(const char *table, int publish)
{
	return ((struct subscription){
	    .database = (char *)"dev",
	    .table = (char *)(uintptr_t)table,
	    .publish = publish,
	    .subscribe = 1,
	});
}

/* What is asked for, of a table; the time of its stamp, in ms. */
static uint64_t
asked_ms(const struct proposal *p, const char *table)
{
	const struct subscription *s = subscriptions_find(&p->asked, "dev", table);

	assert_non_null(s);
	return (stamp_ms(s->stamp));
}

static struct proposal *
planned(struct openrep *r, const char *table, int publish)
{
	struct proposal *p = proposal_new(&r->rep, "boston");
	struct subscription s = wanted_of(table, publish);
	struct subscriptions wanted = { 0 };

	subscriptions_take(&wanted, &s);
	proposal_plan(p, &wanted);
	subscriptions_clear(&wanted);
	return (p);
}

static void
test_stamp_is_now(void **state)
{
	struct openrep *r = *state;
	uint64_t before = wall_ms();
	struct proposal *p = planned(r, "dog", 1);

	assert_in_range(asked_ms(p, "dog"), before, wall_ms());
	assert_true(subscriptions_find(&p->asked, "dev", "dog")->stamp.node ==
	    stamp_node(r->o.data.node_id));
	assert_int_equal(p->changed.n, 1);
	proposal_free(p);
}

/* The clock was set back: rows here are from later than it says. */
static void
test_stamp_is_above_rows(void **state)
{
	struct openrep *r = *state;
	uint64_t before = wall_ms();
	struct proposal *p;

	ahead_ms = AHEAD_MS;
	p = planned(r, "dog", 1);
	assert_in_range(asked_ms(p, "dog"), before + AHEAD_MS + 1, wall_ms() + AHEAD_MS + 1);
	proposal_free(p);
}

/* Nor is it below what there is, which a peer has said whose clock is ahead; also of what goes. */
static void
test_stamp_is_above_before(void **state)
{
	struct openrep *r = *state;
	uint64_t far = (wall_ms() + AHEAD_MS) << 16;
	struct entering dog = { boston, "boston", "dog", 1, 1, 0, far };
	struct entering cat = { boston, "boston", "cat", 1, 1, 0, far + 7 };
	struct subscriptions none = { 0 };
	struct proposal *p;

	assert_int_equal(openrep_call(r, entering_run, &dog), 200);
	assert_int_equal(openrep_call(r, entering_run, &cat), 200);
	p = planned(r, "dog", 0);
	assert_true(subscriptions_find(&p->asked, "dev", "dog")->stamp.time == far + 1);
	proposal_plan_removals(p, &none);
	assert_true(subscriptions_find(&p->asked, "dev", "cat")->stamp.time == far + 8);
	assert_true(subscriptions_find(&p->asked, "dev", "cat")->removed);
	proposal_free(p);
}

/* ---- who has the name now ---- */

/* A carrier on which austin has boston's name, and says so unless `status` is another one. */
struct namesake {
	uint16_t status;
	int asked;
};

static int
namesake_reaches(void *arg, const struct carrier_node *node)
{
	(void)arg;
	return (node->id == NULL || memcmp(node->id, austin, NODE_ID_LEN) == 0);
}

static void
namesake_ask(void *arg, const struct carrier_node *node, const char *verb, const json_t *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct namesake *n = arg;
	struct status_answer a = { .name = (char *)"boston", .now_ms = wall_ms() };
	json_t *o;
	char *text;

	(void)node;
	(void)verb;
	(void)question;
	(void)timeout_ms;
	memcpy(a.id, austin, NODE_ID_LEN);
	o = status_answer_write(&a);
	compat_say(o);
	text = json_dumps(o, JSON_COMPACT);
	n->asked++;
	cb(&(struct carrier_answer){ .status = n->status, .body = text, .n = strlen(text) },
	    cb_arg);
	free(text);
	json_decref(o);
}

static void
namesake_changed(void *arg)
{
	(void)arg;
}

static int
namesake_can_catch_up(void *arg)
{
	(void)arg;
	return (0);
}

static const struct carrier_ops namesake_ops = {
	.name = "test",
	.reaches = namesake_reaches,
	.ask = namesake_ask,
	.can_catch_up = namesake_can_catch_up,
	.changed = namesake_changed,
	.logged = namesake_changed,
};

struct planning {
	struct openrep *r;
	struct proposal *p;
	_Atomic int done;
};

static void *
planning_run(void *arg)
{
	struct planning *t = arg;

	t->p = planned(t->r, "dog", 1);
	t->done = 1;
	return (NULL);
}

/* On a worker's thread, as it waits for the loop. */
static struct proposal *
planned_aside(struct openrep *r)
{
	struct planning t = { .r = r };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, planning_run, &t), 0);
	while (!t.done)
		event_base_loop(r->o.svc.base, EVLOOP_NONBLOCK);
	pthread_join(thread, NULL);
	return (t.p);
}

/* What is so with boston is not so with who has its name now, whether that says who it is or not. */
static void
test_planned_with_who_is_there(void **state)
{
	struct openrep *r = *state;
	struct entering dog = { boston, "boston", "dog", 1, 1, 0, 7 };
	struct namesake namesake = { .status = 200 };
	struct proposal *p;

	assert_int_equal(openrep_call(r, entering_run, &dog), 200);
	p = planned(r, "dog", 1); /* nobody is there */
	assert_int_equal(p->asked.n, 0);
	proposal_free(p);
	cluster_carry(r->rep.cluster, &namesake_ops, &namesake);
	p = planned_aside(r);
	assert_int_equal(namesake.asked, 1);
	assert_int_equal(p->asked.n, 1);
	assert_int_equal(p->skipped.n, 0);
	assert_null(p->peer);
	assert_memory_equal(p->id, austin, NODE_ID_LEN);
	proposal_free(p);
	namesake.status = 504;
	p = planned_aside(r);
	assert_int_equal(p->asked.n, 1);
	assert_null(p->error);
	proposal_free(p);
	/* Once it is known, what is so with it is not asked for. */
	dog.id = austin;
	assert_int_equal(openrep_call(r, entering_run, &dog), 200);
	namesake.status = 200;
	p = planned_aside(r);
	assert_int_equal(p->asked.n, 0);
	assert_memory_equal(p->peer->id, austin, NODE_ID_LEN);
	proposal_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stamp_is_now, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_stamp_is_above_rows, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_stamp_is_above_before, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_planned_with_who_is_there, setup, openrep_end),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
