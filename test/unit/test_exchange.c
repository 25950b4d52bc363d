#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "opsd/cluster/carrier.h"
#include "opsd/cluster/cluster_priv.h"
#include "opsd/cluster/compat.h"
#include "test/unit/openrep.h"

/*
 * What peers answer in turn, through a carrier that vouches for who it is: what is believed, what
 * follows from it.
 */
struct answerer {
	const uint8_t *says, *who; /* who it says that it is, and is; who NULL: nobody knows */
	uint64_t digest;
	uint16_t status;
	int asked_status, asked_offer;
};

static int
answerer_reaches(void *arg, const struct carrier_node *node)
{
	(void)arg;
	(void)node;
	return (1);
}

static json_t *
status_of(const struct answerer *t)
{
	struct status_answer a = {
		.name = (char *)"boston",
		.now_ms = wall_ms(),
		.uptime_ms = 77,
		.digest = t->digest,
		.again = 1,
	};

	memcpy(a.id, t->says, NODE_ID_LEN);
	return (status_answer_write(&a));
}

static json_t *
offer_of(const struct answerer *t)
{
	struct offer *o = offering_new(t->says, "boston", 1000);
	json_t *written;

	offering_add(o, "dog", 1, 0, 0, 9);
	written = offer_write(o);
	offer_free(o);
	return (written);
}

static void
answerer_ask(void *arg, const struct carrier_node *node, const char *verb, const json_t *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct answerer *t = arg;
	int is_status = strcmp(verb, "status") == 0;
	json_t *o = is_status ? status_of(t) : offer_of(t);
	char *text;

	(void)node;
	(void)question;
	(void)timeout_ms;
	t->asked_status += is_status;
	t->asked_offer += !is_status;
	compat_say(o);
	text = json_dumps(o, JSON_COMPACT);
	cb(&(struct carrier_answer){ .status = t->status != 0 ? t->status : 200,
	       .us = 1000,
	       .body = text,
	       .n = strlen(text),
	       .who = t->who },
	    cb_arg);
	free(text);
	json_decref(o);
}

static void
answerer_changed(void *arg)
{
	(void)arg;
}

static int
answerer_can_catch_up(void *arg)
{
	(void)arg;
	return (0);
}

static const struct carrier_ops ops = {
	.name = "test",
	.reaches = answerer_reaches,
	.ask = answerer_ask,
	.can_catch_up = answerer_can_catch_up,
	.changed = answerer_changed,
	.logged = answerer_changed,
};

static struct answerer answerer;

static int
setup(void **state)
{
	static struct openrep r;
	static char name[32];
	static int n;
	struct offer *o = offering_new(boston, "boston", 1000);
	struct peer *p;

	snprintf(name, sizeof(name), "exchange%d", n++);
	openrep_open(&r, name);
	assert_int_equal(opendata_define(&r.o, DDL_CREATE_DATABASE, NULL, NULL, 0), 200);
	offering_add(o, "cat", 1, 1, 0, 5);
	assert_int_equal(openrep_take(&r, o), 200);
	p = nodes_by_id(r.rep.nodes, boston);
	answerer = (struct answerer){ .says = boston, .digest = p->subs.digest };
	peer_free(p);
	cluster_carry(r.rep.cluster, &ops, &answerer);
	*state = &r;
	return (0);
}

static int
teardown(void **state)
{
	openrep_close(*state);
	return (0);
}

/* Asks in turn, now; whether the answer was believed. */
static int
heard(struct openrep *r)
{
	struct peer_view v;
	int seen;

	pthread_mutex_lock(&r->rep.cluster->lock);
	cluster_view_of(r->rep.cluster, boston)->asked_us = 0;
	cluster_view_of(r->rep.cluster, boston)->seen_ms = 0;
	pthread_mutex_unlock(&r->rep.cluster->lock);
	exchange_run(r->rep.cluster);
	cluster_view(r->rep.cluster, boston, &v);
	seen = v.seen_ms != 0;
	assert_true(!seen || v.uptime_ms == 77);
	peer_view_clear(&v);
	return (seen);
}

static void
test_who_answers(void **state)
{
	struct openrep *r = *state;

	assert_true(heard(r));
	answerer.who = boston;
	assert_true(heard(r));
	answerer.who = austin;
	assert_false(heard(r));
	/* Another node that has the name says so itself. */
	answerer.says = austin;
	assert_false(heard(r));
	answerer.who = NULL;
	assert_false(heard(r));
	answerer.says = boston;
	answerer.status = 500;
	assert_false(heard(r));
	assert_int_equal(answerer.asked_status, 6);
	assert_int_equal(answerer.asked_offer, 1); /* a table was made since they compared */
}

static int
has_dog(struct openrep *r)
{
	struct peer *p = nodes_by_id(r->rep.nodes, boston);
	int has = subscriptions_find(&p->subs, "dev", "dog") != NULL;

	peer_free(p);
	return (has);
}

/* A group of its own, after all that was given to the commit thread before. */
static void
run_nothing(struct group *g, void *arg)
{
	(void)g;
	(void)arg;
}

/* Digests differ: the two compare what they have, and what is newer is taken over. */
static void
test_compared(void **state)
{
	struct openrep *r = *state;

	answerer.digest++;
	assert_true(heard(r));
	assert_int_equal(answerer.asked_offer, 1);
	openrep_call(r, run_nothing, NULL);
	assert_true(has_dog(r));
	event_base_loop(r->o.svc.base, EVLOOP_NONBLOCK);
}

struct calling {
	struct openrep *r;
	int status;
	_Atomic int done;
};

static void *
calling_run(void *arg)
{
	struct calling *c = arg;
	json_t *question = json_object(), *answer = NULL;

	c->status = cluster_ask(c->r->rep.cluster, "boston", "status", question, 1000, &answer);
	json_decref(question);
	json_decref(answer);
	c->done = 1;
	return (NULL);
}

static int
called(struct openrep *r)
{
	struct calling c = { .r = r };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, calling_run, &c), 0);
	while (!c.done)
		event_base_loop(r->o.svc.base, EVLOOP_NONBLOCK);
	pthread_join(thread, NULL);
	return (c.status);
}

static void
test_who_answers_a_call(void **state)
{
	struct openrep *r = *state;

	assert_int_equal(called(r), 200);
	answerer.who = boston;
	assert_int_equal(called(r), 200);
	answerer.who = austin;
	assert_int_equal(called(r), 502);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_answers),
		TEST(test_compared),
		TEST(test_who_answers_a_call),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
