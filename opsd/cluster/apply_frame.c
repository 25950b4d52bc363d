#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "opsd/cluster/apply_priv.h"
#include "opsd/cluster/broken.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/routeflow.h"
#include "opsd/store/group_priv.h"

/* Frames of peers' streams. */

/* The first entry of all, by which the table was made there: whatever it has comes in its log. */
static int
makes_table(const struct log_entry *e, struct txn *t)
{
	size_t n;
	const uint8_t *p;
	json_t *def;
	int whole;

	if (e->prev != 0 || t->kind != TXN_DEFINE)
		return (0);
	p = rd_blob(&t->body, &n);
	def = rd_ok(&t->body) ? json_loadb((const char *)p, n, 0, NULL) : NULL;
	whole = def != NULL && !json_is_true(json_object_get(def, "part"));
	json_decref(def);
	return (whole);
}

/* The cursor of a table that was not known before: subscribed, and newer than one of its name. */
static struct cursor *
new_cursor(struct group *g, const uint8_t *id, const struct frame *fr, struct rd r)
{
	struct replication *rep = replication_of(g);
	struct peer *p = nodes_by_id(rep->nodes, id);
	struct cursor_event begin = { .incarnation = fr->incarnation };
	const struct subscription *entry;
	struct cursor *cur = NULL, *old;
	struct log_entry e;
	struct txn t;
	char *db, *name;

	if (!cursors_is_id(fr->table) || p == NULL || log_entry_read(&r, &e) == -1 ||
	    txn_read(&t, e.payload, e.len) == -1)
		goto out;
	entry = peer_effective_n(p, t.database, t.database_len, t.table, t.table_len);
	if (!subscription_brings(entry))
		goto out;
	old = cursors_find_named(rep->cursors, id, t.database, t.database_len, t.table,
	    t.table_len);
	if (old != NULL) {
		const struct cursor_view *v = cursor_view(old);

		if (v->table > fr->table && v->incarnation >= fr->incarnation)
			goto out; /* late: of a table that was dropped there */
		cursors_remove(g, old);
	}
	db = xstrndup(t.database, t.database_len);
	name = xstrndup(t.table, t.table_len);
	cur = cursors_add(g, id, fr->table, db, name);
	begin.from_ms = subscription_is_wide(entry) ? routeflow_start(rep, p, entry) : 0;
	begin.kind = e.prev == 0 ? ON_SUBSCRIBED : begin.from_ms != 0 ? ON_SINCE : ON_ALL;
	begin.done = makes_table(&e, &t);
	cursors_on(g, cur, &begin);
	free(db);
	free(name);
out:
	peer_free(p);
	return (cur);
}

/*
 * A peer that was put back gives ids again: the cursor is of a table of its lost life, the frame
 * of another one.
 */
static int
is_of_lost_table(const struct cursor_view *v, const struct frame *fr, struct rd r)
{
	struct log_entry e;
	struct txn t;

	if (fr->incarnation <= v->incarnation || log_entry_read(&r, &e) == -1 ||
	    txn_read(&t, e.payload, e.len) == -1)
		return (0);
	return (strlen(v->name) != t.table_len || memcmp(v->name, t.table, t.table_len) != 0 ||
	    strlen(v->database) != t.database_len ||
	    memcmp(v->database, t.database, t.database_len) != 0);
}

/* Users and roles by a way on which nobody vouches for who sends them. */
static int
is_unvouched(const struct apply *a, struct rd r)
{
	struct log_entry e;
	struct txn t;

	return (!a->vouched && log_entry_read(&r, &e) == 0 && txn_read(&t, e.payload, e.len) == 0 &&
	    scope_is_system(t.database, t.database_len));
}

/* NULL: what comes is not for us. */
static struct cursor *
cursor_for(struct group *g, const struct apply *a, const struct frame *fr, struct rd r)
{
	const uint8_t *peer = a->peer;
	struct cursor *cur;

	if (is_unvouched(a, r))
		return (NULL);
	cur = cursors_find(replication_of(g)->cursors, peer, fr->table);
	if (cur != NULL && is_of_lost_table(cursor_view(cur), fr, r)) {
		cursors_remove(g, cur);
		cur = NULL;
	}
	return (cur != NULL ? cur : new_cursor(g, peer, fr, r));
}

static void
frame_into(struct group *g, const struct apply *a, struct cursor *cur, const struct frame *fr,
    struct rd *r)
{
	static const enum cursor_event_kind ends[] = {
		[APPLY_CHAINED] = ON_FRAME_END,
		[APPLY_GAP] = ON_GAP,
		[APPLY_OTHER] = ON_OTHER_LIFE,
	};
	struct cursor_event e = {
		.kind = ON_FRAME,
		.incarnation = fr->incarnation,
		.at = { .seq = fr->last, .mark = fr->mark },
	};
	enum apply_end end;

	if (commit_disk_full(group_data(g)->commit))
		e.kind = ON_NO_ROOM;
	if (!(cursors_on(g, cur, &e) & CURSOR_APPLY))
		return;
	end = apply_entries(g, a, cur, r, fr->count, &e.count);
	if (end == APPLY_STOPPED)
		return;
	e.kind = ends[end];
	cursors_on(g, cur, &e);
}

static void
drop_frame(struct replication *rep, const struct apply *a)
{
	char *which = a->stream_seq != 0 ?
	    xasprintf("%llu in its stream", (unsigned long long)a->stream_seq) :
	    xstrdup("over its link");

	broken_note(rep, BROKEN_FRAME, a->peer, which, a->bytes.data, a->bytes.len);
	free(which);
}

/* Its subscription has ended, or there never was one. */
static void
say_dropped(struct replication *rep, const uint8_t *peer, uint32_t table)
{
	static struct log_brake brake = { .most = 5 };
	char *name = nodes_shown(rep->nodes, peer);

	log_braked(&brake, LOG_INFO,
	    "a frame of node %s is dropped: nothing of its table %u is to come from there", name,
	    table);
	free(name);
}

/*
 * A carrier may be behind another one, or bring what an earlier life of the log gave.  One of several
 * streams has a part of each window: what is before the last one of each is here.
 */
static void
note_window(struct replication *rep, const struct apply *a, struct cursors_hint *hint,
    const struct frame *fr)
{
	uint64_t window = fr->window;

	if (!(fr->flags & FRAME_WINDOW_END))
		return;
	if (a->stream.n > 1)
		window = cursors_came(rep->cursors, a->peer, a->stream, fr->incarnation, window);
	if (fr->incarnation < hint->incarnation || window == 0 ||
	    (fr->incarnation == hint->incarnation && window <= hint->window))
		return;
	hint->incarnation = fr->incarnation;
	hint->window = window;
}

/* The places in streams of another number are of streams that are no more. */
static void
note_place(struct cursors_hint *hint, struct shard s, uint64_t seq)
{
	if (hint->streams != s.n)
		memset(hint->stream_seq, 0, sizeof(hint->stream_seq));
	hint->streams = s.n;
	hint->stream_seq[s.k] = seq;
}

static void
frame_run(struct group *g, struct commit_job *j)
{
	struct apply *a = (struct apply *)j;
	struct replication *rep = replication_of(g);
	struct rd r = rd_init(a->bytes.data, a->bytes.len);
	struct cursors_hint hint = cursors_hint(rep->cursors, a->peer);
	struct buf room = { 0 };
	struct cursor *cur;
	struct frame fr;

	if (frame_open(&r, &fr, &room) == -1)
		drop_frame(rep, a);
	else if (memcmp(fr.node, a->peer, NODE_ID_LEN) == 0) { /* else: who had its name before */
		cur = cursor_for(g, a, &fr, r);
		if (cur != NULL)
			frame_into(g, a, cur, &fr, &r);
		else
			say_dropped(rep, a->peer, fr.table);
		note_window(rep, a, &hint, &fr);
	}
	if (a->stream_seq != 0)
		note_place(&hint, a->stream, a->stream_seq);
	cursors_set_hint(g, a->peer, &hint);
	buf_free(&room);
}

struct apply *
apply_frame_new(const uint8_t *peer, struct shard stream, uint64_t stream_seq, const void *p,
    size_t n)
{
	struct apply *a = xcalloc(1, sizeof(*a));

	a->job.run = frame_run;
	a->job.remote = 1;
	a->job.cost = frame_cost(p, n);
	memcpy(a->peer, peer, NODE_ID_LEN);
	a->stream = stream;
	a->stream_seq = stream_seq;
	a->vouched = stream_seq == 0;
	buf_add(&a->bytes, p, n);
	return (a);
}
