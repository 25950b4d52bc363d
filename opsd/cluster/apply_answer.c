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
take_log(struct group *g, const struct apply *a, struct cursor *cur, struct catchup_answer *an,
    struct cursor_event *e)
{
	struct rd peek = an->items;
	struct log_entry first;
	enum apply_end end;

	e->kind = ON_LOG;
	e->upto = an->upto;
	if (an->count > 0 && log_entry_read(&peek, &first) == 0) {
		e->count = an->count;
		e->before = (struct log_pos){ .seq = first.prev, .mark = first.prev_mark };
	}
	if (!(cursors_on(g, cur, e) & CURSOR_APPLY))
		return;
	end = apply_entries(g, a, cur, &an->items, an->count, &e->count);
	if (end == APPLY_STOPPED)
		return;
	e->kind = end == APPLY_CHAINED ? ON_LOG_END : ON_LOG_BROKEN;
	e->turn = 0;
	cursors_on(g, cur, e);
}

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

static void
take_answer(struct group *g, const struct apply *a, struct cursor *cur, struct catchup_answer *an,
    struct cursor_event *e)
{
	const struct cursor_view *v = cursor_view(cur);
	struct table *t = group_table_named(g, v->database, strlen(v->database), v->name,
	    strlen(v->name));

	e->incarnation = an->incarnation;
	e->at = an->head;
	e->done = an->done;
	if (t != NULL && apply_other_key(t, an->primary, an->primary_len, e))
		cursors_on(g, cur, e);
	else if (a->kind == CATCHUP_LOG)
		take_log(g, a, cur, an, e);
	else
		take_rows(g, cur, t, an, e);
}

/* -1: there is none that can be used. */
static int
open_answer(struct replication *rep, const struct apply *a, const struct cursor_view *v,
    struct catchup_answer *an)
{
	char *which;
	int broken;

	if (!a->answered || (!a->vouched && scope_is_system(v->database, strlen(v->database))))
		return (-1);
	broken = catchup_answer_read(an, a->kind, a->bytes.data, a->bytes.len) == -1;
	cluster_answer_read(rep->cluster, a->peer, broken);
	if (!broken)
		return (0);
	which = xasprintf("%s of table '%s.%s'", a->kind == CATCHUP_LOG ? "transactions" : "rows",
	    v->database, v->name);
	broken_note(rep, BROKEN_ANSWER, a->peer, which, a->bytes.data, a->bytes.len);
	free(which);
	return (-1);
}

static void
answer_run(struct group *g, struct commit_job *j)
{
	struct apply *a = (struct apply *)j;
	struct replication *rep = replication_of(g);
	struct cursor *cur = cursors_find(rep->cursors, a->peer, a->table);
	struct catchup_answer an = { 0 };
	struct cursor_event e = { .turn = a->turn };

	if (cur == NULL)
		return;
	if (commit_disk_full(rep->data->commit) || open_answer(rep, a, cursor_view(cur), &an) == -1)
		e.kind = ON_NO_ANSWER;
	else if (an.status != 200) {
		e.kind = ON_REFUSED;
		e.status = an.status;
	} else {
		take_answer(g, a, cur, &an, &e);
		return;
	}
	cursors_on(g, cur, &e);
}

struct apply *
apply_answer_new(const struct cursors_question *q, int vouched, const void *p, size_t n)
{
	struct apply *a = xcalloc(1, sizeof(*a));

	a->job.run = answer_run;
	a->job.remote = 1;
	a->job.cost = n;
	memcpy(a->peer, q->peer, NODE_ID_LEN);
	a->table = q->table;
	a->kind = q->kind;
	a->turn = q->turn;
	a->answered = p != NULL;
	a->vouched = vouched;
	buf_add(&a->bytes, p, n);
	return (a);
}
