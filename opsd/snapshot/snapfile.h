#ifndef HL_SNAPFILE_H
#define HL_SNAPFILE_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "opsd/cluster/given.h"

/*
 * A snapshot as bytes: the tables of a node with all their rows, stamps and tombstones included, and
 * where in every node's log they stand.  No I/O.
 *
 *	"HLSNAP\r\n", u16 SNAPFILE_FORMAT, u16 format of rows (formats.wire), then pieces:
 *	u8 kind, u32 length, u32 CRC-32C of kind, length and body, body
 *
 *	head   node, str name, str version, u64 ms since 1970, u32 tables
 *	table  str database, str table, str primary key, blob definition (table_definition, JSON), u64
 *	       rows (about), positions (given.h): first that of the node itself in its own log
 *	rows   u32 rows, u32 length, {u16-counted key, blob row}... of the last table by zstd
 *	end    u32 tables, u64 rows, SHA-256 of all before this piece
 */
#define SNAPFILE_FORMAT 1
#define SNAPFILE_PIECE  (1u << 20)  /* bytes of rows, after which their piece ends */
#define SNAPFILE_MAX    (64u << 20) /* bytes of a piece, and of what is compressed in it */

struct snapfile_head {
	uint8_t node[NODE_ID_LEN]; /* who took it */
	char *name, *version;
	uint64_t taken_ms;
	uint32_t tables;
};

struct snapfile_table {
	char *database, *name, *primary_key;
	json_t *definition;
	uint64_t rows; /* about */
	struct given_position *positions;
	uint32_t n;
};
void snapfile_table_clear(struct snapfile_table *t);

/* ---- written ---- */

/* Whole pieces are appended to `out`, which the caller may empty at any time. */
struct snapwriter;
struct snapwriter *snapwriter_new(const struct snapfile_head *h, struct buf *out);
void snapwriter_free(struct snapwriter *w);
void snapwriter_table(struct snapwriter *w, const struct snapfile_table *t);
/* Of the last table; of less than SNAPFILE_MAX / 2 bytes, as all rows are. */
void snapwriter_row(struct snapwriter *w, const void *key, size_t klen, const void *row,
    size_t len);
void snapwriter_end(struct snapwriter *w); /* the last call */

/* ---- read ---- */

/* Gives n bytes, or fewer where there are no more; -1 with errno. */
typedef ssize_t snapfile_read_fn(void *arg, void *p, size_t n);

enum snapfile_piece {
	SNAPFILE_BAD, /* snapreader_fault says why; nothing comes after it */
	SNAPFILE_HEAD,
	SNAPFILE_TABLE,
	SNAPFILE_ROWS,
	SNAPFILE_END, /* all of it was there, as it was written */
};

struct snapreader;
struct snapreader *snapreader_new(snapfile_read_fn *fn, void *arg);
void snapreader_free(struct snapreader *r);
/* The next piece: one head, then tables with their rows, then the end. */
enum snapfile_piece snapreader_next(struct snapreader *r);
/* In words. */
const char *snapreader_fault(const struct snapreader *r);
/* These are borrowed, and those of a piece good until the next one. */
const struct snapfile_head *snapreader_head(const struct snapreader *r);
const struct snapfile_table *snapreader_table(const struct snapreader *r);
/* The same, to keep: snapfile_table_clear. */
struct snapfile_table snapreader_take_table(struct snapreader *r);
/* {u16-counted key, blob row}..., each checked (row_decode). */
struct rd snapreader_rows(const struct snapreader *r, uint32_t *n);

#endif
