#ifndef HL_CURSORS_H
#define HL_CURSORS_H

#include <stdint.h>

#include "opsd/store/group.h"

/*
 * Where this node stands in its peers' logs: one cursor per (peer, peer's table id).
 * CF_CURSOR: node id + big-endian table id -> cursor; node id + 0 -> the peer's
 * stream hint.  A cursor moves in the batch of the rows it covers, which alone
 * makes applying exactly-once.  Whatever does not chain to its cursor is dropped
 * and asked for again: from the peer's log (FETCH) or, if that does not reach,
 * as rows (COPY).
 */
enum cursor_state {
	CURSOR_LIVE = 0,		/* frames chain */
	CURSOR_FETCH = 1,		/* a gap: entries after the cursor are asked for */
	CURSOR_COPY = 2,		/* bring-up: rows are asked for; frames are applied meanwhile */
	CURSOR_CLOCK = 3,		/* a stamp too far ahead: held, tried again */
	CURSOR_FAILED = 4,	/* cannot be applied; why says */
	CURSOR_RECOVER = 5	/* our own lost writes are asked for; no live cursor */
};

struct replication;
struct cursor {
	uint8_t		 peer[NODE_ID_LEN];
	uint32_t	 table;			/* the peer's id */
	char		*database, *name;
	enum cursor_state	 state;
	uint64_t	 incarnation, seq, mark, ms;	/* the cursor: last entry applied */
	uint64_t	 from_ms;		/* start_time: the fetch or copy begins there */
	uint8_t		*next_key;		/* copy: after this key */
	size_t		 next_len;
	int		 chunks;		/* copy: chunks taken (0: the head is not read yet) */
	int		 recovering;		/* copy that must end before others copy from us */
	uint64_t	 copied;		/* copy: rows that came so far */
	uint64_t	 since_ms;		/* in this state; 0: not known */
	char		*why;
	/* not stored */
	uint64_t	 fetched;		/* fetch: seen up to here */
	uint64_t	 dropped;
	uint64_t	 peer_rows;		/* about as many as the peer has; 0: not known */
	uint64_t	 retry_us;
	uint64_t	 head, head_ms;		/* what the peer said last */
	uint64_t	 applied_ms;		/* commit time there of what was applied last */
	int		 stuck;			/* statuses in a row without movement */
	int		 ahead;			/* copy: held by rows from a clock ahead */
	int		 pulling;
	uint64_t	 moved;			/* when it was saved last, in moves of the cursors */
};

struct cursors;

struct cursors *cursors_load(struct replication *rep, char **err);
void cursors_free(struct cursors *f);
const char *cursor_state_name(enum cursor_state s);

/* Rows that a copy will have brought, about, and no fewer than it has; 0: not known. */
uint64_t cursor_rows_total(const struct cursor *cur);

/* Copies for other threads; free with cursor_free each and the array. peer NULL: all. */
struct cursor **cursors_all(struct cursors *f, const uint8_t *peer, size_t *n);
void cursor_free(struct cursor *f);
/*
 * Those of a peer that moved after `since`, of which it therefore is to be told; *upto: the
 * moves that they are from.  *whole: they are all that there are, since one went meanwhile.
 * What is not live is always among them.
 */
struct cursor **cursors_moved(struct cursors *f, const uint8_t *peer, uint64_t since, uint64_t *upto,
    int *whole, size_t *n);
/* Of a peer, at most so many that are to be asked for now. */
struct cursor **cursors_due(struct cursors *f, const uint8_t *peer, uint64_t now_us, size_t max, size_t *n);
/* The head of a table in the peer's log, with its rows, as it says. */
void cursors_heard(struct cursors *f, const uint8_t *peer, uint32_t table, uint64_t head,
    uint64_t head_ms, uint64_t rows);
/* Whether there is a cursor that lacks something, or did when it was looked at last. */
int cursors_behind(struct cursors *f, const uint8_t *peer, uint64_t incarnation);
uint64_t cursors_stream_seq(struct cursors *f, const uint8_t *peer);

/* On the commit thread.  NULL: none. */
struct cursor *cursors_find(struct cursors *f, const uint8_t *peer, uint32_t table);
struct cursor *cursors_find_named(struct cursors *f, const uint8_t *peer, const char *db, size_t dblen,
    const char *name, size_t nlen);
struct cursor *cursors_add(struct group *g, const uint8_t *peer, uint32_t table, const char *database,
    const char *name);
void cursors_remove(struct group *g, struct cursor *cur);
void cursors_set_stream_seq(struct group *g, const uint8_t *peer, uint64_t seq);
void cursor_save(struct group *g, struct cursor *cur);
/* Change the state (why may be NULL); saved, the driver is told. */
void cursor_set(struct group *g, struct cursor *cur, enum cursor_state state, const char *why);
/* A copy goes on after this key; n 0: from the beginning.  Not saved. */
void cursor_set_key(struct group *g, struct cursor *cur, const uint8_t *key, size_t n);
void cursor_copy_anew(struct group *g, struct cursor *cur, int recovering);
/*
 * Whether the peer's table has another primary key than ours: then nothing of it can come
 * in, and the cursor has failed.
 */
int cursor_other_key(struct group *g, struct cursor *cur, const struct table *t, const char *key, size_t n);

/* Readers that must look at live cursors (not copies) hold this. */
void cursors_lock(struct cursors *f);
void cursors_unlock(struct cursors *f);
struct cursor *cursors_first(struct cursors *f);
struct cursor *cursors_next(struct cursor *cur);
struct cursor *cursors_first_of(struct cursors *f, const uint8_t *peer);
struct cursor *cursors_next_of(struct cursor *cur);

#endif
