#ifndef HL_CURSORS_H
#define HL_CURSORS_H

#include <stdint.h>

#include "common/base/shard.h"
#include "opsd/cluster/cursor.h"
#include "opsd/store/group.h"

/*
 * Where this node stands in its peers' logs: one cursor (cursor.h) per (peer, peer's table id).
 * CF_CURSOR: node id + big-endian table id -> cursor; node id + 0 -> the hint where a
 * carrier goes on with the peer.  A cursor moves in the batch of the rows it covers, which alone
 * makes applying exactly-once.  Whatever does not chain to its cursor is dropped
 * and asked for again: from the peer's log or, if that does not reach, as rows.
 *
 * The commit thread adds, removes and moves cursors, and may look at them; other threads
 * get copies, and say what was heard and asked.  A cursor is moved with the lock held.
 */
struct cursors;
struct replication;

struct cursors *cursors_load(struct replication *rep, char **err);
void cursors_free(struct cursors *f);

/* ---- any thread ---- */

/* Copies; free with cursors_done.  peer NULL: of all. */
struct cursor_view **cursors_all(struct cursors *f, const uint8_t *peer, size_t *n);
/*
 * Those of a peer that moved after `since`, of which it therefore is to be told; *upto: the
 * moves that they are from.  *whole: they are all that there are, since one went meanwhile.
 * What is not live is always among them.
 */
struct cursor_view **cursors_moved(struct cursors *f, const uint8_t *peer, uint64_t since,
    uint64_t *upto, int *whole, size_t *n);
void cursors_done(struct cursor_view **list, size_t n);

/* Those of all peers in the table of that name, as they are on the disk; cursors_done. */
struct cursor_view **cursors_stored(struct cursors *f, const char *database, const char *name,
    size_t *n);

/*
 * What cursors ask their peer: rows, each for itself, or the log, as many together as lack about
 * the same of it.  `turn` goes into the events that answer it.
 */
struct cursors_question {
	uint8_t peer[NODE_ID_LEN];
	enum catchup_kind kind;
	uint64_t turn;
	uint32_t *tables; /* of the cursors */
	size_t n;
	struct buf text; /* catchup_questions_write */
};
/*
 * What a peer is to be asked now, at most so many questions, and of those for the log at most so many.
 * They count as asked.  Free with cursors_question_free.
 */
struct cursors_question **cursors_due(struct cursors *f, const uint8_t *peer, uint64_t now_us,
    size_t max, size_t logs, size_t *n);
void cursors_question_free(struct cursors_question *q);

/* The head of a table in the peer's log, with its rows, as it says. */
void cursors_heard(struct cursors *f, const uint8_t *peer, uint32_t table, uint64_t head,
    uint64_t head_ms, uint64_t rows);
/* Whether there is a cursor that lacks something, or did when it was looked at last. */
int cursors_behind(struct cursors *f, const uint8_t *peer, uint64_t incarnation);
/* Whether there is a cursor that waits for another one's copy, or leans on it. */
int cursors_waiting(struct cursors *f);
/* When the peer was heard last, its log had no entry of the table that is not here. */
int cursors_have_all(struct cursors *f, const uint8_t *peer, const char *database,
    const char *name);
/* The ids, one after the other, of the *n peers with a cursor of the table of that name; free it. */
uint8_t *cursors_peers(struct cursors *f, const char *database, const char *name, size_t *n);
/* So long without a step: a copy stands still. */
uint64_t cursors_stalled_us(const struct replication *rep);
/* How long that is ago (mono_us), of this start: what was before it, or 0, counts from it on. */
uint64_t cursors_passed_us(const struct replication *rep, uint64_t us);
/*
 * The ids, one after the other, of the *n peers from which own lost writes are fetched, got further
 * within `stalled_us`, and have been for less than `most_us`; free it.
 */
uint8_t *cursors_recovering(struct cursors *f, uint64_t stalled_us, uint64_t most_us, size_t *n);

/*
 * Where a carrier goes on with a peer: no more than a hint.  Too old a one brings what is
 * here already, too new a one leaves gaps, which cursors fetch.
 */
struct cursors_hint {
	unsigned streams; /* so many it had when something came from one; 0: nothing did */
	uint64_t stream_seq[SHARDS_MAX]; /* in each of them */
	uint64_t incarnation, window;    /* of its log: what had been given up to there came */
};
struct cursors_hint cursors_hint(struct cursors *f, const uint8_t *peer);

/* An id that a peer's table can have: not that of the hint, nor of what only recovers. */
static inline int
cursors_is_id(uint32_t table)
{
	return (table != 0 && !(table & CURSOR_OWN));
}

/* ---- the commit thread ---- */

/* NULL: none. */
struct cursor *cursors_find(struct cursors *f, const uint8_t *peer, uint32_t table);
/* Not one that only recovers. */
struct cursor *cursors_find_named(struct cursors *f, const uint8_t *peer, const char *db,
    size_t dblen, const char *name, size_t nlen);
/* Those of all peers in the table of that name; free the list. */
struct cursor **cursors_named(struct cursors *f, const char *database, const char *name, size_t *n);
/* A new one: an event begins it. */
struct cursor *cursors_add(struct group *g, const uint8_t *peer, uint32_t table,
    const char *database, const char *name);
void cursors_remove(struct group *g, struct cursor *cur);
/*
 * Something happened to a cursor.  What follows from it is done, but for CURSOR_APPLY and
 * CURSOR_MERGE, which the caller does; after CURSOR_REMOVE the cursor is gone.
 */
unsigned cursors_on(struct group *g, struct cursor *cur, const struct cursor_event *e);
void cursors_set_hint(struct group *g, const uint8_t *peer, const struct cursors_hint *hint);
/*
 * One of its several streams brought a window of its log whole, as far as that is in it.  What all have
 * brought, 0: not known.
 */
uint64_t cursors_came(struct cursors *f, const uint8_t *peer, struct shard s, uint64_t incarnation,
    uint64_t window);
/* Up to where the peer's log came since this was asked last; 0: no further than then. */
uint64_t cursors_coming(struct cursors *f, const uint8_t *peer, uint64_t incarnation);

struct cursor *cursors_first(struct cursors *f);
struct cursor *cursors_next(struct cursors *f, const struct cursor *cur);
struct cursor *cursors_first_of(struct cursors *f, const uint8_t *peer);
struct cursor *cursors_next_of(struct cursors *f, const struct cursor *cur);

#endif
