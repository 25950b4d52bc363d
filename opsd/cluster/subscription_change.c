#include "config.h"

#include "opsd/cluster/subscription_change.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/subscribed.h"
#include "opsd/cluster/take.h"
#include "opsd/store/group.h"

#define NOTIFY_MS 1000

struct change_edit { /* of one peer */
	uint8_t id[NODE_ID_LEN];
	char *name;
	int notify;                /* it is told */
	int retired;               /* it may come back with another key */
	struct subscriptions subs; /* from our side */
};

struct subscription_change *
subscription_change_new(void)
{
	return (xcalloc(1, sizeof(struct subscription_change)));
}

void
subscription_change_free(struct subscription_change *c)
{
	for (size_t i = 0; i < c->ntakes; i++)
		take_free(c->takes[i]);
	for (size_t i = 0; i < c->nedits; i++) {
		free(c->edits[i].name);
		subscriptions_clear(&c->edits[i].subs);
	}
	free(c->takes);
	free(c->edits);
	free(c->job.error);
	free(c);
}

static struct change_edit *
edit_new(struct subscription_change *c, const uint8_t *id, const char *name, int notify)
{
	struct change_edit *e;

	c->edits = xrealloc(c->edits, (c->nedits + 1) * sizeof(*c->edits));
	e = &c->edits[c->nedits++];
	*e = (struct change_edit){ .name = xstrdup(name), .notify = notify };
	memcpy(e->id, id, NODE_ID_LEN);
	return (e);
}

/* ---- the job ---- */

static void
edit_run(struct group *g, const struct change_edit *e)
{
	struct peer *p = nodes_edit(g, e->id, e->name);

	for (size_t i = 0; i < e->subs.n; i++)
		subscriptions_take(&p->subs, &e->subs.list[i]);
	subscribed_end(g, p);
	nodes_store(g, p);
	if (e->retired)
		members_forget(g, e->id);
}

static void
subscription_change_run(struct group *g, struct commit_job *j)
{
	struct subscription_change *c = (struct subscription_change *)j;

	for (size_t i = 0; i < c->nedits; i++)
		edit_run(g, &c->edits[i]);
	for (size_t i = 0; i < c->ntakes; i++) {
		struct commit_job *take = &c->takes[i]->job;

		take->status = 200;
		take->run(g, take);
		if (take->status != 200 && j->status == 200)
			commit_fail(j, take->status, "%s", take->error);
	}
	cluster_kick(replication_of(g)->cluster);
}

int
subscription_change_commit(struct replication *rep, struct subscription_change *c)
{
	c->job.run = subscription_change_run;
	return (commit_wait(rep->data->commit, &c->job));
}

/* ---- what is in it ---- */

static void
end_peer(struct subscription_change *c, struct replication *rep, const struct peer *p, int notify)
{
	struct change_edit *e = edit_new(c, p->id, p->name, notify);

	e->retired = 1;
	subscriptions_end_all(&e->subs, &p->subs, wall_ms(), stamp_node(rep->data->node_id));
}

void
subscription_change_end(struct subscription_change *c, struct replication *rep,
    const struct peer *p)
{
	end_peer(c, rep, p, 1);
}

void
subscription_change_retire(struct subscription_change *c, struct replication *rep, const char *name,
    const uint8_t *but)
{
	struct peer **all;
	size_t n;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		/* Whoever has the name now is not told what concerns its predecessor. */
		if (strcmp(all[i]->name, name) == 0 && peer_active(all[i]) &&
		    (but == NULL || memcmp(all[i]->id, but, NODE_ID_LEN) != 0))
			end_peer(c, rep, all[i], but == NULL);
		peer_free(all[i]);
	}
	free(all);
}

void
subscription_change_take(struct subscription_change *c, struct proposal *p)
{
	struct take *take;

	subscription_change_retire(c, p->rep, p->name, p->answer->id);
	c->takes = xrealloc(c->takes, (c->ntakes + 1) * sizeof(struct take *));
	take = take_new(p->answer);
	take->vouched = p->rep->link != NULL && carrier_link_has(p->rep->link, p->answer->id);
	take->asked = &p->asked;
	c->takes[c->ntakes++] = take;
	p->answer = NULL;
}

/* Whose word what comes back is: that nothing was between the two is nobody's. */
static uint64_t
undone_by(const struct proposal *p, const struct subscription *had)
{
	if (had == NULL || (had->removed && had->stamp.node == SUBSCRIPTION_BY_REMOVAL))
		return (SUBSCRIPTION_BY_REMOVAL);
	return (stamp_node(p->rep->data->node_id));
}

/* What was before, with the stamps that follow those that were asked for. */
static void
undo_one(struct subscription_change *c, const struct proposal *p)
{
	struct change_edit *e = edit_new(c, p->id, p->name, 1);

	for (size_t i = 0; i < p->asked.n; i++) {
		const struct subscription *had = proposal_known(p, &p->asked.list[i]);
		struct subscription s = had != NULL ? *had : p->asked.list[i];

		/* Only just newer: another call may have asked for something since. */
		s.stamp = subscription_next(p->asked.list[i].stamp, 0, undone_by(p, had));
		s.start_ms = 0;
		if (had == NULL || had->removed)
			subscription_end(&s, s.stamp);
		subscriptions_take(&e->subs, &s);
	}
}

void
subscription_change_notify(struct replication *rep, const struct subscription_change *c)
{
	for (size_t i = 0; i < c->nedits; i++) {
		const struct change_edit *e = &c->edits[i];
		struct offer *offer;
		json_t *question, *answer = NULL;

		if (!e->notify || !rep->data->live.replicates ||
		    !cluster_reachable(rep->cluster, e->name))
			continue;
		offer = offer_new(rep, e->subs.list, e->subs.n, 0);
		memcpy(offer->to, e->id, NODE_ID_LEN);
		question = offer_write(offer);
		cluster_ask(rep->cluster, e->name, "subscriptions", question, NOTIFY_MS, &answer);
		offer_free(offer);
		json_decref(question);
		json_decref(answer);
	}
}

void
subscription_change_undo(struct replication *rep, struct proposal **list, size_t n)
{
	struct subscription_change *c = subscription_change_new();

	for (size_t i = 0; i < n; i++)
		if (list[i]->sent)
			undo_one(c, list[i]);
	if (c->nedits > 0 && subscription_change_commit(rep, c) == 200)
		subscription_change_notify(rep, c);
	subscription_change_free(c);
}
