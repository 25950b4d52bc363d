#ifndef HL_SEARCH_PRIV_H
#define HL_SEARCH_PRIV_H

#include "opsd/search/plan.h"
#include "opsd/search/search.h"
#include "opsd/search/sorter.h"

/*
 * search.c (what is asked for), walk.c (how it is found).  A search goes from phase to
 * phase, a row in each step:
 *
 *   KEYS				those that were given
 *   SCAN [-> DRAIN -> EMIT]		a range, its matches shown or gathered and sorted;
 *	  [-> DRAIN -> EMIT -> SCAN]	or runs of them, equal in the range's order
 *   COLLECT -> MERGE -> PICK [-> DRAIN -> EMIT]	the keys in all ranges, then their rows
 */
enum phase { KEYS, SCAN, COLLECT, MERGE, PICK, DRAIN, EMIT, OVER };

struct search {
	struct store *store;
	struct table *table;
	struct store_snap *snap;
	struct condition *where;
	struct rows rows;
	struct order *orders;
	size_t norders;
	int reverse;
	uint64_t offset, limit, found;
	int keyed;       /* only these: */
	struct buf keys; /* wanted ones: u32 length + bytes */
	size_t keys_at;
	struct plan plan;
	enum phase phase;
	struct store_iter *it; /* over plan.ranges[range] */
	size_t range;
	struct sorter picked; /* of COLLECT */
	struct sorter sorted; /* of SCAN and PICK */
	size_t pick_at, emit_at;
	struct buf run; /* the value that all in `sorted` have */
	struct row_view view;
	struct buf row, key, entry, value;
	const char *error;
	int status;
};

void walk_plan(struct search *s, unsigned avoid); /* from the beginning */
void walk_again(struct search *s);                /* the same once more */

#endif
