#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/cursor_priv.h"

/* What the rules of the table do: fields of the cursor change, and actions come out. */

#define RETRY_US 1000000
#define STUCK    2 /* looks in a row without movement before the log is asked */

/* What goes into `why`, where the event does not say it itself. */
#define LOG_SHORT "the log does not reach"
#define OTHER_LOG "the peer was put back from an older copy: its log begins anew"
#define CLOCK_AHEAD                                                  \
	"of times that are ahead of this node's clock by more than " \
	"clustering.maxClockSkew: a clock is wrong, or was when they were written"
static const char *const whys[CURSOR_EVENTS] = {
	[ON_GAP] = "a gap",
	[ON_OTHER_LIFE] = OTHER_LOG,
	[ON_UNKNOWN] = OTHER_LOG,
	[ON_UNSUBSCRIBED] = "the peer has no subscription for it",
	[ON_NO_TABLE] = "the table does not exist on the peer",
	[ON_AHEAD] = "it has transactions " CLOCK_AHEAD ". They are applied when it is that time",
	[ON_ROWS_AHEAD] = "the peer has rows " CLOCK_AHEAD,
	[ON_OTHER_COPIES] = "another node's copy of the table goes first",
	[ON_LEANT_LOST] = "another node's copy of the table did not end",
	[ON_ROWS_UNFIT] = "a copied row cannot be read",
	[ON_LOOKED] = "the stream does not bring what the log has",
};

/* ---- the ways from state to state ---- */

static unsigned
enter_state(struct cursor_step *s, enum cursor_state state, const char *why)
{
	int other = state != s->v->state;
	int bad = state == CURSOR_CLOCK || state == CURSOR_FAILED;
	char *copy;

	if (other)
		s->v->since_ms = s->now->wall_ms;
	s->v->state = state;
	copy = xstrdup(why);
	free(s->v->why);
	s->v->why = copy;
	s->v->ahead = 0;
	s->cur->fetched = s->cur->looked = s->v->seq;
	s->cur->stuck = 0;
	s->cur->retry_us = bad ? s->now->mono_us + RETRY_US : 0;
	if (state == CURSOR_LIVE)
		s->cur->asked = 0;
	return (CURSOR_SAVE | (state != CURSOR_LIVE ? CURSOR_KICK : 0) |
	    (other && (bad || state == CURSOR_COPY) ? CURSOR_TELL : 0));
}

static void
set_key(struct cursor_step *s, const uint8_t *key, size_t n)
{
	free(s->v->next_key);
	s->v->next_key = n > 0 ? xmemdup(key, n) : NULL;
	s->v->next_len = n;
}

static void
set_position(struct cursor_step *s, const struct log_pos *at)
{
	s->v->seq = at->seq;
	s->v->mark = at->mark;
	s->v->ms = at->ms;
}

/* From the first key on.  What was asked before is not the answer to that. */
static unsigned
copy_all(struct cursor_step *s, const char *why)
{
	set_key(s, NULL, 0);
	s->v->chunks = 0;
	s->v->copied = 0;
	s->v->copying = 1;
	s->cur->asked = 0;
	s->cur->copied_us = s->now->mono_us;
	if (s->v->state == CURSOR_RECOVER)
		return (enter_state(s, CURSOR_RECOVER, why));
	return (enter_state(s, CURSOR_COPY, why) |
	    (s->v->beside || s->v->recovering ? 0 : CURSOR_BEGUN));
}

/* The position will be that of the copy: nothing of what was before counts. */
static void
forget_whole(struct cursor_step *s)
{
	s->v->whole = s->v->leans = 0;
}

static const char *
reason_of(const struct cursor_step *s)
{
	return (s->e->why != NULL ? s->e->why : whys[s->e->kind]);
}

/* ---- the rules ---- */

static unsigned
do_nothing(struct cursor_step *s)
{
	(void)s;
	return (0);
}

static unsigned
begin_live(struct cursor_step *s)
{
	s->v->incarnation = s->e->incarnation;
	set_position(s, &s->e->at);
	s->v->whole = s->e->done;
	s->v->whole_ms = 0;
	return (enter_state(s, CURSOR_LIVE, NULL));
}

static unsigned
begin_copy(struct cursor_step *s)
{
	forget_whole(s);
	s->v->incarnation = s->e->incarnation;
	return (copy_all(s, LOG_SHORT));
}

static unsigned
begin_since(struct cursor_step *s)
{
	s->v->from_ms = s->e->from_ms;
	if (s->e->copied)
		return (begin_copy(s));
	s->v->incarnation = s->e->incarnation;
	return (enter_state(s, CURSOR_FETCH, NULL));
}

/* All rows, from each peer: any may have what was lost here. */
static unsigned
copy_own(struct cursor_step *s)
{
	s->v->from_ms = 0;
	s->v->beside = 0;
	s->v->recovering = 1;
	forget_whole(s);
	return (copy_all(s, "recovering own writes"));
}

/* Only what this node wrote itself comes in. */
static unsigned
begin_recovery(struct cursor_step *s)
{
	s->v->state = CURSOR_RECOVER;
	return (copy_own(s));
}

/* Whether all up to the position has come in, or comes in with the copy. */
static int
has_position(const struct cursor_view *v)
{
	if (v->copying)
		return (v->chunks > 0 || v->beside);
	return (v->from_ms == 0 && v->incarnation != 0);
}

/*
 * A start time holds until there is a position: what came after that may be older.  One that leans
 * has none yet.
 */
static unsigned
copy_anew(struct cursor_step *s)
{
	if (s->v->leans)
		s->v->from_ms = s->v->whole_ms;
	else if (has_position(s->v))
		s->v->from_ms = 0;
	s->v->beside = 0;
	forget_whole(s);
	return (copy_all(s, LOG_SHORT));
}

/* A copy that is under way, or would be: of what was to come in anyway the earlier counts; 0 is all. */
static unsigned
copy_since(struct cursor_step *s)
{
	int begun = s->v->copying || s->v->from_ms != 0;

	if (!begun || s->v->from_ms > s->e->from_ms)
		s->v->from_ms = s->e->from_ms;
	return (copy_all(s, LOG_SHORT));
}

/* The same, and the position stays. */
static unsigned
copy_beside(struct cursor_step *s)
{
	s->v->beside = 1;
	return (copy_since(s));
}

static unsigned
copy_either(struct cursor_step *s)
{
	return (has_position(s->v) ? copy_beside(s) : copy_since(s));
}

static unsigned
go_fetch(struct cursor_step *s)
{
	return (enter_state(s, CURSOR_FETCH, reason_of(s)));
}

static unsigned
try_again(struct cursor_step *s)
{
	return (enter_state(s, s->v->copying ? CURSOR_COPY : CURSOR_FETCH, NULL));
}

/* This peer has no more own writes for us: the copy is whole, or there is none. */
static unsigned
end_recovery(struct cursor_step *s)
{
	unsigned actions = s->v->recovering ? CURSOR_RECOVERED : 0;

	s->v->recovering = 0;
	return (actions);
}

/* Own writes were in the table as it is here: they are in no other one. */
static unsigned
give_up(struct cursor_step *s)
{
	enum cursor_event_kind kind = s->e->kind;
	char *why = NULL;
	unsigned actions = 0;

	if (kind == ON_OTHER_KEY)
		why = xasprintf("the table has another primary key there, '%.*s', than here, '%s': "
				"drop one of the two and make it like the other",
		    (int)s->e->key_len, s->e->key, s->e->own_key);
	if (kind == ON_OTHER_KEY || kind == ON_NO_TABLE)
		actions = end_recovery(s);
	actions |= enter_state(s, CURSOR_FAILED, why != NULL ? why : reason_of(s));
	free(why);
	return (actions);
}

static unsigned
wait_for_clock(struct cursor_step *s)
{
	return (enter_state(s, CURSOR_CLOCK, reason_of(s)));
}

static unsigned
end_cursor(struct cursor_step *s)
{
	return (end_recovery(s) | CURSOR_REMOVE);
}

/* Not a frame that is known; one that ends at the position may be of another life. */
static unsigned
apply_newer(struct cursor_step *s)
{
	return (s->e->at.seq < s->v->seq ? 0 : CURSOR_APPLY);
}

static unsigned
move_on(struct cursor_step *s)
{
	set_position(s, &s->e->at);
	s->v->came_ms = s->now->wall_ms;
	return (0);
}

static unsigned
save_moved(struct cursor_step *s)
{
	return (s->e->count > 0 ? CURSOR_SAVE : 0);
}

/* A frame that is only repeated does not close the gap. */
static unsigned
chained_again(struct cursor_step *s)
{
	return (s->e->count > 0 ? enter_state(s, CURSOR_LIVE, NULL) : 0);
}

static unsigned
note_asked(struct cursor_step *s)
{
	s->cur->asked = s->e->turn;
	return (0);
}

static unsigned
ask_later(struct cursor_step *s)
{
	const char *why = reason_of(s);
	unsigned actions = why != NULL ? enter_state(s, s->v->state, why) : 0;

	s->cur->retry_us = s->now->mono_us + RETRY_US;
	return (actions & CURSOR_SAVE);
}

/* All since the start time is here, or was already since an earlier one. */
static void
note_whole(struct cursor_step *s)
{
	if (!s->v->whole || s->v->whole_ms > s->v->from_ms)
		s->v->whole_ms = s->v->from_ms;
	s->v->whole = 1;
}

/*
 * From a start time on, the position is what the first entry since then follows, or the head when
 * there is none.
 */
static unsigned
take_place(struct cursor_step *s)
{
	s->v->incarnation = s->e->incarnation;
	if (s->v->from_ms != 0 && (s->e->count > 0 || s->e->done)) {
		note_whole(s);
		set_position(s, s->e->count > 0 ? &s->e->before : &s->e->at);
		s->v->ms = 0;
		s->v->from_ms = 0;
	}
	return (CURSOR_APPLY);
}

/* Its log ended before what it has said is the head: entries in between are gone. */
static unsigned
end_answer(struct cursor_step *s)
{
	if (s->e->done && s->v->seq < s->e->at.seq)
		return (copy_anew(s));
	if (s->e->done)
		return (enter_state(s, CURSOR_LIVE, NULL));
	s->cur->seen = s->e->at;
	if (s->e->stalled)
		s->cur->retry_us = s->now->mono_us + RETRY_US; /* no way is asked twice in a row */
	else if (s->e->upto > s->cur->fetched)
		s->cur->fetched = s->e->upto; /* else what comes first is for others */
	return (CURSOR_SAVE);
}

/* Whoever asked now would be told the same rows once more. */
static unsigned
merge_chunk(struct cursor_step *s)
{
	s->cur->asked = CURSOR_MERGING;
	return (CURSOR_MERGE);
}

/* All rows are in, up to the head of the first chunk; what came since is fetched. */
static unsigned
end_copy(struct cursor_step *s)
{
	unsigned actions = CURSOR_COPIED | end_recovery(s);

	note_whole(s);
	s->v->from_ms = 0;
	s->v->copying = s->v->beside = 0;
	set_key(s, NULL, 0);
	if (s->v->state == CURSOR_RECOVER)
		return (actions | CURSOR_REMOVE);
	return (actions | enter_state(s, CURSOR_FETCH, NULL));
}

/* The head counts with the first chunk alone: rows of the others may be older than theirs. */
static unsigned
take_chunk(struct cursor_step *s)
{
	struct cursor_view *v = s->v;

	if (v->chunks == 0 && !v->beside) {
		if (s->e->incarnation != v->incarnation || s->e->at.seq >= v->seq) {
			set_position(s, &s->e->at);
			v->came_ms = s->now->wall_ms;
		}
		v->incarnation = s->e->incarnation;
	}
	if (v->ahead)
		enter_state(s, v->state, NULL);
	if (v->state == CURSOR_FAILED)
		enter_state(s, CURSOR_COPY, NULL);
	v->copied += s->e->count;
	v->chunks++;
	s->cur->copied_us = s->now->mono_us;
	if (s->e->done)
		return (end_copy(s));
	set_key(s, s->e->next_key, s->e->next_len);
	return (CURSOR_SAVE);
}

/* The same chunk again, until time has caught up. */
static unsigned
hold_chunk(struct cursor_step *s)
{
	unsigned actions = enter_state(s, s->v->state == CURSOR_FAILED ? CURSOR_COPY : s->v->state,
	    reason_of(s));

	s->v->ahead = 1;
	s->cur->retry_us = s->now->mono_us + RETRY_US;
	return (actions & CURSOR_SAVE);
}

/* ---- copies of the table from other peers ---- */

/* What was asked meanwhile does not count. */
static unsigned
wait_turn(struct cursor_step *s)
{
	s->cur->asked = 0;
	return (enter_state(s, CURSOR_QUEUED, reason_of(s)));
}

static unsigned
take_turn(struct cursor_step *s)
{
	s->cur->copied_us = s->now->mono_us;
	return (enter_state(s, CURSOR_COPY, LOG_SHORT));
}

/* Its own position would be lost: then it waits for a copy of its own. */
static int
is_before_position(const struct cursor_view *v, const struct cursor_event *e)
{
	return (e->incarnation < v->incarnation ||
	    (e->incarnation == v->incarnation && e->at.seq < v->seq));
}

/* Which incarnation its log has, its own node has said: of a later one nothing would ever chain. */
static unsigned
take_given(struct cursor_step *s)
{
	struct cursor_view *v = s->v;

	if (s->e->incarnation > v->incarnation || is_before_position(v, s->e) ||
	    s->e->from_ms > v->from_ms)
		return (0);
	v->incarnation = s->e->incarnation;
	set_position(s, &s->e->at);
	v->from_ms = 0;
	v->copying = 0;
	s->cur->asked = 0;
	v->whole = 1;
	v->whole_ms = s->e->from_ms;
	v->leans = s->e->leans_on != NULL;
	if (v->leans)
		memcpy(v->leans_on, s->e->leans_on, NODE_ID_LEN);
	return (enter_state(s, CURSOR_FETCH, NULL));
}

static unsigned
end_leaning(struct cursor_step *s)
{
	if (!s->v->leans)
		return (0);
	s->v->leans = 0;
	return (CURSOR_SAVE);
}

/* What was to come with that comes from its own peer; a copy beside begins again as a part of it. */
static unsigned
lose_leant(struct cursor_step *s)
{
	if (!s->v->leans)
		return (0);
	if (!s->v->beside || s->v->from_ms > s->v->whole_ms)
		s->v->from_ms = s->v->whole_ms;
	s->v->beside = 0;
	forget_whole(s);
	return (copy_all(s, reason_of(s)));
}

/* Not all is here any more up to the position; a copy that is under way begins again. */
static unsigned
lose_part(struct cursor_step *s)
{
	if (s->v->copying && s->v->chunks > 0)
		return (copy_all(s, s->v->why));
	if (!s->v->whole)
		return (0);
	s->v->whole = 0;
	return (CURSOR_SAVE);
}

static unsigned
note_head(struct cursor_step *s)
{
	s->v->head = s->e->at.seq;
	s->v->head_ms = s->e->at.ms;
	s->v->peer_rows = s->e->rows;
	return (0);
}

/* Not while the log comes, and is not there yet. */
static unsigned
look_at(struct cursor_step *s)
{
	int moves = s->v->seq != s->cur->looked || (s->e->coming != 0 && s->e->coming < s->v->head);

	s->cur->looked = s->v->seq;
	s->cur->stuck = moves || s->v->head <= s->v->seq ? 0 : s->cur->stuck + 1;
	return (s->cur->stuck >= STUCK ? go_fetch(s) : 0);
}

#define RULE_FN(id, word, fn) [id] = fn,
static unsigned (*const does[CURSOR_RULE_COUNT])(struct cursor_step *s) = { CURSOR_RULES(RULE_FN) };

unsigned
cursor_rules_run(enum cursor_rule rule, struct cursor_step *s)
{
	return (does[rule](s));
}
