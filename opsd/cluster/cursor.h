#ifndef HL_CURSOR_H
#define HL_CURSOR_H

#include "common/base/frame.h"
#include "opsd/cluster/catchup.h"
#include "opsd/cluster/cursor_view.h"

/*
 * A cursor: where this node stands in the log of one table of one peer, and how it goes on
 * from there.  A machine without I/O, lock or clock: events go in, actions come out, and
 * nothing else writes a field of it.  Its table of states and events stands in
 * cursor_table.c, and in common/README.md for people; what the rules in it do, in
 * cursor_rules.c.  cursors.h has the set of them, its lock and its place on disk.
 */
struct cursor;
struct cursor *cursor_new(const struct cursor_view *v); /* of a copy of that */
void cursor_free(struct cursor *cur);
const struct cursor_view *cursor_view(const struct cursor *cur); /* borrowed */

/*
 * What happens to a cursor.  An event that answers a question bears its turn: the answer
 * to a question that is not out any more does nothing.
 */
enum cursor_event_kind {
	/* of subscriptions */
	ON_SUBSCRIBED, /* incarnation, at (the head): from now on; done: which is all there is */
	ON_SINCE,      /* incarnation, from_ms; copied: the log does not have all of it */
	ON_ALL,        /* incarnation: made anew, all of it is new */
	ON_OTHER_KEY,  /* key, own_key (of the table there and here), perhaps turn */
	ON_OWN_LOST,   /* this node lost writes of its own: it was put back */
	/* of frames */
	ON_FRAME,       /* incarnation, at (its last entry) */
	ON_FRAME_OLDER, /* ON_FRAME tells these two apart itself */
	ON_FRAME_NEWER,
	ON_NO_ROOM, /* the disk is full */
	/* of entries, in a frame or an answer */
	ON_ENTRY,      /* at: one that chains is applied */
	ON_FRAME_END,  /* count: all chained, so many were applied */
	ON_GAP,        /* count; entries are missing before the next one */
	ON_OTHER_LIFE, /* count; the next one follows what another life wrote */
	ON_AHEAD,      /* count; the next one is from a clock ahead */
	ON_UNFIT,      /* count, why; the next one cannot be applied */
	/* of questions */
	ON_ASKED,        /* turn */
	ON_NO_ANSWER,    /* turn; or one that is not understood, or not now */
	ON_REFUSED,      /* turn, status (catchup.h); these it tells apart itself: */
	ON_UNSUBSCRIBED, /* 403 */
	ON_NO_TABLE,     /* 404 */
	ON_UNKNOWN,      /* 409: the peer does not have the position in its log */
	ON_TRIMMED,      /* 410: its log does not reach */
	/* of answers with entries */
	ON_LOG,        /* turn, incarnation, at (head), count, before, done, upto, stalled */
	ON_LOG_OTHER,  /* the same of another incarnation; told apart itself */
	ON_LOG_END,    /* as ON_LOG: its entries are applied */
	ON_LOG_BROKEN, /* they do not chain */
	/* of answers with rows */
	ON_ROWS,       /* turn, incarnation, at (head, read before the rows), done, next_key */
	ON_ROWS_OTHER, /* as ON_LOG_OTHER */
	ON_ROWS_UNFIT, /* they cannot be read, or do not go on after the key asked for */
	ON_ROWS_AHEAD, /* some are from a clock ahead: none counts */
	ON_MERGED,     /* as ON_ROWS, count: they are merged */
	/* of copies of the table from other peers (firstcopy.h) */
	ON_OTHER_COPIES, /* one is under way */
	ON_PLACED,     /* incarnation, at, from_ms: came with one; leans_on (NULL: it has ended) */
	ON_TURN,       /* none is under way any more */
	ON_LEANT,      /* the one it leans on has ended */
	ON_LEANT_LOST, /* it did not, or begins anew */
	ON_RECALLED,   /* what had been removed here alone counts again: it did not come */
	/* of status */
	ON_HEARD,        /* at (head), rows: what the peer says */
	ON_LOOKED,       /* incarnation, coming: after each status */
	ON_LOOKED_NEWER, /* told apart itself */
	CURSOR_EVENTS,
};

struct cursor_event {
	enum cursor_event_kind kind;
	uint64_t turn; /* of the question; 0: none */
	uint64_t incarnation;
	struct log_pos at, before; /* before: what the first entry follows */
	uint32_t count;            /* of entries or rows */
	int done;
	uint64_t upto; /* the log was seen up to here */
	int stalled;   /* no further than where it was begun */
	uint64_t
	    coming; /* carriers have brought the log up to here since the last look; 0: no more of it */
	uint64_t from_ms;
	int copied;
	const uint8_t *next_key; /* these are borrowed */
	size_t next_len;
	uint16_t status;
	uint64_t rows;
	const char *why;
	const char *key, *own_key;
	size_t key_len;
	const uint8_t *leans_on;
};

struct cursor_now {
	uint64_t wall_ms, mono_us;
};

/* What is to be done, any number of these.  None: nothing, of a frame that it is dropped. */
enum cursor_action {
	CURSOR_APPLY = 1,       /* what chains of its entries; an event for each, and at the end */
	CURSOR_MERGE = 2,       /* its rows, from from_ms on; then ON_MERGED, or why not */
	CURSOR_SAVE = 4,        /* in the same batch */
	CURSOR_REMOVE = 8,      /* it ends */
	CURSOR_KICK = 16,       /* there is something to ask for */
	CURSOR_TELL = 32,       /* the log of the node is to say the new state */
	CURSOR_COPIED = 64,     /* a copy is whole */
	CURSOR_RECOVERED = 128, /* own lost writes are back from this peer */
	CURSOR_BEGUN = 256      /* a copy begins that positions of others may come with */
};
unsigned cursor_on(struct cursor *cur, const struct cursor_event *e, const struct cursor_now *now);

/* Whether there is something to ask for now. */
int cursor_due(const struct cursor *cur, uint64_t now_us);
/* What: all but who asks, and how much may come.  Borrows from the cursor. */
void cursor_question(const struct cursor *cur, struct catchup_question *q);
/* When a copy got further last, cursor_now's mono_us; 0: not since it was loaded. */
uint64_t cursor_copied_us(const struct cursor *cur);
/* Whether it lacks something that the peer has said it has, or did at the last look. */
int cursor_is_behind(const struct cursor *cur, uint64_t incarnation);

/* The table, for tests: the names of its columns and lines, and of what is in a cell. */
const char *cursor_phase_name(size_t phase); /* NULL: no more */
const char *cursor_event_name(enum cursor_event_kind kind);
const char *cursor_rule_name(size_t phase, enum cursor_event_kind kind);
size_t cursor_phase(const struct cursor *cur);

#endif
