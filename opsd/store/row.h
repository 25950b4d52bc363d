#ifndef HL_ROW_H
#define HL_ROW_H

#include "common/base/buf.h"
#include "opsd/store/stamp.h"

/*
 * A row as state that merges (design: commutative, associative, idempotent).
 * created: newest insert or upsert; cleared: newest point before which nothing
 * of the row counts (an insert's or a delete's stamp); per attribute a value
 * and its stamp.  Attributes are sorted by name bytes, each once.
 *
 * Bytes (in CF_ROWS, in copies):
 *   u8 flags (1 has created, 2 created equals cleared, 4 has cleared)
 *   [stamp cleared] [stamp created unless equal]
 *   u32 attributes: u8 name length, name, u8 (1: own stamp, 0: created's),
 *   [stamp], u32 length, value
 */
struct attr {
	const char *name; /* borrowed, not NUL-terminated */
	uint8_t nlen;
	const uint8_t *value; /* borrowed */
	uint32_t vlen;
	struct stamp stamp;
};

struct row {
	struct stamp created, cleared;
	struct attr *attrs;
	uint32_t n, cap;
};

void row_free(struct row *r); /* the array; zero-initialised is an empty row */
void row_clear(struct row *r);
/* Borrows from p.  -1 when broken (order, lengths, values are checked). */
int row_decode(struct row *r, const void *p, size_t n);
/* As row_decode without checking values: for bytes from our own store. */
int row_load(struct row *r, const void *p, size_t n);
void row_encode(const struct row *r, struct buf *b);
/* append: caller keeps the order */
struct attr *row_add(struct row *r, const char *name, size_t nlen);
const struct attr *row_attr(const struct row *r, const char *name, size_t nlen); /* NULL: absent */
int row_visible(const struct row *r);
/* attribute is part of the visible row */
int row_counts(const struct row *r, const struct attr *a);
struct stamp row_created(const struct row *r); /* __createdtime__ */
struct stamp row_updated(const struct row *r); /* __updatedtime__ */
struct stamp row_newest(const struct row *r);  /* greatest stamp anywhere in it */

/* Merge `with` into `into`; attributes are borrowed from both.  1 when into changed. */
int row_merge(struct row *into, const struct row *with);
/* Drop components at or below floor. */
void row_floor(struct row *r, struct stamp floor);
/* Keep only components issued by the node (recovery of own writes). */
void row_only_node(struct row *r, uint64_t node);

#endif
