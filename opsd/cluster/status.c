#include "config.h"

#include "opsd/cluster/status.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/offer.h"
#include "opsd/cluster/roster.h"

/* Of other tables a peer is told nothing, nor believed. */
static int
is_shared_with(const struct peer *p, const struct table *t)
{
	const struct subscription *s = p != NULL ? peer_effective_for(p, t) : NULL;

	return (subscription_gives(s) || subscription_brings(s));
}

/* ---- questions ---- */

void
status_ask_who(struct replication *rep, struct status_question *q)
{
	*q = (struct status_question){
		.name = data_node_name(rep->data),
		.incarnation = rep->data->log.incarnation,
		.now_ms = wall_ms(),
	};
	memcpy(q->id, rep->data->node_id, NODE_ID_LEN);
}

/* The rows up to the position are perhaps not all here yet: nobody may forget what they say. */
static struct status_position
position_told(const struct cursor_view *cur)
{
	if ((cur->copying && !cur->beside) || cur->leans)
		return ((struct status_position){ cur->table, { cur->incarnation, 0, 0 }, 0 });
	return ((struct status_position){
	    cur->table,
	    { cur->incarnation, cur->seq, cur->ms },
	    cur->mark,
	});
}

void
status_ask(struct replication *rep, const struct peer *p, const struct status_base *base,
    struct status_question *q)
{
	struct cursor_view **cursors;
	size_t n;
	int whole;

	status_ask_who(rep, q);
	q->tells = 1;
	q->digest = p->subs.digest;
	cursors = cursors_moved(rep->cursors, p->id, base->moves, &q->upto, &whole, &n);
	q->since = whole ? 0 : base->moves;
	q->positions = xcalloc(n + 1, sizeof(*q->positions));
	for (size_t i = 0; i < n; i++) {
		const struct cursor_view *cur = cursors[i];

		if (cur->state != CURSOR_RECOVER)
			q->positions[q->n++] = position_told(cur);
	}
	cursors_done(cursors, n);
	q->heads_incarnation = base->incarnation;
	q->heads_after = base->heads;
}

uint64_t
status_ahead(struct replication *rep, const struct status_question *q)
{
	struct peer *asker = nodes_by_id(rep->nodes, q->id);
	uint64_t ahead = 0;

	for (size_t i = 0; i < q->n; i++) {
		const struct status_position *p = &q->positions[i];
		struct table *t = catalog_by_id(rep->data->catalog, p->table);

		if (p->at.incarnation > ahead && (t == NULL || is_shared_with(asker, t)) &&
		    !txlog_has(&rep->data->log, t, p->at.incarnation, p->at.seq, p->mark))
			ahead = p->at.incarnation;
		table_unref(t);
	}
	peer_free(asker);
	return (ahead);
}

void
status_positions(const struct status_question *q, struct positions *p)
{
	for (size_t i = 0; i < q->n; i++)
		positions_set(p, q->positions[i].table, q->positions[i].at);
}

/* ---- answers ---- */

enum which { ALL, NEWS, OTHERS };

/*
 * News: for who has all of our heads up to `after`.  What is not said, as nothing flows of the table, is
 * news when it does: all that follows `after` is said again until then.
 */
static void
add_head(struct replication *rep, struct status_answer *a, const struct peer *p, uint32_t id,
    enum which which, uint64_t after)
{
	struct table *t = catalog_by_id(rep->data->catalog, id);
	enum which is = t == NULL || t->stat->head > after ? NEWS : OTHERS;
	struct status_head *h = &a->heads[a->n];

	if (t != NULL && !is_shared_with(p, t))
		a->heads_upto = after;
	else if (which == ALL || which == is) {
		*h = (struct status_head){ .table = id, .gone = t == NULL };
		if (t != NULL) {
			h->head = t->stat->head;
			h->ms = t->stat->head_ms;
			h->rows = t->stat->count > 0 ? (uint64_t)t->stat->count : 0;
		}
		a->n++;
	}
	table_unref(t);
}

/* Of the tables that it asks for; of the others that it has what is news. */
static void
add_heads(struct replication *rep, const struct status_question *q, const struct peer *p,
    struct positions *received, struct status_answer *a)
{
	/* Where the heads begin that the asker does not know. */
	uint64_t after = q->heads_incarnation == a->incarnation ? q->heads_after : 0;
	uint32_t *tables = NULL;
	size_t n = 0;

	if (received != NULL)
		tables = positions_tables(received, &n);
	a->heads = xcalloc(q->n + n + 1, sizeof(*a->heads));
	for (size_t i = 0; i < q->n; i++)
		add_head(rep, a, p, q->positions[i].table, received == NULL ? ALL : OTHERS, after);
	for (size_t i = 0; i < n; i++)
		add_head(rep, a, p, tables[i], NEWS, after);
	free(tables);
}

void
status_answer(struct replication *rep, const struct status_question *q, struct positions *received,
    struct status_answer *a)
{
	struct peer *p = nodes_by_id(rep->nodes, q->id);
	struct roster_member own = { 0 };

	*a = (struct status_answer){
		.name = data_node_name(rep->data),
		.incarnation = rep->data->log.incarnation,
		.now_ms = wall_ms(),
		.uptime_ms = (mono_us() - rep->data->started_us) / 1000,
		.cluster_port = rep->data->live.clustering && !rep->data->live.external ?
		    (int)data_conf_int(rep->data, HUB_CLUSTER_PORT) :
		    0,
		.api_port = (int)data_conf_int(rep->data, API_PORT),
		.system_info = offer_system_info(),
		.digest = p != NULL ? p->subs.digest : 0,
		.roster = roster_digest(rep->roster),
		.again = received == NULL,
		.heads_incarnation = rep->data->log.incarnation,
		/* Before the heads: what is committed meanwhile is news the next time, too. */
		.heads_upto = rep->data->log.durable,
		.snapshot_rank = rep->snapshots.rank,
		.snapshot_ms = rep->snapshots.taken_ms,
	};
	memcpy(a->id, rep->data->node_id, NODE_ID_LEN);
	roster_member(rep->roster, rep->data->node_id, &own);
	a->link_key = xstrdup(own.spki);
	roster_member_clear(&own);
	add_heads(rep, q, p, received, a);
	peer_free(p);
}

int
status_answered(struct status_base *base, uint64_t moves, const struct status_answer *a)
{
	int again = a->again && base->moves != 0;

	base->moves = a->again ? 0 : moves;
	if (!a->again) {
		base->incarnation = a->heads_incarnation;
		base->heads = a->heads_upto;
	}
	return (again);
}

int
status_differs(struct replication *rep, const struct peer *p, const struct status_answer *a,
    uint64_t compared_us)
{
	uint64_t said_us;

	if (a->digest != p->subs.digest)
		return (1);
	/* Under "*", tables of the peer may have waited for a database that was dropped here. */
	if (catalog_made_us(rep->data->catalog) > compared_us)
		return (1);
	/* It has been told what replicated then. */
	catalog_replicate_changes(rep->data->catalog, &said_us);
	if (said_us > compared_us)
		return (1);
	/* A table that is gone may have been made again under another id. */
	for (size_t i = 0; i < a->n; i++)
		if (a->heads[i].gone)
			return (1);
	return (0);
}

/* ---- what is done about it ---- */

struct looked {
	struct commit_job job; /* first */
	uint8_t peer[NODE_ID_LEN];
	uint64_t incarnation;
};

static void
looked_run(struct group *g, struct commit_job *j)
{
	struct looked *l = (struct looked *)j;
	struct cursors *f = replication_of(g)->cursors;
	struct cursor_event e = { .kind = ON_LOOKED, .incarnation = l->incarnation };
	struct cursor *cur = cursors_first_of(f, l->peer);

	e.coming = cursors_coming(f, l->peer, l->incarnation);
	for (; cur != NULL; cur = cursors_next_of(f, cur))
		cursors_on(g, cur, &e);
}

static void
looked_done(struct commit_job *j)
{
	free(j->error);
	free(j);
}

struct commit_job *
status_job(struct replication *rep, const struct peer *p, const struct status_answer *a)
{
	struct looked *l;

	for (size_t i = 0; i < a->n; i++)
		if (!a->heads[i].gone)
			cursors_heard(rep->cursors, p->id, a->heads[i].table, a->heads[i].head,
			    a->heads[i].ms, a->heads[i].rows);
	if (!cursors_behind(rep->cursors, p->id, a->incarnation))
		return (NULL);
	l = xcalloc(1, sizeof(*l));
	l->job.run = looked_run;
	l->job.done = looked_done;
	l->job.remote = 1;
	memcpy(l->peer, p->id, NODE_ID_LEN);
	l->incarnation = a->incarnation;
	return (&l->job);
}
