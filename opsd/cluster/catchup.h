#ifndef HL_CATCHUP_H
#define HL_CATCHUP_H

#include "common/base/frame.h"
#include "opsd/cluster/replication.h"

/*
 * What one node asks another for, binary, over leafd.
 *
 * Question: seal (common/base/seal.h), u8 kind, u8 recovering, node asker, u32 max bytes, u32 tables,
 *   {u32 table id at the answerer (0: by name), str database, str table, u64 incarnation, u64 seq, u64
 *   mark (what the asker has), u64 after (log seq), u64 from ms}..., then, but for CATCHUP_LOG, of the
 *   one table: blob after key, blob up to key (empty: to the end)
 * Answer: seal, u16 status, u64 incarnation, u32 table id, then for 200
 *   CATCHUP_LOG:  u64 from, u64 upto (so much of the log was looked at, for all tables at once), u32 tables,
 *              {u16 status, u32 table id, for 200: str primary key, head, u8 done}..., in the order of
 *              the question, u32 entries, entries (frame.h) of all of them in the order of the log
 *   CATCHUP_ROWS: str primary key, head, u8 done, blob next key, blob positions (with no after key: given.h), u32
 *              rows, {u16-counted key, blob row}...
 *   CATCHUP_SUMS: str primary key, head, u8 done, json definition (with no after key), u32 ranges, {u16-counted
 *              last key (empty: to the end), u32 visible rows, sum}... (sums.h)
 *   where head is u64 seq, u64 mark, u64 ms
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
	uint32_t max;
	/* of a table */
	uint32_t table;
	const char *database, *name; /* borrowed when read */
	size_t dblen, nlen;
	uint64_t incarnation, seq, mark;
	uint64_t after, from_ms;
	const uint8_t *key, *last;
	size_t klen, llen;
	/* when read */
	uint32_t tables, more; /* of so many, so many still to come */
	struct rd rest;
};

void catchup_question_write(struct buf *b, const struct catchup_question *q);
/* Of n tables' logs, or of one table; all but the tables is as in the first. */
void catchup_questions_write(struct buf *b, const struct catchup_question *list, uint32_t n);
/* With its first table.  -1: broken. */
int catchup_question_read(struct catchup_question *q, const void *p, size_t n);
int catchup_question_next(struct catchup_question *q); /* the next table; 0: there is none */

struct catchup_answer {
	uint16_t status;
	uint64_t incarnation;
	/* of a table */
	uint32_t table;
	const char *primary; /* the name of the table's primary key */
	size_t primary_len;
	struct log_pos head;
	int done;
	const uint8_t *next_key, *definition, *positions;
	size_t next_len, definition_len, positions_len;
	/* of all */
	uint64_t from, upto;
	uint32_t count;
	struct rd items; /* count entries, rows or ranges */
	/* CATCHUP_LOG: of so many tables (0: it is refused as a whole), so many still to come */
	uint32_t tables, more;
	struct rd rest;
};
/* With its first table.  -1: broken. */
int catchup_answer_read(struct catchup_answer *a, enum catchup_kind kind, const void *p, size_t n);
int catchup_answer_next(struct catchup_answer *a); /* the next table; 0: there is none */

/*
 * Answer a peer's question (any thread; reads only).  `who`: who asks, when the carrier
 * vouches for it; the question must say the same, or is answered 403.
 */
void catchup_serve(struct replication *rep, const uint8_t *who, const void *p, size_t n,
    struct buf *out);
/* Answer one that is not served: 503, not now. */
void catchup_refuse(struct replication *rep, struct buf *out);

#endif
