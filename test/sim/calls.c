#include "config.h"

#include "test/sim/calls.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/cluster/subscription_change.h"
#include "test/sim/fiber.h"
#include "test/sim/machine.h"
#include "test/sim/world.h"

#define WAIT_US 60000000

struct calling {
	struct machine *m;
	char *peer;
	json_t *subs; /* NULL: the peer is removed */
	struct call_made *c;
};

json_t *
calls_subscription(const char *table, int publish, int subscribe, uint64_t start_ms)
{
	return (json_pack("{s:s, s:s, s:b, s:b, s:I}", "database", "dev", "table", table, "publish",
	    publish, "subscribe", subscribe, "start_ms", (json_int_t)start_ms));
}

static void
read_subscriptions(struct subscriptions *into, const json_t *subs)
{
	const json_t *s;
	size_t i;

	json_array_foreach(subs, i, s)
		subscriptions_take(into,
		    &(struct subscription){ .database = (char *)(uintptr_t)
						json_string_value(json_object_get(s, "database")),
			.table = (char *)(uintptr_t)json_string_value(json_object_get(s, "table")),
			.publish = json_is_true(json_object_get(s, "publish")),
			.subscribe = json_is_true(json_object_get(s, "subscribe")),
			.start_ms = (uint64_t)json_integer_value(json_object_get(s, "start_ms")) });
}

static int
commit_answer(struct proposal *p)
{
	struct subscription_change *c = subscription_change_new();
	int status;

	subscription_change_take(c, p);
	status = subscription_change_commit(p->rep, c);
	if (status != 200)
		subscription_change_undo(p->rep, &p, 1);
	subscription_change_free(c);
	return (status);
}

static int
change(struct calling *k)
{
	struct proposal *p = proposal_new(&k->m->rep, k->peer);
	struct subscriptions wanted = { 0 };
	int status = 200;

	read_subscriptions(&wanted, k->subs);
	proposal_plan(p, &wanted);
	if (p->asked.n > 0) {
		if (proposal_ask(p) == -1) {
			subscription_change_undo(p->rep, &p, 1);
			status = p->status;
			world_note(k->m, "call for %s: %s", k->peer, p->error);
		} else
			status = commit_answer(p);
	}
	subscriptions_clear(&wanted);
	proposal_free(p);
	return (status);
}

static int
retire(struct calling *k)
{
	struct subscription_change *c = subscription_change_new();
	int status = 404;

	subscription_change_retire(c, &k->m->rep, k->peer, NULL);
	if (c->nedits > 0) {
		status = subscription_change_commit(&k->m->rep, c);
		if (status == 200)
			subscription_change_notify(&k->m->rep, c);
	}
	subscription_change_free(c);
	return (status);
}

static void
calling_run(void *arg)
{
	struct calling *k = arg;
	int status = k->subs != NULL ? change(k) : retire(k);

	if (!machine_alive(k->m))
		status = 500;
	world_note(k->m, "call for %s: %d", k->peer, status);
	k->c->status = status;
	k->c->done = 1;
	json_decref(k->subs);
	free(k->peer);
	free(k);
}

static void
make(struct machine *m, const char *peer, json_t *subs, struct call_made *c)
{
	struct calling *k = xcalloc(1, sizeof(*k));
	struct machine *was = machine_enter(m);
	char *text = subs != NULL ? json_dumps(subs, JSON_COMPACT) : NULL;

	*k = (struct calling){ m, xstrdup(peer), subs, c };
	*c = (struct call_made){ 0 };
	world_note(m, "calls for %s: %s", peer, text != NULL ? text : "remove_node");
	workers_run(m->rep.changes, calling_run, k);
	free(text);
	machine_enter(was);
}

void
calls_change(struct machine *m, const char *peer, json_t *subs, struct call_made *c)
{
	make(m, peer, subs, c);
}

void
calls_remove(struct machine *m, const char *peer, struct call_made *c)
{
	make(m, peer, NULL, c);
}

void
calls_wait(struct call_made *c)
{
	uint64_t end = world_now() + WAIT_US;

	while (!c->done && world_now() < end && world_step())
		;
	if (!c->done)
		world_fail("a call does not end");
}
