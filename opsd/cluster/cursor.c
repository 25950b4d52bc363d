#include "config.h"

#include "opsd/cluster/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define RETRY_US 1000000
#define STUCK    2 /* looks in a row without movement before the log is asked */

struct cursor {
	struct cursor_view v;
	uint64_t fetched;    /* fetch: of the log, seen up to here */
	struct log_pos seen; /* since: the head of that log, which is beyond it */
	uint64_t looked;     /* live: the position at the last look */
	int stuck;           /* looks in a row without movement, while behind */
	uint64_t asked;      /* the turn of the question that is out; 0: none is */
	uint64_t retry_us;   /* not asked before */
};

/* ---- the table ---- */

/* Columns: a state, and what of it makes a difference. */
enum cursor_column {
	AT_NEW,
	AT_LIVE,
	AT_FETCH,
	AT_SINCE, /* fetch from a start time: there is no position yet */
	AT_HEAD,  /* copy: its first chunk will bring the position */
	AT_COPY,  /* copy: the position is known, frames are applied */
	AT_CLOCK,
	AT_FAILED,
	AT_RECOVER,
	PHASES,
};

static const char *const phase_names[PHASES] = {
	"new",
	"live",
	"fetch",
	"since",
	"head",
	"copy",
	"clock",
	"failed",
	"recover",
};

/* clang-format off */

/* What a cell says: its word in common/README.md, and who does it. */
#define RULES(X) \
	X(NO, "", do_nothing) \
	X(DROP, "drop", do_nothing) \
	X(LIVE, "live", begin_live) \
	X(BEGIN, "since", begin_since) \
	X(ALL, "copy", begin_copy) \
	X(RECOV, "recover", begin_recovery) \
	X(COPY, "copy", copy_anew) \
	X(OWN, "copy", copy_own) \
	X(BESIDE, "beside", copy_beside) \
	X(SINCE, "copy", copy_since) \
	X(EITHER, "beside", copy_either) \
	X(FETCH, "fetch", go_fetch) \
	X(RETRY, "fetch", try_again) \
	X(FAIL, "failed", give_up) \
	X(CLOCK, "clock", wait_for_clock) \
	X(END, "end", end_cursor) \
	X(APPLY, "apply", apply_newer) \
	X(MOVE, "move", move_on) \
	X(SAVE, "save", save_moved) \
	X(CHAIN, "live", chained_again) \
	X(ASK, "wait", note_asked) \
	X(LATER, "later", ask_later) \
	X(PLACE, "apply", take_place) \
	X(DONE, "live", end_answer) \
	X(MERGE, "merge", merge_chunk) \
	X(TAKE, "fetch", take_chunk) \
	X(HOLD, "hold", hold_chunk) \
	X(HEAR, "note", note_head) \
	X(LOOK, "fetch", look_at)

#define RULE_ENUM(id, word, fn)	id,
enum rule { RULES(RULE_ENUM) RULE_COUNT };

/*
 * As common/README.md explains.  A cell without a rule is nothing: what the event says is known, or
 * comes again.
 */
static const uint8_t rules[CURSOR_EVENTS][PHASES] = {
/*                        new    live    fetch  since  head   copy   clock   failed  recover */
	[ON_SUBSCRIBED]   = { LIVE,  NO,     NO,    NO,    NO,    NO,    NO,     RETRY,  NO },
	[ON_SINCE]        = { BEGIN, BESIDE, BESIDE, SINCE, SINCE, BESIDE, BESIDE, EITHER, NO },
	[ON_ALL]          = { ALL,   COPY,   COPY,  COPY,  COPY,  COPY,  COPY,   COPY,   NO },
	[ON_OTHER_KEY]    = { FAIL,  FAIL,   FAIL,  FAIL,  FAIL,  FAIL,  FAIL,   FAIL,   END },
	[ON_OWN_LOST]     = { RECOV, OWN,    OWN,   OWN,   OWN,   OWN,   OWN,    OWN,    RECOV },
	[ON_FRAME]        = { NO,    APPLY,  APPLY, DROP,  DROP,  APPLY, APPLY,  DROP,   DROP },
	[ON_FRAME_OLDER]  = { NO,    FETCH,  DROP,  DROP,  DROP,  DROP,  DROP,   DROP,   DROP },
	[ON_FRAME_NEWER]  = { NO,    COPY,   COPY,  DROP,  DROP,  COPY,  COPY,   DROP,   DROP },
	[ON_NO_ROOM]      = { NO,    FETCH,  DROP,  DROP,  DROP,  DROP,  DROP,   DROP,   DROP },
	[ON_ENTRY]        = { NO,    MOVE,   MOVE,  NO,    NO,    MOVE,  MOVE,   MOVE,   NO },
	[ON_FRAME_END]    = { NO,    SAVE,   CHAIN, NO,    NO,    SAVE,  CHAIN,  NO,     NO },
	[ON_GAP]          = { NO,    FETCH,  SAVE,  NO,    NO,    SAVE,  SAVE,   NO,     NO },
	[ON_OTHER_LIFE]   = { NO,    FETCH,  SAVE,  NO,    NO,    SAVE,  SAVE,   NO,     NO },
	[ON_AHEAD]        = { NO,    CLOCK,  CLOCK, NO,    NO,    SAVE,  CLOCK,  CLOCK,  NO },
	[ON_UNFIT]        = { NO,    FAIL,   FAIL,  NO,    NO,    SAVE,  FAIL,   FAIL,   NO },
	[ON_ASKED]        = { NO,    NO,     ASK,   ASK,   ASK,   ASK,   ASK,    ASK,    ASK },
	[ON_NO_ANSWER]    = { NO,    NO,     LATER, LATER, LATER, LATER, LATER,  LATER,  LATER },
	[ON_UNSUBSCRIBED] = { NO,    NO,     LATER, LATER, LATER, LATER, LATER,  LATER,  LATER },
	[ON_NO_TABLE]     = { NO,    NO,     FAIL,  FAIL,  FAIL,  FAIL,  FAIL,   FAIL,   END },
	[ON_UNKNOWN]      = { NO,    NO,     LATER, LATER, LATER, LATER, LATER,  LATER,  LATER },
	[ON_TRIMMED]      = { NO,    NO,     COPY,  COPY,  LATER, LATER, COPY,   COPY,   LATER },
	[ON_LOG]          = { NO,    NO,     PLACE, PLACE, NO,    NO,    PLACE,  PLACE,  NO },
	[ON_LOG_OTHER]    = { NO,    NO,     COPY,  COPY,  NO,    NO,    COPY,   COPY,   NO },
	[ON_LOG_END]      = { NO,    NO,     DONE,  DONE,  NO,    NO,    DONE,   DONE,   NO },
	[ON_LOG_BROKEN]   = { NO,    NO,     COPY,  COPY,  NO,    NO,    COPY,   COPY,   NO },
	[ON_ROWS]         = { NO,    NO,     NO,    NO,    MERGE, MERGE, NO,     MERGE,  MERGE },
	[ON_ROWS_OTHER]   = { NO,    NO,     NO,    NO,    NO,    COPY,  NO,     COPY,   COPY },
	[ON_ROWS_UNFIT]   = { NO,    NO,     NO,    NO,    FAIL,  FAIL,  NO,     FAIL,   LATER },
	[ON_ROWS_AHEAD]   = { NO,    NO,     NO,    NO,    HOLD,  HOLD,  NO,     HOLD,   HOLD },
	[ON_MERGED]       = { NO,    NO,     NO,    NO,    TAKE,  TAKE,  NO,     TAKE,   TAKE },
	[ON_HEARD]        = { HEAR,  HEAR,   HEAR,  HEAR,  HEAR,  HEAR,  HEAR,   HEAR,   HEAR },
	[ON_LOOKED]       = { NO,    LOOK,   NO,    NO,    NO,    NO,    NO,     NO,     NO },
	[ON_LOOKED_NEWER] = { NO,    COPY,   COPY,  COPY,  NO,    NO,    NO,     NO,     NO },
};

/* clang-format on */

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
	[ON_ROWS_UNFIT] = "a copied row cannot be read",
	[ON_LOOKED] = "the stream does not bring what the log has",
};

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
	case CURSOR_NEW:
		break;
	}
	return (AT_NEW);
}

static int
is_key_after(const struct cursor_view *v, const struct cursor_event *e)
{
	size_t n = v->next_len < e->next_len ? v->next_len : e->next_len;
	int cmp = n > 0 ? memcmp(e->next_key, v->next_key, n) : 0;

	return (cmp > 0 || (cmp == 0 && e->next_len > v->next_len));
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

struct cursor_step {
	struct cursor *cur;
	struct cursor_view *v;
	const struct cursor_event *e;
	const struct cursor_now *now;
};

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
	return (enter_state(s, s->v->state == CURSOR_RECOVER ? CURSOR_RECOVER : CURSOR_COPY, why));
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
	return (enter_state(s, CURSOR_LIVE, NULL));
}

static unsigned
begin_copy(struct cursor_step *s)
{
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

/* A start time holds until there is a position: what came after that may be older. */
static unsigned
copy_anew(struct cursor_step *s)
{
	if (has_position(s->v))
		s->v->from_ms = 0;
	s->v->beside = 0;
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

/*
 * From a start time on, the position is what the first entry since then follows, or the head when
 * there is none.
 */
static unsigned
take_place(struct cursor_step *s)
{
	s->v->incarnation = s->e->incarnation;
	if (s->v->from_ms != 0 && (s->e->count > 0 || s->e->done)) {
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
	if (s->e->upto <= s->cur->fetched)
		s->cur->retry_us = s->now->mono_us + RETRY_US; /* no way is asked twice in a row */
	else
		s->cur->fetched = s->e->upto;
	return (CURSOR_SAVE);
}

static unsigned
merge_chunk(struct cursor_step *s)
{
	(void)s;
	return (CURSOR_MERGE);
}

/* All rows are in, up to the head of the first chunk; what came since is fetched. */
static unsigned
end_copy(struct cursor_step *s)
{
	unsigned actions = CURSOR_COPIED | end_recovery(s);

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
		if (s->e->incarnation != v->incarnation || s->e->at.seq >= v->seq)
			set_position(s, &s->e->at);
		v->incarnation = s->e->incarnation;
	}
	if (v->ahead)
		enter_state(s, v->state, NULL);
	if (v->state == CURSOR_FAILED)
		enter_state(s, CURSOR_COPY, NULL);
	v->copied += s->e->count;
	v->chunks++;
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

static unsigned
note_head(struct cursor_step *s)
{
	s->v->head = s->e->at.seq;
	s->v->head_ms = s->e->at.ms;
	s->v->peer_rows = s->e->rows;
	return (0);
}

static unsigned
look_at(struct cursor_step *s)
{
	int moved = s->v->seq != s->cur->looked;

	s->cur->looked = s->v->seq;
	s->cur->stuck = moved || s->v->head <= s->v->seq ? 0 : s->cur->stuck + 1;
	return (s->cur->stuck >= STUCK ? go_fetch(s) : 0);
}

#define RULE_ROW(id, word, fn) [id] = { word, fn },
static const struct {
	const char *word;
	unsigned (*fn)(struct cursor_step *s);
} does[RULE_COUNT] = { RULES(RULE_ROW) };

unsigned
cursor_on(struct cursor *cur, const struct cursor_event *posted, const struct cursor_now *now)
{
	struct cursor_event e = *posted;
	struct cursor_step s = { cur, &cur->v, &e, now };

	e.kind = line_of(&cur->v, posted);
	if (e.turn != 0 && e.kind != ON_ASKED) {
		if (e.turn != cur->asked)
			return (0);
		cur->asked = 0;
		cur->retry_us = 0;
	}
	return (does[rules[e.kind][cursor_phase(cur)]].fn(&s));
}

/* ---- what is asked ---- */

int
cursor_due(const struct cursor *cur, uint64_t now_us)
{
	return (cur->v.state != CURSOR_LIVE && cur->v.state != CURSOR_NEW && cur->asked == 0 &&
	    now_us >= cur->retry_us);
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

/* ---- the table in words ---- */

static const char *const event_names[CURSOR_EVENTS] = {
	[ON_SUBSCRIBED] = "subscribed",
	[ON_SINCE] = "subscribed since",
	[ON_ALL] = "made anew",
	[ON_OTHER_KEY] = "other key",
	[ON_OWN_LOST] = "own writes lost",
	[ON_FRAME] = "frame",
	[ON_FRAME_OLDER] = "older frame",
	[ON_FRAME_NEWER] = "newer frame",
	[ON_NO_ROOM] = "disk full",
	[ON_ENTRY] = "entry applied",
	[ON_FRAME_END] = "frame applied",
	[ON_GAP] = "gap",
	[ON_OTHER_LIFE] = "other life",
	[ON_AHEAD] = "entry ahead",
	[ON_UNFIT] = "entry unfit",
	[ON_ASKED] = "asked",
	[ON_NO_ANSWER] = "no answer",
	[ON_REFUSED] = "refused",
	[ON_UNSUBSCRIBED] = "403",
	[ON_NO_TABLE] = "404",
	[ON_UNKNOWN] = "409",
	[ON_TRIMMED] = "410",
	[ON_LOG] = "log",
	[ON_LOG_OTHER] = "other log",
	[ON_LOG_END] = "log applied",
	[ON_LOG_BROKEN] = "log broken",
	[ON_ROWS] = "rows",
	[ON_ROWS_OTHER] = "other rows",
	[ON_ROWS_UNFIT] = "rows unfit",
	[ON_ROWS_AHEAD] = "rows ahead",
	[ON_MERGED] = "rows merged",
	[ON_HEARD] = "heard",
	[ON_LOOKED] = "looked",
	[ON_LOOKED_NEWER] = "looked, newer",
};

const char *
cursor_phase_name(size_t phase)
{
	return (phase < PHASES ? phase_names[phase] : NULL);
}

const char *
cursor_event_name(enum cursor_event_kind kind)
{
	return (event_names[kind]);
}

const char *
cursor_rule_name(size_t phase, enum cursor_event_kind kind)
{
	return (does[rules[kind][phase]].word);
}
