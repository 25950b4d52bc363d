#include "config.h"

#include "opsd/cluster/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/cursor_priv.h"
#include "opsd/store/key.h"

struct cursor *
cursor_new(const struct cursor_view *v)
{
	struct cursor *cur = xcalloc(1, sizeof(*cur));

	cursor_view_copy(&cur->v, v);
	cur->fetched = cur->looked = v->seq;
	return (cur);
}

void
cursor_free(struct cursor *cur)
{
	if (cur == NULL)
		return;
	cursor_view_clear(&cur->v);
	free(cur);
}

const struct cursor_view *
cursor_view(const struct cursor *cur)
{
	return (&cur->v);
}

/* ---- what happens ---- */

size_t
cursor_phase(const struct cursor *cur)
{
	const struct cursor_view *v = &cur->v;

	switch (v->state) {
	case CURSOR_LIVE:
		return (AT_LIVE);
	case CURSOR_FETCH:
		return (v->from_ms != 0 ? AT_SINCE : AT_FETCH);
	case CURSOR_COPY:
		return (v->chunks == 0 && !v->beside ? AT_HEAD : AT_COPY);
	case CURSOR_CLOCK:
		return (AT_CLOCK);
	case CURSOR_FAILED:
		return (AT_FAILED);
	case CURSOR_RECOVER:
		return (AT_RECOVER);
	case CURSOR_QUEUED:
		return (AT_QUEUED);
	case CURSOR_NEW:
		break;
	}
	return (AT_NEW);
}

/* One that a row can have: it is kept, and asked with. */
static int
is_key_after(const struct cursor_view *v, const struct cursor_event *e)
{
	return (e->next_len <= KEY_MAX &&
	    mem_order(e->next_key, e->next_len, v->next_key, v->next_len) > 0);
}

static enum cursor_event_kind
rows_line(const struct cursor_view *v, const struct cursor_event *e)
{
	if ((v->chunks > 0 || v->beside) && e->incarnation != v->incarnation)
		return (ON_ROWS_OTHER);
	return (e->done || is_key_after(v, e) ? ON_ROWS : ON_ROWS_UNFIT);
}

static enum cursor_event_kind
refusal_line(uint16_t status)
{
	switch (status) {
	case 403:
		return (ON_UNSUBSCRIBED);
	case 404:
		return (ON_NO_TABLE);
	case 409:
		return (ON_UNKNOWN);
	case 410:
		return (ON_TRIMMED);
	default:
		return (ON_NO_ANSWER);
	}
}

/* The line of the table: who posts an event need not know what the cursor knows. */
static enum cursor_event_kind
line_of(const struct cursor_view *v, const struct cursor_event *e)
{
	switch (e->kind) {
	case ON_FRAME:
		return (e->incarnation < v->incarnation ? ON_FRAME_OLDER :
			e->incarnation > v->incarnation ? ON_FRAME_NEWER :
							  ON_FRAME);
	case ON_LOG:
		return (v->incarnation != 0 && e->incarnation != v->incarnation ? ON_LOG_OTHER :
										  ON_LOG);
	case ON_ROWS:
		return (rows_line(v, e));
	case ON_REFUSED:
		return (refusal_line(e->status));
	case ON_LOOKED:
		return (e->incarnation > v->incarnation ? ON_LOOKED_NEWER : ON_LOOKED);
	default:
		return (e->kind);
	}
}

static int
is_merge_over(enum cursor_event_kind kind)
{
	return (kind == ON_MERGED || kind == ON_ROWS_AHEAD || kind == ON_ROWS_UNFIT);
}

unsigned
cursor_on(struct cursor *cur, const struct cursor_event *posted, const struct cursor_now *now)
{
	struct cursor_event e = *posted;
	struct cursor_step s = { cur, &cur->v, &e, now };

	e.kind = line_of(&cur->v, posted);
	if (cur->asked == CURSOR_MERGING && is_merge_over(e.kind))
		cur->asked = 0;
	if (e.turn != 0 && e.kind != ON_ASKED) {
		if (e.turn != cur->asked)
			return (0);
		cur->asked = 0;
		cur->retry_us = 0;
	}
	return (cursor_rules_run(cursor_table_rule(e.kind, cursor_phase(cur)), &s));
}

/* ---- what is asked ---- */

int
cursor_due(const struct cursor *cur, uint64_t now_us)
{
	enum cursor_state s = cur->v.state;

	return (s != CURSOR_LIVE && s != CURSOR_QUEUED && s != CURSOR_NEW && cur->asked == 0 &&
	    now_us >= cur->retry_us);
}

uint64_t
cursor_copied_us(const struct cursor *cur)
{
	return (cur->copied_us);
}

void
cursor_question(const struct cursor *cur, struct catchup_question *q)
{
	const struct cursor_view *v = &cur->v;

	*q = (struct catchup_question){
		.kind = v->copying ? CATCHUP_ROWS : CATCHUP_LOG,
		.recovering = v->recovering,
		.table = v->table & CURSOR_OWN ? 0 : v->table,
		.database = v->database,
		.dblen = strlen(v->database),
		.name = v->name,
		.nlen = strlen(v->name),
		.incarnation = v->incarnation,
		.seq = v->seq,
		.mark = v->mark,
		.after = cur->fetched > v->seq ? cur->fetched : v->seq,
		.from_ms = v->from_ms,
		.key = v->next_key,
		.klen = v->next_len,
	};
	/* Without a position yet: what was seen is of a log that has this, or must be looked at anew. */
	if (v->from_ms != 0 && !v->copying && cur->fetched > v->seq) {
		q->seq = cur->seen.seq;
		q->mark = cur->seen.mark;
	}
}

int
cursor_is_behind(const struct cursor *cur, uint64_t incarnation)
{
	return (cur->v.incarnation < incarnation || cur->stuck != 0 ||
	    (cur->v.state == CURSOR_LIVE && cur->v.head > cur->v.seq));
}
