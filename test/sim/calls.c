#include "config.h"

#include "test/sim/calls.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "opsd/cluster/admission.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/gossip.h"
#include "opsd/cluster/invited.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/subscription_change.h"
#include "opsd/pki/issue.h"
#include "test/sim/fiber.h"
#include "test/sim/keys.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/net.h"
#include "test/sim/world.h"

#define WAIT_US   60000000
#define LOOK_MS   50
#define LINKED_US 10000000

struct calling {
	struct machine *m;
	char *peer;
	json_t *subs;                  /* NULL: the peer is removed */
	int (*run)(struct calling *k); /* its status */
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

/* ---- members ---- */

/* Over HTTPS, with credentials: a certificate, and what it asks for now is agreed to. */
static int
enrol(struct machine *m, struct machine *via)
{
	struct member known = { 0 };
	struct machine *was;
	int other;

	if (!machine_alive(via) || !net_open(m, via))
		return (504);
	was = machine_enter(via);
	other = admission_by_name(&via->rep, m->name, &known) &&
	    memcmp(known.id, m->data.node_id, NODE_ID_LEN) != 0;
	if (!other)
		invited_add(via->rep.invited, m->data.node_id, wall_ms());
	machine_enter(was);
	member_clear(&known);
	if (other)
		return (409);
	keys_sign(via, m);
	return (200);
}

/* Who goes by that name here was another one. */
static void
forget_namesake(struct machine *m, const struct machine *of)
{
	struct member known = { 0 };
	uint8_t id[NODE_ID_LEN];
	char *err = NULL;

	if (admission_by_name(&m->rep, of->name, &known) && node_id_read(of->hex, id) == 0 &&
	    memcmp(known.id, id, NODE_ID_LEN) != 0 && gossip_remove(&m->rep, known.id, &err) != 200)
		members_drop(&m->rep, known.id);
	free(err);
	member_clear(&known);
}

/* The operator of this node says so first of all that were installed anew. */
static void
forget_namesakes(struct machine *m)
{
	for (int i = 0; i < nmachines; i++)
		if (&machines[i] != m)
			forget_namesake(m, &machines[i]);
}

static int
wait_linked(struct machine *m, const char *hostname, uint8_t *id)
{
	const struct timespec look = { 0, LOOK_MS * 1000000L };
	uint64_t until = mono_us() + LINKED_US;

	while (!carrier_link_id(m->rep.link, hostname, id)) {
		if (mono_us() > until || m->data.stopping || !machine_alive(m))
			return (504);
		nanosleep(&look, NULL);
	}
	return (200);
}

/* As opsd/op/linkjoin.c does it. */
static int
reach_and_change(struct calling *k, const char *url)
{
	uint8_t id[NODE_ID_LEN];
	struct member before = { 0 };
	int was_known = members_by_hostname(k->m->rep.members, k->peer, &before), status;

	member_clear(&before);
	members_expect(k->m->rep.members, k->peer, url);
	status = wait_linked(k->m, k->peer, id);
	if (status == 200) {
		status = members_keep_dial(&k->m->rep, id, url);
		if (status == 200)
			status = change(k);
		if (status != 200 && !was_known)
			members_drop(&k->m->rep, id);
	}
	members_expect_end(k->m->rep.members, k->peer);
	return (status);
}

/* As linkjoin_undo does it. */
static void
undo_join(struct calling *k)
{
	char *before = keys_before(k->m) != NULL ? xstrdup(keys_before(k->m)) : NULL;

	if (before != NULL)
		gossip_say_self(&k->m->rep, before);
	free(before);
	if (!machine_alive(k->m))
		return;
	keys_put_back(k->m);
	links_end(k->m, machine_named(k->peer));
}

static int
join(struct calling *k)
{
	int status = enrol(k->m, machine_named(k->peer));
	char *url = xasprintf("wss://%s:9933", k->peer);

	if (status == 200) {
		forget_namesakes(k->m);
		status = reach_and_change(k, url);
		if (status != 200)
			undo_join(k);
	}
	free(url);
	return (status);
}

/* As opsd/op/op_linked.c does it. */
static int
expel(struct calling *k)
{
	struct member m = { 0 };
	char *err = NULL;
	json_t *issued = issue_signed(k->m->rep.pki, k->peer, NULL);
	size_t n = 0;
	int status = 404;

	if (admission_by_name(&k->m->rep, k->peer, &m))
		status = gossip_remove(&k->m->rep, m.id, &err);
	free(err);
	err = NULL;
	if (status == 200)
		status = issue_revoke(k->m->rep.pki, issued, "operator", &n, &err);
	json_decref(issued);
	free(err);
	member_clear(&m);
	return (status);
}

static void
calling_run(void *arg)
{
	struct calling *k = arg;
	int status = k->run(k);

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
make(struct machine *m, const char *peer, json_t *subs, int (*run)(struct calling *k),
    struct call_made *c)
{
	struct calling *k = xcalloc(1, sizeof(*k));
	struct machine *was = machine_enter(m);
	char *text = subs != NULL ? json_dumps(subs, JSON_COMPACT) : NULL;

	*k = (struct calling){ m, xstrdup(peer), subs, run, c };
	*c = (struct call_made){ 0 };
	world_note(m, "calls for %s: %s", peer, text != NULL ? text : "remove_node");
	workers_run(m->rep.changes, calling_run, k);
	free(text);
	machine_enter(was);
}

void
calls_change(struct machine *m, const char *peer, json_t *subs, struct call_made *c)
{
	make(m, peer, subs, change, c);
}

void
calls_remove(struct machine *m, const char *peer, struct call_made *c)
{
	make(m, peer, NULL, retire, c);
}

void
calls_join(struct machine *m, struct machine *via, struct call_made *c)
{
	make(m, via->name,
	    json_pack("[{s:s, s:s, s:b, s:b, s:i}]", "database", "*", "table", "*", "publish", 1,
		"subscribe", 1, "start_ms", 1),
	    join, c);
}

void
calls_expel(struct machine *m, const char *hostname, struct call_made *c)
{
	make(m, hostname, NULL, expel, c);
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
