#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/apply_priv.h"
#include "opsd/cluster/broken.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/firstcopy.h"
#include "opsd/cluster/merge.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/scope.h"
#include "opsd/store/group_priv.h"

/* Answers to what cursors asked (catchup.h). */

static void
take_rows(struct group *g, struct cursor *cur, struct table *t, struct catchup_answer *an,
    struct cursor_event *e)
{
	const struct cursor_view *v = cursor_view(cur);
	struct merge_how how = { v->peer, v->from_ms, v->state == CURSOR_RECOVER };
	struct merged copied = { 0 };
	int rc = 0;

	e->kind = ON_ROWS;
	e->done = an->done || t == NULL; /* dropped here: there is nothing to copy into */
	e->next_key = an->next_key;
	e->next_len = an->next_len;
	if (!(cursors_on(g, cur, e) & CURSOR_MERGE))
		return;
	if (t != NULL)
		rc = merge_rows(g, t, &an->items, an->count, &how, &copied);
	if (rc == 0 && t != NULL && v->chunks == 0 && !how.own) {
		struct rd positions = rd_init(an->positions, an->positions_len);

		firstcopy_give(g, cur, t, &positions);
	}
	e->kind = rc == 0 ? ON_MERGED : rc == 1 ? ON_ROWS_AHEAD : ON_ROWS_UNFIT;
	e->turn = 0;
	e->count = copied.seen;
	cursors_on(g, cur, e);
}

static struct table *
our_table(struct group *g, const struct cursor *cur)
{
	const struct cursor_view *v = cursor_view(cur);

	return (group_table_named(g, v->database, strlen(v->database), v->name, strlen(v->name)));
}

/* What an answer says of a table, for its cursor. */
static struct cursor_event
event_of(const struct apply *a, const struct catchup_answer *an)
{
	return ((struct cursor_event){
	    .kind = ON_REFUSED,
	    .turn = a->asked->turn,
	    .status = an->status,
	    .incarnation = an->incarnation,
	    .at = an->head,
	    .done = an->done,
	});
}

/* To all cursors that asked. */
static void
tell_all(struct group *g, const struct apply *a, const struct cursor_event *e)
{
	struct cursors *f = replication_of(g)->cursors;

	for (size_t i = 0; i < a->asked->n; i++) {
		struct cursor *cur = cursors_find(f, a->peer, a->asked->tables[i]);

		if (cur != NULL)
			cursors_on(g, cur, e);
	}
}

/* Users and roles by a way on which nobody vouches for who sends them. */
static int
is_hearsay(const struct apply *a, const struct cursor *cur)
{
	const char *database = cursor_view(cur)->database;

	return (!a->vouched && scope_is_system(database, strlen(database)));
}

static void
take_rows_answer(struct group *g, const struct apply *a, struct catchup_answer *an)
{
	struct cursor *cur = cursors_find(replication_of(g)->cursors, a->peer, a->asked->tables[0]);
	struct cursor_event e = event_of(a, an);
	struct table *t;

	if (cur == NULL)
		return;
	t = our_table(g, cur);
	if (is_hearsay(a, cur))
		e.kind = ON_NO_ANSWER;
	else if (t == NULL || !apply_other_key(t, an->primary, an->primary_len, &e)) {
		take_rows(g, cur, t, an, &e);
		return;
	}
	cursors_on(g, cur, &e);
}

/* ---- the log ---- */

/* What of an answer is a cursor's. */
struct share {
	uint32_t table;
	const char *primary; /* borrowed */
	size_t primary_len;
	struct cursor_event e;
	int takes, broken; /* its entries, as they come; they do not chain */
};

static int
compare_shares(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	return (x->table < y->table ? -1 : x->table > y->table);
}

static struct share *
share_of(struct share *all, size_t n, uint32_t table)
{
	struct share key = { .table = table };

	return (bsearch(&key, all, n, sizeof(*all), compare_shares));
}

/* By the ids of the tables. */
static struct share *
shares_new(const struct apply *a, struct catchup_answer an)
{
	struct share *all = xcalloc(a->asked->n, sizeof(*all));
	size_t i = 0;

	do {
		all[i] = (struct share){
			.table = a->asked->tables[i],
			.primary = an.primary,
			.primary_len = an.primary_len,
			.e = event_of(a, &an),
		};
		all[i].e.upto = an.upto;
		all[i].e.stalled = an.upto <= an.from;
	} while (++i < a->asked->n && catchup_answer_next(&an));
	qsort(all, a->asked->n, sizeof(*all), compare_shares);
	return (all);
}

/* How many entries there are for each, and what the first of them follows. */
static void
count_entries(struct share *all, size_t n, const struct catchup_answer *an)
{
	struct rd items = an->items;
	struct log_entry entry;
	struct share *one;

	for (uint32_t i = 0; i < an->count && log_entry_read(&items, &entry) == 0; i++)
		if ((one = share_of(all, n, entry.table)) != NULL && one->e.count++ == 0)
			one->e.before = (struct log_pos){ entry.prev, entry.prev_mark, 0 };
}

static void
begin_share(struct group *g, const struct apply *a, struct share *s)
{
	struct cursor *cur = cursors_find(replication_of(g)->cursors, a->peer, s->table);
	struct cursor_event e = s->e;
	struct table *t;

	if (cur == NULL)
		return;
	t = our_table(g, cur);
	if (is_hearsay(a, cur))
		e.kind = ON_NO_ANSWER;
	else if (e.status == 200 &&
	    (t == NULL || !apply_other_key(t, s->primary, s->primary_len, &e)))
		e.kind = ON_LOG;
	s->takes = (cursors_on(g, cur, &e) & CURSOR_APPLY) != 0;
}

/* The next entry, which may be nobody's; `all` as it was asked for.  -1: it cannot be read. */
static int
share_entry(struct group *g, const struct apply *a, struct share *all, struct rd *items)
{
	struct rd from = *items;
	struct log_entry entry;
	struct cursor *cur;
	struct share *one;
	uint32_t applied;
	enum apply_end end;

	if (log_entry_read(items, &entry) == -1)
		return (-1);
	one = share_of(all, a->asked->n, entry.table);
	if (one == NULL || !one->takes || one->broken)
		return (0);
	cur = cursors_find(replication_of(g)->cursors, a->peer, one->table);
	end = cur != NULL ? apply_entries(g, a, cur, &from, 1, &applied) : APPLY_STOPPED;
	one->takes = end != APPLY_STOPPED;
	one->broken = end != APPLY_CHAINED;
	return (0);
}

static void
end_share(struct group *g, const struct apply *a, struct share *s, int unread)
{
	struct cursor *cur = cursors_find(replication_of(g)->cursors, a->peer, s->table);

	if (!s->takes || cur == NULL)
		return;
	s->e.kind = s->broken || unread ? ON_LOG_BROKEN : ON_LOG_END;
	s->e.turn = 0;
	cursors_on(g, cur, &s->e);
}

/* All entries in the order of the log, whichever cursor they are for. */
static void
take_log_answer(struct group *g, const struct apply *a, const struct catchup_answer *an)
{
	struct share *all = shares_new(a, *an);
	struct rd items = an->items;
	size_t n = a->asked->n;
	int unread = 0;

	count_entries(all, n, an);
	for (size_t i = 0; i < n; i++)
		begin_share(g, a, &all[i]);
	for (uint32_t i = 0; i < an->count && !unread; i++)
		unread = share_entry(g, a, all, &items) == -1;
	for (size_t i = 0; i < n; i++)
		end_share(g, a, &all[i], unread);
	free(all);
}

/* ---- both ---- */

/* What was asked for, in words; the caller frees it. */
static char *
asked_text(struct replication *rep, const struct apply *a)
{
	struct cursor *cur = cursors_find(rep->cursors, a->peer, a->asked->tables[0]);
	const struct cursor_view *v = cur != NULL ? cursor_view(cur) : NULL;

	return (xasprintf("%s of table '%s.%s'%s",
	    a->asked->kind == CATCHUP_LOG ? "transactions" : "rows", v != NULL ? v->database : "?",
	    v != NULL ? v->name : "?", a->asked->n > 1 ? " and others" : ""));
}

/* As it was asked for. */
static int
answers_all(const struct apply *a, const struct catchup_answer *an)
{
	return (a->asked->kind != CATCHUP_LOG || an->tables == 0 || an->tables == a->asked->n);
}

/* -1: there is none that can be used. */
static int
open_answer(struct replication *rep, const struct apply *a, struct catchup_answer *an)
{
	char *which;
	int broken;

	if (!a->answered)
		return (-1);
	broken = catchup_answer_read(an, a->asked->kind, a->bytes.data, a->bytes.len) == -1 ||
	    !answers_all(a, an);
	cluster_answer_read(rep->cluster, a->peer, broken);
	if (!broken)
		return (0);
	which = asked_text(rep, a);
	broken_note(rep, BROKEN_ANSWER, a->peer, which, a->bytes.data, a->bytes.len);
	free(which);
	return (-1);
}

static void
answer_run(struct group *g, struct commit_job *j)
{
	struct apply *a = (struct apply *)j;
	struct replication *rep = replication_of(g);
	struct catchup_answer an = { 0 };
	struct cursor_event e = { .kind = ON_NO_ANSWER, .turn = a->asked->turn };

	if (commit_disk_full(rep->data->commit) || open_answer(rep, a, &an) == -1)
		tell_all(g, a, &e);
	else if (a->asked->kind == CATCHUP_LOG && an.tables > 0)
		take_log_answer(g, a, &an);
	else if (an.status == 200)
		take_rows_answer(g, a, &an);
	else {
		e = event_of(a, &an);
		tell_all(g, a, &e);
	}
}

struct apply *
apply_answer_new(const struct cursors_question *q, int vouched, const void *p, size_t n)
{
	struct apply *a = xcalloc(1, sizeof(*a));

	a->job.run = answer_run;
	a->job.remote = 1;
	a->job.cost = n;
	memcpy(a->peer, q->peer, NODE_ID_LEN);
	a->asked = q;
	a->answered = p != NULL;
	a->vouched = vouched;
	buf_add(&a->bytes, p, n);
	return (a);
}
