#include "config.h"

#include "opsd/cluster/firstcopy.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/origin.h"
#include "opsd/cluster/replication.h"

#define LOOK_US 2000000

/* ---- what goes with our rows ---- */

/* What this node let go by itself is not in its rows, whatever its positions are. */
static int
has_forgotten(const struct table *t)
{
	if (!stamp_none(t->floor) || !stamp_none(t->forgotten))
		return (1);
	for (size_t i = 0; i < t->nattrs; i++)
		if (!stamp_none(t->attrs[i]->dropped))
			return (1);
	return (0);
}

static void
note_position(struct given_position *p, const struct cursor_view *v)
{
	memcpy(p->node, v->peer, NODE_ID_LEN);
	p->table = v->table;
	p->incarnation = v->incarnation;
	p->at = (struct log_pos){ v->seq, v->mark, v->ms };
	p->whole_ms = v->whole_ms;
}

void
firstcopy_positions(struct replication *rep, const struct table *t, struct buf *out)
{
	struct cursor_view **all;
	struct given_position *list;
	uint32_t count = 0;
	size_t n;

	all = cursors_stored(rep->cursors, t->database, t->name, &n);
	list = xcalloc(n + 1, sizeof(*list));
	for (size_t i = 0; i < n && count < GIVEN_MAX && !has_forgotten(t); i++)
		if (all[i]->whole && cursor_view_settled(all[i]))
			note_position(&list[count++], all[i]);
	given_write(out, list, count);
	free(list);
	cursors_done(all, n);
}

/* ---- which copy goes first ---- */

static int
stands_still(struct replication *rep, const struct cursor *cur)
{
	return (cursors_passed_us(rep, cursor_copied_us(cur)) > cursors_stalled_us(rep));
}

static int
gets_further(struct replication *rep, const struct cursor *cur)
{
	const struct cursor_view *v = cursor_view(cur);
	int copies = v->state == CURSOR_COPY || (v->state == CURSOR_FAILED && v->copying);

	return (copies && !stands_still(rep, cur));
}

/* Whether another one copies all that this one would. */
static int
others_copy(struct replication *rep, const struct cursor *cur)
{
	const struct cursor_view *v = cursor_view(cur), *o;
	struct cursor **all;
	size_t n;
	int found = 0;

	all = cursors_named(rep->cursors, v->database, v->name, &n);
	for (size_t i = 0; i < n && !found; i++) {
		o = cursor_view(all[i]);
		found = all[i] != cur && o->from_ms <= v->from_ms && gets_further(rep, all[i]);
	}
	free(all);
	return (found);
}

static int
is_reachable(struct replication *rep, const uint8_t *id)
{
	struct peer *p = nodes_by_id(rep->nodes, id);
	int yes = p != NULL && cluster_peer_reachable(rep->cluster, p);

	peer_free(p);
	return (yes);
}

/* A snapshot that may have what it would copy is looked for. */
static int
is_held_back(struct replication *rep, const struct cursor_view *v)
{
	const struct replication_snapshots *s = &rep->snapshots;

	return (s->holds != NULL && s->holds(s->arg, v->database, v->name));
}

/* Whoever has waited for a copy, and need not any more. */
static void
give_turn(struct group *g, const char *database, const char *name)
{
	struct replication *rep = replication_of(g);
	struct cursor **all;
	size_t n;

	all = cursors_named(rep->cursors, database, name, &n);
	for (size_t i = 0; i < n; i++)
		if (cursor_view(all[i])->state == CURSOR_QUEUED &&
		    is_reachable(rep, cursor_view(all[i])->peer) &&
		    !is_held_back(rep, cursor_view(all[i])) && !others_copy(rep, all[i]))
			cursors_on(g, all[i], &(struct cursor_event){ .kind = ON_TURN });
	free(all);
}

static int
leans_on(const struct cursor_view *v, const uint8_t *peer)
{
	return (v->leans && memcmp(v->leans_on, peer, NODE_ID_LEN) == 0);
}

/* To all that lean on the peer's copy of the table. */
static void
tell_leaning(struct group *g, const uint8_t *peer, const char *database, const char *name,
    enum cursor_event_kind kind)
{
	struct cursor **all;
	size_t n;

	all = cursors_named(replication_of(g)->cursors, database, name, &n);
	for (size_t i = 0; i < n; i++)
		if (leans_on(cursor_view(all[i]), peer))
			cursors_on(g, all[i], &(struct cursor_event){ .kind = kind });
	free(all);
}

static struct given *
given_with(struct group *g, const uint8_t *peer, const char *database, const char *name)
{
	struct table *t = group_table_named(g, database, strlen(database), name, strlen(name));

	return (t != NULL ? given_find(replication_of(g)->givens, peer, t->id) : NULL);
}

/* ---- positions that came ---- */

/* It is of no use to a cursor that is there already. */
static int
has_passed(const struct cursor_view *v, const struct given_position *p)
{
	return (v->incarnation > p->incarnation ||
	    (v->incarnation == p->incarnation && v->seq > p->at.seq));
}

/* Whether the cursor goes on there. */
static int
place_cursor(struct group *g, struct cursor *cur, const struct given_position *p,
    const uint8_t *leans)
{
	struct cursor_event e = {
		.kind = ON_PLACED,
		.incarnation = p->incarnation,
		.at = p->at,
		.from_ms = p->whole_ms,
		.leans_on = leans,
	};

	cursors_on(g, cur, &e);
	return (cursor_view(cur)->state == CURSOR_FETCH);
}

static int
place_by_given(struct group *g, struct cursor *cur)
{
	const struct cursor_view *v = cursor_view(cur);
	struct table *t = group_table_named(g, v->database, strlen(v->database), v->name,
	    strlen(v->name));
	struct given_position p;
	struct given of;

	if (t == NULL ||
	    !given_take(g, replication_of(g)->givens, t->id, v->peer, v->table, &p, &of))
		return (0);
	return (place_cursor(g, cur, &p, of.done ? NULL : of.from));
}

/* What rows came with positions. */
struct coming {
	const char *database, *name;
	uint64_t from_ms;
	const uint8_t *leans; /* who is still to give more of them, or NULL */
};

/* A cursor that waits takes it at once; 1: it is kept for one that may need it yet. */
static int
is_kept(struct group *g, const struct coming *from, struct given_position *p)
{
	struct replication *rep = replication_of(g);
	struct cursor *cur;

	if (!cursors_is_id(p->table) || memcmp(p->node, rep->data->node_id, NODE_ID_LEN) == 0)
		return (0);
	if (p->whole_ms < from->from_ms)
		p->whole_ms = from->from_ms; /* nothing older comes with this copy */
	cur = cursors_find(rep->cursors, p->node, p->table);
	if (cur == NULL)
		return (1);
	if (strcmp(cursor_view(cur)->name, from->name) != 0 ||
	    strcmp(cursor_view(cur)->database, from->database) != 0)
		return (0);
	if (cursor_view(cur)->state != CURSOR_QUEUED)
		return (!has_passed(cursor_view(cur), p));
	place_cursor(g, cur, p, from->leans);
	return (0);
}

void
firstcopy_give(struct group *g, struct cursor *cur, const struct table *t, struct rd *positions)
{
	const struct cursor_view *v = cursor_view(cur);
	const struct coming from = { v->database, v->name, v->from_ms, v->peer };
	struct given_position *list;
	uint32_t n, kept = 0;

	list = given_read(positions, &n);
	if (list == NULL)
		return;
	for (uint32_t i = 0; i < n; i++)
		if (is_kept(g, &from, &list[i]))
			list[kept++] = list[i];
	given_put(g, replication_of(g)->givens, v->peer, t->id, list, kept);
}

/* ---- copies ---- */

/* What came with the rows of a copy that does not go on, or begins anew. */
static void
forget_given(struct group *g, const uint8_t *peer, const char *database, const char *name)
{
	struct given *one = given_with(g, peer, database, name);

	if (one != NULL && !one->done)
		given_drop(g, replication_of(g)->givens, one);
	tell_leaning(g, peer, database, name, ON_LEANT_LOST);
}

void
firstcopy_begun(struct group *g, struct cursor *cur)
{
	const struct cursor_view *v = cursor_view(cur);
	struct cursor_event e = { .kind = ON_OTHER_COPIES };

	if (!v->beside && !v->recovering && !place_by_given(g, cur)) {
		if (is_held_back(replication_of(g), v))
			e.why = "a snapshot goes first";
		if (e.why != NULL || others_copy(replication_of(g), cur))
			cursors_on(g, cur, &e);
	}
	forget_given(g, v->peer, v->database, v->name);
}

static void
leave_out_passed(struct group *g, struct given *one)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < one->n; i++) {
		const struct given_position *p = &one->list[i];
		struct cursor *cur = cursors_find(replication_of(g)->cursors, p->node, p->table);

		if (cur == NULL || !has_passed(cursor_view(cur), p))
			one->list[kept++] = *p;
	}
	one->n = kept;
}

void
firstcopy_ended(struct group *g, struct cursor *cur)
{
	const struct cursor_view *v = cursor_view(cur);
	struct given *one = given_with(g, v->peer, v->database, v->name);

	if (one != NULL) {
		leave_out_passed(g, one);
		given_done(g, replication_of(g)->givens, one);
	}
	tell_leaning(g, v->peer, v->database, v->name, ON_LEANT);
	give_turn(g, v->database, v->name);
}

void
firstcopy_gone(struct group *g, const uint8_t *peer, const char *database, const char *name)
{
	forget_given(g, peer, database, name);
	give_turn(g, database, name);
}

/* ---- snapshots ---- */

/* What a snapshot came with is kept as if from a node that is none. */
static const uint8_t nobody[NODE_ID_LEN];

int
firstcopy_waits(struct group *g, const char *database, const char *name, uint64_t *from_ms)
{
	struct cursor **all;
	size_t n;
	int waits = 0;

	all = cursors_named(replication_of(g)->cursors, database, name, &n);
	*from_ms = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		const struct cursor_view *v = cursor_view(all[i]);

		if (v->state != CURSOR_QUEUED)
			continue;
		waits = 1;
		if (v->from_ms < *from_ms)
			*from_ms = v->from_ms;
	}
	free(all);
	return (waits);
}

/* Rows came from a node that the table has no cursor of. */
static void
forget_origin(struct group *g, const struct table *t, const uint8_t *taker)
{
	if (memcmp(taker, group_data(g)->node_id, NODE_ID_LEN) != 0 &&
	    cursors_find_named(replication_of(g)->cursors, taker, t->database, strlen(t->database),
		t->name, strlen(t->name)) == NULL)
		origin_forget(g, t->database, t->name);
}

void
firstcopy_restored(struct group *g, const struct table *t, const uint8_t *taker,
    const struct given_position *positions, uint32_t n, uint64_t from_ms)
{
	const struct coming from = { t->database, t->name, from_ms, NULL };
	struct givens *givens = replication_of(g)->givens;
	struct given_position *list = xcalloc(n + 1, sizeof(*list));
	uint32_t kept = 0;

	forget_origin(g, t, taker);
	for (uint32_t i = 0; i < n; i++) {
		list[kept] = positions[i];
		kept += (uint32_t)is_kept(g, &from, &list[kept]);
	}
	given_put(g, givens, nobody, t->id, list, kept);
	if (kept > 0)
		given_done(g, givens, given_find(givens, nobody, t->id));
}

void
firstcopy_turn(struct group *g, const char *database, const char *name)
{
	give_turn(g, database, name);
}

/* ---- copies that stand still ---- */

void
firstcopy_recalled(struct group *g, const char *database, const char *name)
{
	struct cursor **all;
	size_t n;

	all = cursors_named(replication_of(g)->cursors, database, name, &n);
	for (size_t i = 0; i < n; i++)
		cursors_on(g, all[i], &(struct cursor_event){ .kind = ON_RECALLED });
	free(all);
}

static int
is_leant_lost(struct replication *rep, const struct cursor_view *v)
{
	struct cursor *on = cursors_find_named(rep->cursors, v->leans_on, v->database,
	    strlen(v->database), v->name, strlen(v->name));

	return (on == NULL || !gets_further(rep, on));
}

static void
look_run(struct group *g, struct commit_job *j)
{
	struct replication *rep = replication_of(g);
	struct cursor *cur = cursors_first(rep->cursors);

	(void)j;
	for (; cur != NULL; cur = cursors_next(rep->cursors, cur)) {
		const struct cursor_view *v = cursor_view(cur);

		if (v->leans && is_reachable(rep, v->peer) && is_leant_lost(rep, v))
			cursors_on(g, cur, &(struct cursor_event){ .kind = ON_LEANT_LOST });
		if (v->state == CURSOR_QUEUED)
			give_turn(g, v->database, v->name);
	}
}

static void
look_done(struct commit_job *j)
{
	free(j->error);
	free(j);
}

void
firstcopy_tick(struct replication *rep)
{
	struct commit_job *j;

	if (!cursors_waiting(rep->cursors) || mono_us() - rep->looked_us < LOOK_US)
		return;
	rep->looked_us = mono_us();
	j = xcalloc(1, sizeof(*j));
	j->run = look_run;
	j->done = look_done;
	j->remote = 1;
	commit_submit(rep->data->commit, j);
}
