#include "config.h"

#include "opsd/cluster/proposal.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/progress.h"
#include "opsd/cluster/status.h"

#define TRIES_MAX 3 /* while the peer has newer ones than are known here */

struct proposal *
proposal_new(struct replication *rep, const char *name)
{
	struct proposal *p = xcalloc(1, sizeof(*p));

	p->rep = rep;
	p->name = xstrdup(name);
	p->peer = nodes_get(rep->nodes, name);
	p->met = p->peer != NULL;
	if (p->met)
		memcpy(p->id, p->peer->id, NODE_ID_LEN);
	return (p);
}

void
proposal_free(struct proposal *p)
{
	if (p == NULL)
		return;
	if (p->expected)
		cluster_expect(p->rep->cluster, &p->asked, 0);
	free(p->name);
	peer_free(p->peer);
	subscriptions_clear(&p->asked);
	subscriptions_clear(&p->changed);
	subscriptions_clear(&p->skipped);
	offer_free(p->answer);
	free(p->error);
	free(p);
}

/* ---- who it is ---- */

static char *
why_silent(const struct proposal *p, unsigned timeout_ms)
{
	if (cluster_reachable(p->rep->cluster, p->name))
		return (xasprintf("Node '%s' did not answer within %u ms", p->name, timeout_ms));
	if (!p->rep->data->live.clustering)
		return (xasprintf("Node '%s' is not linked with this node, see cluster_status for "
				  "who is",
		    p->name));
	return (xasprintf("Node '%s' did not answer within %u ms: it is not in the network, see "
			  "cluster_network for who is",
	    p->name, timeout_ms));
}

static int
mark_refused(struct proposal *p, int status, const json_t *answer, unsigned timeout_ms)
{
	const char *text = json_string_value(json_object_get(answer, "error"));

	free(p->error);
	if (status == 503 && !json_is_object(answer) && p->rep->data->live.clustering) {
		p->status = 503;
		p->error = xasprintf("This node is not connected to the cluster: %s",
		    p->rep->data->live.external ? "is none of nats.urls there?" :
						  "is its hub or its leaf server not running?");
	} else if (status == 503 || status == 504) {
		p->status = 504;
		p->error = why_silent(p, timeout_ms);
	} else {
		p->status = status >= 400 && status < 500 ? status : 502;
		p->error = p->status == status && text != NULL ?
		    xstrdup(text) :
		    xasprintf("Node '%s': %s", p->name,
			text != NULL ? text : "its answer makes no sense");
	}
	return (-1);
}

/* What it answered is no answer. */
static int
mark_nonsense(struct proposal *p, char *fault)
{
	free(p->error);
	p->status = 502;
	p->error = xasprintf("Node '%s': its answer makes no sense: %s", p->name, fault);
	free(fault);
	return (-1);
}

/* Who was known by the name is not there: it may have been made anew. */
static int
peer_is_away(const struct proposal *p)
{
	return (p->peer != NULL && !cluster_peer_reachable(p->rep->cluster, p->peer));
}

static void
meet_peer(struct proposal *p, const uint8_t *id)
{
	if (p->peer != NULL && memcmp(p->peer->id, id, NODE_ID_LEN) != 0) {
		peer_free(p->peer);
		p->peer = nodes_by_id(p->rep->nodes, id);
	}
	memcpy(p->id, id, NODE_ID_LEN);
	p->met = 1;
}

/* Who has the name: whatever is undone later is kept under the id. */
static int
learn_id(struct proposal *p, unsigned timeout_ms)
{
	struct status_question q;
	struct status_answer a;
	json_t *question, *answer = NULL;
	char *fault = NULL;
	int status, rc = 0;

	status_ask_who(p->rep, &q);
	question = status_question_write(&q);
	status_question_clear(&q);
	status = cluster_ask(p->rep->cluster, p->name, "status", question, timeout_ms, &answer);
	json_decref(question);
	if (status != 200)
		rc = mark_refused(p, status, answer, timeout_ms);
	else if (status_answer_read(&a, answer, &fault) == -1)
		rc = mark_nonsense(p, fault);
	else {
		meet_peer(p, a.id);
		status_answer_clear(&a);
	}
	json_decref(answer);
	return (rc);
}

/*
 * What is known is of a node that had the name before: what is so with that one is not so with who has the
 * name now.  Who does not say who it is is asked for all of it, and says then why not.
 */
static void
meet_who_is_there(struct proposal *p)
{
	if (!peer_is_away(p) || !cluster_reachable(p->rep->cluster, p->name))
		return;
	if (learn_id(p, (unsigned)data_conf_int(p->rep->data, CL_REQUEST_TIMEOUT)) == -1) {
		peer_free(p->peer);
		p->peer = NULL;
		p->met = 0;
		free(p->error);
		p->error = NULL;
	}
}

/* ---- what to ask for ---- */

/* After all that was done here, a table that was dropped included, however the clock was set since. */
static struct stamp
newer_stamp(struct replication *rep, struct stamp known)
{
	uint64_t ahead = commit_ahead_ms(rep->data->commit), now = wall_ms();

	return (subscription_next(known, ahead > 0 ? now + ahead + 1 : now,
	    stamp_node(rep->data->node_id)));
}

const struct subscription *
proposal_known(const struct proposal *p, const struct subscription *s)
{
	return (p->peer == NULL ? NULL : subscriptions_find(&p->peer->subs, s->database, s->table));
}

static void
add_waiting(json_t *list, const struct peer *now, const struct subscriptions *wanted)
{
	for (size_t i = 0; i < wanted->n; i++) {
		const struct subscription *s = subscriptions_find(&now->subs,
		    wanted->list[i].database, wanted->list[i].table);

		if (s != NULL && !s->removed && s->lacks_there != 0)
			json_array_append_new(list, subscription_asked(s));
	}
}

json_t *
proposal_waiting(const struct proposal *p)
{
	struct peer *now = nodes_get(p->rep->nodes, p->name);
	json_t *list = json_array();

	if (now != NULL) {
		add_waiting(list, now, &p->changed);
		add_waiting(list, now, &p->skipped);
	}
	peer_free(now);
	return (list);
}

/* Whether asking again could mend nothing: the table is there, and its cursor has not failed. */
static int
is_whole(const struct proposal *p, const struct subscription *had, const struct progress *all)
{
	const struct cursor_view *cur = all[had - p->peer->subs.list].worst;
	struct table *table;

	if (cur != NULL && cur->state == CURSOR_FAILED)
		return (0);
	if (subscription_is_all(had))
		return (1);
	table = catalog_get(p->rep->data->catalog, had->database, had->table);
	table_unref(table);
	return (table != NULL);
}

/* Adds the subscription to what is asked for, unless it is as it should be already. */
static void
plan_one(struct proposal *p, const struct subscription *wanted, const struct progress *all)
{
	const struct subscription *had = proposal_known(p, wanted);
	struct subscription s = *wanted;

	if (had != NULL && subscription_is_like(had, &s) && had->lacks_here == 0 &&
	    s.start_ms == 0 && is_whole(p, had, all)) {
		subscriptions_take(&p->skipped, &s);
		return;
	}
	/* What was proposed with a start time is agreed to with it. */
	if (had != NULL && had->lacks_here != 0 && s.start_ms == 0)
		s.start_ms = had->start_ms;
	s.stamp = newer_stamp(p->rep, had != NULL ? had->stamp : (struct stamp){ 0, 0 });
	subscriptions_take(&p->changed, &s);
	subscriptions_take(&p->asked, &s);
}

void
proposal_plan(struct proposal *p, const struct subscriptions *wanted)
{
	struct progress *all = NULL;
	struct cursor_view **cursors = NULL;
	size_t n = 0;

	meet_who_is_there(p);
	if (p->peer != NULL) {
		cursors = cursors_all(p->rep->cursors, p->peer->id, &n);
		all = progress_new(p->peer, cursors, n);
	}
	for (size_t i = 0; i < wanted->n; i++)
		plan_one(p, &wanted->list[i], all);
	cursors_done(cursors, n);
	free(all);
}

void
proposal_plan_removals(struct proposal *p, const struct subscriptions *wanted)
{
	for (size_t i = 0; p->peer != NULL && i < p->peer->subs.n; i++) {
		struct subscription s = p->peer->subs.list[i];

		if (s.removed || subscriptions_find(wanted, s.database, s.table) != NULL)
			continue;
		subscription_end(&s, newer_stamp(p->rep, s.stamp));
		subscriptions_take(&p->asked, &s);
	}
}

/* ---- asking ---- */

/* Of what was asked for, what the peer has newer gets a stamp beyond that; how many. */
static int
outdo_newer(struct proposal *p)
{
	int n = 0;

	for (size_t i = 0; i < p->answer->n; i++) {
		struct subscription theirs = p->answer->items[i].sub, again;
		const struct subscription *ours = subscriptions_find(&p->asked, theirs.database,
		    theirs.table);

		subscription_turn(&theirs);
		if (ours == NULL || theirs.stamp.time + 1 >= STAMP_TIME_MAX ||
		    theirs.stamp.time < ours->stamp.time ||
		    (stamp_cmp(theirs.stamp, ours->stamp) == 0 &&
			subscription_is_like(&theirs, ours)))
			continue;
		again = *ours;
		again.stamp = newer_stamp(p->rep, theirs.stamp);
		n += subscriptions_take(&p->asked, &again);
	}
	return (n);
}

/* Once; 0 with the peer's view as answer. */
static int
ask_once(struct proposal *p, unsigned timeout_ms, int is_first)
{
	struct offer *offer = offer_new(p->rep, p->asked.list, p->asked.n, 1);
	json_t *question = offer_write(offer), *answer = NULL;
	char *fault = NULL;
	int status, rc = 0;

	offer_free(offer);
	offer_free(p->answer);
	p->answer = NULL;
	p->sent = 1;
	status = cluster_ask(p->rep->cluster, p->name, "subscriptions", question, timeout_ms,
	    &answer);
	json_decref(question);
	if (status != 200) {
		if (status >= 400 && status < 500 && is_first)
			p->sent = 0; /* refused as a whole */
		rc = mark_refused(p, status, answer, timeout_ms);
	} else if ((p->answer = offer_read(answer, &fault)) == NULL)
		rc = mark_nonsense(p, fault);
	json_decref(answer);
	return (rc);
}

/* What is asked for can be on our side. */
static int
check_ours(struct proposal *p)
{
	for (size_t i = 0; i < p->asked.n && p->error == NULL; i++)
		if (!p->asked.list[i].removed)
			p->error = scope_fault(nodes_scope(p->rep->nodes), &p->asked.list[i]);
	if (p->error == NULL)
		return (0);
	p->status = 400;
	return (-1);
}

int
proposal_ask(struct proposal *p)
{
	unsigned timeout_ms = (unsigned)data_conf_int(p->rep->data, CL_REQUEST_TIMEOUT);

	if (check_ours(p) == -1)
		return (-1);
	if ((!p->met || peer_is_away(p)) && learn_id(p, timeout_ms) == -1)
		return (-1);
	if (!p->expected)
		cluster_expect(p->rep->cluster, &p->asked, p->expected = 1);
	for (int try = 0; try < TRIES_MAX; try++) {
		if (ask_once(p, timeout_ms, try == 0) == -1)
			return (-1);
		if (outdo_newer(p) == 0)
			break;
	}
	p->status = 200;
	return (0);
}
