#ifndef HL_TXLOG_H
#define HL_TXLOG_H

#include <pthread.h>
#include <stdint.h>

#include "common/base/frame.h"
#include "common/base/shard.h"
#include "opsd/store/store.h"
#include "opsd/store/table.h"

/*
 * The transaction log: what peers must get, as the exact bytes that travel.
 * CF_LOG: big-endian seq -> entry (frame.h).  Positions are kept in CF_META
 * "W", rewritten in every batch; CF_META "L" + the first seq that a start of opsd
 * wrote -> its life (frame.h).  The commit thread changes, others read.
 */
#define INCARNATION_MAX \
	(UINT64_C(1) << 62) /* milliseconds when it began, or above the one before */
#define INCARNATION_SEEN_MAX \
	(INCARNATION_MAX / 2) /* that somebody may say of our log: others must fit above it */

struct life {
	uint64_t first;
	uint32_t id;
};

struct txlog {
	struct store *store;
	struct logtail *tail; /* what of it is in memory */
	uint8_t node[NODE_ID_LEN];
	_Atomic uint64_t incarnation;
	_Atomic uint64_t begun;    /* since this one nothing of the log was lost */
	_Atomic uint64_t begun_at; /* of streams of older ones it had this, or nobody gets it */
	_Atomic uint64_t last;     /* greatest seq given */
	_Atomic uint64_t durable;  /* greatest seq that may leave */
	_Atomic uint64_t acked;    /* up to here in the stream, or nobody's, of acked_inc */
	_Atomic unsigned streams;  /* so many streams it goes into */
	_Atomic uint64_t streamed[SHARDS_MAX]; /* the last of those that is in each */
	_Atomic uint64_t acked_inc;
	_Atomic uint64_t trimmed;     /* entries up to here are gone */
	_Atomic uint64_t unlogged_ms; /* when a transaction was last left out, 0: never */
	uint64_t clock;               /* high-water mark as loaded */
	uint32_t life;                /* of this start */
	pthread_rwlock_t lives_lock;
	struct life *lives; /* by first */
	size_t nlives;
	int alive;   /* this start's is among them */
	int renewed; /* the next start has another node id */
};

/* Loads or begins (a new node id and incarnation). -1 with *err. */
int txlog_open(struct txlog *l, struct store *s, char **err);
void txlog_close(struct txlog *l);
/*
 * Some of the log was lost, somebody has it of the incarnation `seen`: a greater one begins.
 * Commit thread.
 */
void txlog_begin(struct txlog *l, uint64_t seen, uint64_t now_ms);
/*
 * The next start has this node id; nobody knows its log, which begins with that start: what is in it
 * is of the id of before.  Commit thread.
 */
void txlog_renew(struct txlog *l, struct store_batch *b, const uint8_t *id, uint64_t now_ms);
/* The next entry's seq is in e->seq: its mark.  Commit thread. */
void txlog_mark(struct txlog *l, struct store_batch *b, struct log_entry *e);
/*
 * Whether what somebody has of this log is in it: the last entry that it has of the table t
 * (NULL: not known which).  Not: the log was put back from an older copy, or went through so
 * many lives since then that it cannot be told.
 */
int txlog_has(struct txlog *l, const struct table *t, uint64_t incarnation, uint64_t seq,
    uint64_t mark);
/* Entries are about to be removed from the middle of it: none is given from memory.  Commit thread. */
void txlog_forget(struct txlog *l);
/* Positions and the clock into the batch. */
void txlog_save(struct txlog *l, struct store_batch *b, uint64_t clock);
/*
 * Log data (frame.h) of entries after `after` that are wanted, up to max bytes (one at least);
 * of the others `scan` bytes are passed over.  How many entries; -1: the store is broken.
 */
struct log_read {
	uint64_t after;
	uint32_t max;
	size_t scan;
	int (*wants)(const struct log_entry *e, void *arg);
	void *arg;
	uint64_t upto, last; /* out: all was seen up to here; the last that is given, 0: none */
	int cut;             /* out: ended by `scan` */
};
int txlog_read(struct txlog *l, struct log_read *q, struct buf *out);
/*
 * The same as entries alone, appended to out, of any number of tables.  At most about `scan` bytes are
 * looked at, wanted or not; when it is not cut, it is up to the log's end.
 */
int txlog_read_entries(struct txlog *l, struct log_read *q, struct buf *out);
/* Commit time of the first entry kept from `seq` on, 0: none. */
uint64_t txlog_ms(struct txlog *l, uint64_t seq);
/* About how much the entries from `seq` on take on disk. */
uint64_t txlog_bytes(struct txlog *l, uint64_t seq);

#endif
