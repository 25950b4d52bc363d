#ifndef HL_FRAME_H
#define HL_FRAME_H

#include <stdint.h>

#include "common/base/buf.h"

/*
 * Log entries on their way: between opsd and leafd (log data) and in a message
 * of a node's stream (frame).  An entry's payload is an encoded transaction
 * (opsd/store/txn.h); its bytes pass unchanged through log, socket and stream.
 * These formats are on disk and on the wire: a change raises them (formats.h).
 */
#define NODE_ID_LEN 16

/*
 * A log's sequences are given again when its node is put back from an older copy, so
 * each entry also has a mark: 32 bits of the life (the start of opsd) that wrote it,
 * above 32 random ones.  A position is believed when sequence and mark are in the log.
 */
struct log_pos {
	uint64_t seq, mark; /* 0, 0: before all */
	uint64_t ms;        /* commit time */
};

struct log_entry {
	uint64_t seq; /* one counter for the node, from 1 */
	uint64_t mark;
	uint64_t prev; /* seq of the previous entry of this table, 0: none */
	uint64_t prev_mark;
	uint64_t ms;            /* commit time at the publisher */
	uint32_t table;         /* publisher's table id */
	const uint8_t *payload; /* borrowed */
	uint32_t len;
};

/*
 * Log data: u64 incarnation, u16 tables, {u32 id, str database, str table}...,
 * u32 entries, {u64 seq, u64 mark, u64 prev, u64 prev mark, u64 ms, u32 table,
 * blob payload}...
 */
void log_entry_write(struct buf *b, const struct log_entry *e);
int log_entry_read(struct rd *r, struct log_entry *e); /* -1: broken */

/* What an entry is to somebody who has its table's log up to seq. */
enum log_step {
	LOG_NEXT,
	LOG_SEEN, /* at or before it */
	LOG_GAP,  /* others are between them */
	LOG_OTHER /* this log does not have what is at seq: it is of another life */
};
enum log_step log_step(uint64_t seq, uint64_t mark, const struct log_entry *e);

/*
 * Frame: seal (seal.h), u8 flags, node, u64 incarnation, u32 table, u64 window,
 * u64 last, u64 mark, u32 entries, then entries as above.  All entries are of one
 * table and chain (each prev is the seq before it, with its mark).  The mark is the last
 * entry's: it says which life of the log wrote it.
 *
 * A packed one has, in place of its entries, u32 their length and one zstd frame that is them.
 */
#define FRAME_WINDOW_END 0x01 /* the last frame of its window */
#define FRAME_PACKED     0x02
#define FRAME_PLAIN_MAX  (64u << 20) /* bytes of a packed one's entries: no carrier brings more */

struct frame {
	uint8_t flags;
	uint8_t node[NODE_ID_LEN];
	uint64_t incarnation;
	uint32_t table;
	uint64_t window;     /* greatest seq of the window it travels in */
	uint64_t last, mark; /* greatest seq in this frame, and its mark */
	uint32_t count;
	uint32_t plain; /* bytes of its entries, when packed */
};

/* writes the head with count, last and mark 0; gives where it began */
size_t frame_begin(struct buf *b, const struct frame *f);
/* keeps count, last and mark right */
void frame_add(struct buf *b, size_t at, const struct log_entry *e);
void frame_end(struct buf *b, size_t at, size_t len, uint8_t flags); /* nothing is added after it */
/* The head; r, over all of it, is left at the entries.  -1: broken (seal_fault). */
int frame_read(struct rd *r, struct frame *f);
/*
 * The same, and that every entry can be read and chains, and nothing is left over.  Those of a packed
 * one are then in `room`, which the caller frees; NULL: a packed one is broken.
 */
int frame_open(struct rd *r, struct frame *f, struct buf *room);

/*
 * Behind `out`, the same frame packed, where that saves an eighth; 0: it does not, and nothing is
 * written.
 */
int frame_pack(struct buf *out, const void *frame, size_t n);
/* About how many bytes a frame is when it is open, as it says: nothing of it is checked. */
size_t frame_cost(const void *frame, size_t n);

#endif
