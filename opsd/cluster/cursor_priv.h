#ifndef HL_CURSOR_PRIV_H
#define HL_CURSOR_PRIV_H

#include "opsd/cluster/cursor.h"

/*
 * What the files of the machine share: cursor.c (which event it is; what is asked), cursor_table.c
 * (which rule it has in which state) and cursor_rules.c (what the rules do).
 */

struct cursor {
	struct cursor_view v;
	uint64_t fetched;         /* fetch: of the log, seen up to here */
	struct log_pos seen;      /* since: the head of that log, which is beyond it */
	uint64_t looked;          /* live: the position at the last look */
	int stuck;                /* looks in a row without movement, while behind */
	uint64_t asked;           /* the turn of the question that is out; 0: none is; or */
#define CURSOR_MERGING UINT64_MAX /* ... what came is being merged, and nothing is asked */
	uint64_t retry_us;        /* not asked before */
	uint64_t copied_us;       /* a copy got further then; 0: not since it was loaded */
};

/* An event, and the cursor that it happens to. */
struct cursor_step {
	struct cursor *cur;
	struct cursor_view *v; /* of that */
	const struct cursor_event *e;
	const struct cursor_now *now;
};

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
	AT_QUEUED,
	CURSOR_COLUMNS,
};

/* clang-format off */

/* What a cell says: its word in common/README.md, and who does it. */
#define CURSOR_RULES(X) \
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
	X(QUEUE, "queued", wait_turn) \
	X(TURN, "copy", take_turn) \
	X(GIVEN, "fetch", take_given) \
	X(WHOLE, "whole", end_leaning) \
	X(LEANT, "copy", lose_leant) \
	X(PART, "part", lose_part) \
	X(HEAR, "note", note_head) \
	X(LOOK, "fetch", look_at)

/* clang-format on */

#define CURSOR_RULE_ID(id, word, fn) id,
enum cursor_rule { CURSOR_RULES(CURSOR_RULE_ID) CURSOR_RULE_COUNT };

/* What stands in a cell. */
enum cursor_rule cursor_table_rule(enum cursor_event_kind kind, enum cursor_column at);
/* Does it; what is to be done then (enum cursor_action). */
unsigned cursor_rules_run(enum cursor_rule rule, struct cursor_step *s);

#endif
