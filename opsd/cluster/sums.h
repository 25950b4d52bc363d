#ifndef HL_SUMS_H
#define HL_SUMS_H

#include "common/base/buf.h"
#include "opsd/store/store.h"

/*
 * A table in ranges of its keys, each with a sum of its rows, tombstones included: where the
 * sums of two nodes are equal, so are the rows.  Any thread.
 */
#define SUMS_RANGE 16384 /* bytes of rows, after which a range ends */

struct sum {
	uint8_t sum[32];
	uint32_t n, visible; /* rows; those that are not deleted */
	size_t bytes;
	struct buf last; /* the key of the last one */
	struct buf scratch;
};

/* The rows after a key, up to and with another; an empty one bounds nothing.  At the first. */
struct store_iter *sums_rows(struct store *s, uint32_t table, const uint8_t *after, size_t alen,
    const uint8_t *last, size_t llen);
/* the row that it is at; moves it to the next */
void sum_add(struct sum *s, struct store_iter *it);
void sum_free(struct sum *s);

#endif
