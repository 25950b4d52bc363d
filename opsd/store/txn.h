#ifndef HL_TXN_H
#define HL_TXN_H

#include "common/base/buf.h"
#include "common/base/frame.h"
#include "opsd/store/row.h"

/*
 * A transaction in bytes, as the log and the stream carry it.
 *
 *   u8 format (1), u8 kind, node origin, u64 stamp time, str user, u8 operation
 *   u8 tables (1): str database, str table, str primary key
 *   TXN_WRITE: u32 records, each
 *      u8 form, u16 key length, key, then
 *      REC_STATE: blob row (row.h)
 *      otherwise u32 attributes: u8 name length, name, u32 length, value,
 *      all at the transaction's stamp
 *   TXN_DEFINE: json {"primary_key","attributes":[{"attribute",...}]}; with "part": true
 *      attributes that a table got which has others, too
 *   TXN_PURGE: u64 up to (marker: entries up to there were purged by hand)
 */
#define TXN_FORMAT 2 /* 1: without the primary key */
enum txn_kind { TXN_WRITE = 1, TXN_DEFINE = 2, TXN_PURGE = 3 };
enum txn_op { TXN_INSERT = 1, TXN_UPDATE = 2, TXN_UPSERT = 3, TXN_DELETE = 4 };
#define REC_CREATED 0x01 /* sets created */
#define REC_CLEARED 0x02 /* sets cleared */
#define REC_STATE   0x80 /* a whole row with its own stamps */

struct txn {
	uint8_t kind, op;
	uint8_t origin[NODE_ID_LEN];
	struct stamp stamp;
	const char *user, *database, *table; /* borrowed, not terminated */
	const char *key;                     /* the primary key's name where it was written */
	size_t user_len, database_len, table_len, key_len;
	uint32_t count;
	struct rd body; /* at the first record, or the kind's body */
};

struct txn_record {
	uint8_t form;
	const uint8_t *key;
	size_t klen;
	struct row row; /* with stamps; row_free after the last */
};

/* Head up to and including the record count (0; set it by txn_set_count). Gives where it began. */
size_t txn_begin(struct buf *b, enum txn_kind kind, enum txn_op op, const uint8_t *origin,
    const char *user, const char *database, const char *table, const char *key);
void txn_set_stamp(struct buf *b, size_t at, uint64_t time);
void txn_set_count(struct buf *b, size_t at, uint32_t count); /* TXN_WRITE */
const char *txn_op_name(uint8_t op);                          /* "insert", ... */

/* Check and open.  -1: unknown format or broken head. */
int txn_read(struct txn *t, const void *p, size_t n);
/* Next record of a TXN_WRITE into rec (zeroed before the first call): 1, 0 at the end, -1 broken. */
int txn_next(struct txn *t, struct txn_record *rec);
/* What is wrong with one of which these say -1, for people; caller frees. */
char *txn_fault(const void *p, size_t n);

#endif
