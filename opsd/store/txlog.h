#ifndef HL_TXLOG_H
#define HL_TXLOG_H

#include <stdint.h>

#include "frame.h"
#include "store.h"

/*
 * The transaction log: what peers must get, as the exact bytes that travel.
 * CF_LOG: big-endian seq -> entry (frame.h).  Positions are kept in CF_META
 * "W", rewritten in every batch.  The commit thread changes, others read.
 */
struct txlog {
	struct store		*store;
	uint8_t			 node[NODE_ID_LEN];
	_Atomic uint64_t	 incarnation;
	_Atomic uint64_t	 last;		/* greatest seq given */
	_Atomic uint64_t	 durable;	/* greatest seq that may leave */
	_Atomic uint64_t	 acked;		/* up to here in the stream, or nobody's, of acked_inc */
	_Atomic uint64_t	 streamed;	/* the last of those that is in the stream */
	_Atomic uint64_t	 acked_inc;
	_Atomic uint64_t	 trimmed;	/* entries up to here are gone */
	_Atomic uint64_t	 unlogged_ms;	/* when a transaction was last left out, 0: never */
	uint64_t		 clock;		/* high-water mark as loaded */
};

/* Loads or begins (a new node id and incarnation). -1 with *err. */
int txlog_open(struct txlog *l, struct store *s, char **err);
/* Positions and the clock into the batch. */
void txlog_save(struct txlog *l, struct store_batch *b, uint64_t clock);
/*
 * Log data (frame.h) of entries after `after` that are wanted, up to max bytes (one at least);
 * of the others `scan` bytes are passed over.  How many entries; -1: the store is broken.
 */
struct log_read {
	uint64_t	 after;
	uint32_t	 max;
	size_t		 scan;
	int		(*wants)(const struct log_entry *e, void *arg);
	void		*arg;
	uint64_t	 upto, last;	/* out: all was seen up to here; the last that is given, 0: none */
	int		 cut;		/* out: ended by `scan` */
};
int txlog_read(struct txlog *l, struct log_read *q, struct buf *out);
/*
 * Entries of one table after `after`, appended as entries to out, at most `max` bytes
 * and `scan` bytes looked at.  *upto: the seq up to which all was seen.  from_ms: with
 * after 0, begin at the first committed then or later.  Count, or -1.
 */
int txlog_read_table(struct txlog *l, uint32_t table, uint64_t after, uint64_t from_ms,
    uint32_t max, size_t scan, struct buf *out, uint64_t *upto);
/* Commit time of the first entry kept from `seq` on, 0: none. */
uint64_t txlog_ms(struct txlog *l, uint64_t seq);
/* About how much the entries from `seq` on take on disk. */
uint64_t txlog_bytes(struct txlog *l, uint64_t seq);

#endif
