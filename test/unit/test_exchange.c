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
#include "test/unit/holding.h"
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
	json_int_t told; /* the greatest position that it was told */
	struct asked
	    *out; /* what it was asked for rows and log, and has not answered; NULL: it cannot be */
};

struct asked {
	char node[16];
	carrier_answered *cb;
	void *arg;
};
#define ASKED_MAX 64

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
	json_t *o = is_status ? status_of(t) : offer_of(t), *position;
	char *text;
	size_t i;

	(void)node;
	(void)timeout_ms;
	json_array_foreach(json_object_get(question, "cursors"), i, position)
		if (json_integer_value(json_array_get(position, 2)) > t->told)
			t->told = json_integer_value(json_array_get(position, 2));
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
	return (((struct answerer *)arg)->out != NULL);
}

static void
answerer_catch_up(void *arg, const struct carrier_node *node, const struct buf *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct asked *p = ((struct answerer *)arg)->out;

	(void)question;
	(void)timeout_ms;
	while (p->cb != NULL)
		p++;
	*p = (struct asked){ .cb = cb, .arg = cb_arg };
	snprintf(p->node, sizeof(p->node), "%s", node->name);
}

static const struct carrier_ops ops = {
	.name = "test",
	.reaches = answerer_reaches,
	.ask = answerer_ask,
	.can_catch_up = answerer_can_catch_up,
	.catch_up = answerer_catch_up,
	.changed = answerer_changed,
	.logged = answerer_changed,
};

static struct answerer answerer;

static int
setup(void **state)
{
	struct openrep *r = openrep_begin(state, NULL, NULL);
	struct offer *o = offering_new(boston, "boston", 1000);
	struct peer *p;

	offering_add(o, "cat", 1, 1, 0, 5);
	assert_int_equal(openrep_take(r, o), 200);
	p = nodes_by_id(r->rep.nodes, boston);
	answerer = (struct answerer){ .says = boston, .digest = p->subs.digest };
	peer_free(p);
	cluster_carry(r->rep.cluster, &ops, &answerer);
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

/* ---- what waits for the disk ---- */

#define POSITION 7

static void
move_cursor(struct group *g)
{
	struct cursor *cur = cursors_add(g, boston, 70, "dev", "cat");

	cursors_on(g, cur,
	    &(struct cursor_event){ .kind = ON_SUBSCRIBED,
		.incarnation = 1000,
		.at = { .seq = POSITION, .mark = POSITION } });
}

/* The peer may forget what it is told that we have: that must be on the disk. */
static void
test_position_told_when_written(void **state)
{
	struct openrep *r = *state;
	struct holding h;

	holding_begin(&h, r->o.data.commit, move_cursor);
	heard(r);
	event_base_loop(r->o.svc.base, EVLOOP_NONBLOCK);
	assert_int_equal(answerer.asked_status, 0);
	holding_end(&h);
	while (answerer.told == 0)
		event_base_loop(r->o.svc.base, EVLOOP_NONBLOCK);
	assert_int_equal(answerer.asked_status, 1);
	assert_int_equal(answerer.told, POSITION);
}

/* ---- what is caught up with ---- */

#define TABLES 20 /* of each of two peers */

static void
copy_tables(struct group *g, void *arg)
{
	const uint8_t *peers[] = { boston, austin };
	struct entering e = { austin, "austin", "*", 1, 1, 0, 5 };
	char name[16];

	(void)arg;
	entering_run(g, &e);
	for (uint32_t i = 0; i < 2 * TABLES; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		cursors_on(g, cursors_add(g, peers[i % 2], 100 + i, "dev", name),
		    &(struct cursor_event){ .kind = ON_ALL, .incarnation = 1000 });
	}
}

static size_t
asked_of(const char *node)
{
	size_t n = 0;

	for (size_t i = 0; i < ASKED_MAX; i++)
		n += answerer.out[i].cb != NULL && strcmp(answerer.out[i].node, node) == 0;
	return (n);
}

/* Answers so many of what a node was asked. */
static void
answer_asked(const char *node, size_t n, uint16_t status)
{
	for (size_t i = 0; i < ASKED_MAX && n > 0; i++) {
		struct asked p = answerer.out[i];

		if (p.cb == NULL || strcmp(p.node, node) != 0)
			continue;
		answerer.out[i].cb = NULL;
		/* Nothing that can be read, when it is an answer. */
		p.cb(&(struct carrier_answer){ .status = status, .body = "" }, p.arg);
		n--;
	}
}

static void
remote_run(struct group *g, struct commit_job *j)
{
	(void)g;
	(void)j;
}

/* After all answers that came before, which wait in the same queue. */
static void
take_answers(struct openrep *r)
{
	struct commit_job j = { .run = remote_run, .remote = 1 };

	assert_int_equal(commit_wait(r->o.data.commit, &j), 200);
}

/* What came is dealt with, and asked for is what may be. */
static void
settle(struct openrep *r)
{
	take_answers(r);
	event_base_loop(r->o.svc.base, EVLOOP_NONBLOCK);
	pursuit_run(r->rep.cluster);
}

static void
start_copies(struct openrep *r)
{
	static struct asked out[ASKED_MAX];

	memset(out, 0, sizeof(out));
	assert_int_equal(openrep_call(r, copy_tables, NULL), 200);
	answerer.out = out;
	settle(r);
	assert_int_equal(asked_of("boston"), 8);
	assert_int_equal(asked_of("austin"), 8);
}

static void
stop_copies(struct openrep *r)
{
	struct asked *out = answerer.out;

	for (size_t i = 0; i < ASKED_MAX; i++)
		if (out[i].cb != NULL)
			out[i].cb(&(struct carrier_answer){ .status = 503 }, out[i].arg);
	answerer.out = NULL;
	take_answers(r);
	event_base_loop(r->o.svc.base, EVLOOP_NONBLOCK);
}

/* Whoever does not answer does not keep others from being asked. */
static void
test_silent_peer(void **state)
{
	struct openrep *r = *state;

	start_copies(r);
	answer_asked("boston", 8, 504);
	settle(r);
	assert_int_equal(asked_of("boston"), 1);
	answer_asked("boston", 1, 504);
	answer_asked("austin", 4, 503);
	settle(r);
	assert_int_equal(asked_of("boston"), 1);
	assert_int_equal(asked_of("austin"), 4);
	stop_copies(r);
}

/* Answers that wait for the disk count: no more are asked for. */
static void
test_answers_wait(void **state)
{
	struct openrep *r = *state;
	struct holding h;

	start_copies(r);
	holding_begin(&h, r->o.data.commit, NULL);
	answer_asked("austin", 8, 200);
	pursuit_run(r->rep.cluster);
	assert_int_equal(asked_of("boston") + asked_of("austin"), 8);
	holding_end(&h);
	stop_copies(r);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, openrep_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_answers),
		TEST(test_compared),
		TEST(test_who_answers_a_call),
		TEST(test_position_told_when_written),
		TEST(test_silent_peer),
		TEST(test_answers_wait),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
