#ifndef HL_CATCHUP_H
#define HL_CATCHUP_H

#include "common/base/frame.h"
#include "opsd/cluster/replication.h"

/*
 * What one node asks another for, binary, over leafd.
 *
 * Question: seal (common/base/seal.h), u8 kind, u8 recovering, node asker, u32 table id at the
 *   answerer (0: by name), str database, str table, u64 incarnation, u64 seq, u64 mark (what the asker
 *   has), u64 after (log seq), u64 from ms, blob after key, blob up to key (empty: to the
 *   end), u32 max bytes
 * Answer: seal, u16 status, u64 incarnation, u32 table id, then for 200
 *   str primary key, the head: u64 seq, u64 mark, u64 ms, then for
 *   CATCHUP_LOG:  u64 upto, u8 done, u32 entries, entries (frame.h)
 *   CATCHUP_ROWS: u8 done, blob next key, blob positions (with no after key: given.h), u32 rows, {u16-counted key, blob row}...
 *   CATCHUP_SUMS: u8 done, json definition (with no after key), u32 ranges, {u16-counted last
 *              key (empty: to the end), u32 visible rows, sum}... (sums.h)
 * Who gets nothing of the table, but gives it, may recover its own rows: it gets those alone.
 * Statuses: 200; 403 no subscription; 404 no such table; 409 what the asker has is not
 * in the log, which begins anew; 410 the log does not reach; 400 not understood; 500;
 * 503 not now, or damaged.
 */
enum catchup_kind { CATCHUP_LOG = 1, CATCHUP_ROWS = 2, CATCHUP_SUMS = 3 };

struct catchup_question {
	enum catchup_kind kind;
	int recovering; /* the asker's own lost writes: who recovers as well does not let it wait */
	uint8_t asker[NODE_ID_LEN];
	uint32_t table;
	const char *database, *name; /* borrowed when read */
	size_t dblen, nlen;
	uint64_t incarnation, seq, mark;
	uint64_t after, from_ms;
	const uint8_t *key, *last;
	size_t klen, llen;
	uint32_t max;
};

void catchup_question_write(struct buf *b, const struct catchup_question *q);
int catchup_question_read(struct catchup_question *q, const void *p, size_t n); /* -1: broken */

struct catchup_answer {
	uint16_t status;
	uint64_t incarnation;
	uint32_t table;
	const char *primary; /* the name of the table's primary key */
	size_t primary_len;
	struct log_pos head;
	uint64_t upto;
	int done;
	const uint8_t *next_key, *definition, *positions;
	size_t next_len, definition_len, positions_len;
	uint32_t count;
	struct rd items; /* count entries, rows or ranges */
};
int catchup_answer_read(struct catchup_answer *a, enum catchup_kind kind, const void *p, size_t n);

/*
 * Answer a peer's question (any thread; reads only).  `who`: who asks, when the carrier
 * vouches for it; the question must say the same, or is answered 403.
 */
void catchup_serve(struct replication *rep, const uint8_t *who, const void *p, size_t n,
    struct buf *out);
/* Answer one that is not served: 503, not now. */
void catchup_refuse(struct replication *rep, struct buf *out);

#endif
