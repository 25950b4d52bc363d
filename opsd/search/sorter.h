#ifndef HL_SORTER_H
#define HL_SORTER_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * Entries of bytes, each with a key at its end, put in order; of more than `keep` only the
 * first ones stay.  A heap: adding is quick, and so is each step of the sorting.  No I/O.
 */
struct sorter_entry;

struct sorter {
	struct sorter_entry **heap; /* greatest first; sorted after the last step */
	size_t n, cap, left;
	size_t bytes; /* of all entries */
	uint64_t keep;
};

void sorter_free(struct sorter *s);
void sorter_clear(struct sorter *s, uint64_t keep); /* empty, for another use */
/* The last klen bytes of the entry are its key. */
void sorter_add(struct sorter *s, const struct buf *entry, size_t klen);
int sorter_step(struct sorter *s); /* some sorting: 1 once all are in order; add no more */
/* The key of entry i, in order; borrowed until the sorter is cleared. */
const uint8_t *sorter_key(const struct sorter *s, size_t i, size_t *klen);

#endif
