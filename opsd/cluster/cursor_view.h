#ifndef HL_CURSOR_VIEW_H
#define HL_CURSOR_VIEW_H

#include "common/base/buf.h"
#include "common/base/frame.h"

enum cursor_state {
	CURSOR_LIVE = 0,    /* frames chain */
	CURSOR_FETCH = 1,   /* a gap: entries after the position are asked for */
	CURSOR_COPY = 2,    /* rows are asked for; frames are applied meanwhile */
	CURSOR_CLOCK = 3,   /* a stamp too far ahead: held, tried again */
	CURSOR_FAILED = 4,  /* cannot be applied; why says; tried again */
	CURSOR_RECOVER = 5, /* own lost writes are asked for, then it ends */
	CURSOR_QUEUED = 6,  /* a copy that waits for that of another peer (firstcopy.h) */
	CURSOR_NEW = 7      /* not begun; never on disk */
};
const char *cursor_view_state(enum cursor_state s);

/* Cursors that recover only have ids of their own: ours of the table, and this. */
#define CURSOR_OWN UINT32_C(0x80000000)

/* What is to be seen of a cursor. */
struct cursor_view {
	uint8_t peer[NODE_ID_LEN];
	uint32_t table; /* the peer's id */
	char *database, *name;
	enum cursor_state state;
	uint64_t incarnation, seq, mark, ms; /* the position: last entry applied */
	uint64_t came_ms;  /* when that came; 0: it did not, the position was told */
	uint64_t from_ms;  /* start time: the fetch or copy begins there */
	int copying;       /* rows are asked for, not entries, also after a failure */
	int beside;        /* the copy leaves the position alone */
	int chunks;        /* copy: chunks taken (0: the head is not read yet) */
	uint8_t *next_key; /* copy: after this key */
	size_t next_len;
	uint64_t copied;   /* copy: rows that came so far */
	int recovering;    /* a copy that must end before others copy from us */
	uint64_t since_ms; /* in this state; 0: not known */
	char *why;         /* or NULL */
	/*
	 * All that the peer's table had since whole_ms (0: ever), up to the position, is here; when it
	 * leans, only once the copy of the peer `leans_on`, with which the position came, has ended.
	 */
	int whole, leans;
	uint64_t whole_ms;
	uint8_t leans_on[NODE_ID_LEN];
	/* not on disk */
	int ahead;              /* copy: held by rows from a clock ahead */
	uint64_t head, head_ms; /* what the peer said last */
	uint64_t peer_rows;     /* about as many as the peer has; 0: not known */
};

/* The copy has texts of its own. */
void cursor_view_copy(struct cursor_view *to, const struct cursor_view *v);
void cursor_view_clear(struct cursor_view *v);
void cursor_view_free(struct cursor_view *v);
/* Whether all up to the position is here, and not still on its way by a copy. */
int cursor_view_settled(const struct cursor_view *v);
/* Rows that a copy will have brought, about, and no fewer than it has; 0: not known. */
uint64_t cursor_view_total(const struct cursor_view *v);

/* What of it is on disk.  -1: it cannot be read. */
#define CURSOR_FORMAT 6
void cursor_view_write(const struct cursor_view *v, struct buf *b);
int cursor_view_read(struct cursor_view *v, struct rd *r);

#endif
