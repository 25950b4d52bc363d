#ifndef HL_RANGE_H
#define HL_RANGE_H

#include "opsd/search/condition.h"
#include "opsd/store/store.h"

/* A part of a table's rows by their keys, or of one of its indexes by value and key. */
struct range {
	const struct attribute *index; /* NULL: rows */
	int single;                    /* of one value or key: its rows are in key order */
	int narrowed;                  /* not all of it */
	struct buf from, to;           /* keys of the store, `to` not included */
};

/* The field's whole range, which field_indexed says is there; f NULL: all rows. */
void range_all(struct range *r, const struct table *t, const struct field *f);
/* No more than what holds the leaf's matches; -1 when it is in another place, or has no bounds. */
int range_narrow(struct range *r, const struct table *t, const struct condition *leaf);
void range_free(struct range *r);
int range_empty(const struct range *r);
struct store_iter *range_iter(const struct range *r, struct store *s,
    const struct store_snap *snap);
/* How many rows are in it, counted up to max. */
uint64_t range_count(const struct range *r, struct store *s, const struct store_snap *snap,
    uint64_t max);
uint64_t range_total(const struct table *t); /* of all its rows */
/*
 * About how many: counted while they are few, of many their share of the bytes on disk.
 * *looks: rows that may be looked at, which get fewer.
 */
#define RANGE_LOOK_MAX 1000 /* rows counted in one range */
uint64_t range_estimate(const struct range *r, const struct table *t, struct store *s,
    const struct store_snap *snap, uint64_t *looks);
uint64_t range_bytes(const struct range *r, struct store *s); /* on disk, approximately */

#endif
