#include "config.h"

#include "test/sim/calls.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/cluster/batch.h"
#include "opsd/cluster/target.h"
#include "test/sim/fiber.h"
#include "test/sim/machine.h"
#include "test/sim/world.h"

#define WAIT_US	60000000

struct calling {
	struct machine		*m;
	char			*peer;
	json_t			*subs;		/* NULL: the peer is removed */
	struct call_made	*c;
};

json_t *
calls_subscription(const char *table, int publish, int subscribe, uint64_t start_ms)
{
	return (json_pack("{s:s, s:s, s:b, s:b, s:I}", "database", "dev", "table", table, "publish",
	    publish, "subscribe", subscribe, "start_ms", (json_int_t)start_ms));
}

static int
commit_answer(struct target *t)
{
	struct batch *b = batch_new(1);
	int status;

	batch_take(b, t);
	status = batch_commit(t->rep, b);
	if (status != 200)
		batch_undo(t->rep, &t, 1);
	batch_free(b);
	return (status);
}

static int
change(struct calling *k)
{
	struct target *t = target_new(&k->m->rep, k->peer);
	int status = 200;

	target_plan(t, k->subs);
	if (json_array_size(t->entries) > 0) {
		if (target_ask(t) == -1) {
			batch_undo(t->rep, &t, 1);
			status = t->status;
			world_note(k->m, "call for %s: %s", k->peer, t->error);
		} else
			status = commit_answer(t);
	}
	target_free(t);
	return (status);
}

static int
retire(struct calling *k)
{
	struct batch *b = batch_new(0);
	int status = 404;

	batch_retire(b, &k->m->rep, k->peer, NULL);
	if (json_array_size(b->edits) > 0) {
		status = batch_commit(&k->m->rep, b);
		if (status == 200)
			batch_notify(&k->m->rep, b);
	}
	batch_free(b);
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
