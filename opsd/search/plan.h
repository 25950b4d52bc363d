#ifndef HL_PLAN_H
#define HL_PLAN_H

#include "opsd/search/range.h"

/*
 * How a search finds its rows: by a walk through one range, in its order or gathered and sorted,
 * or by the keys in several ranges, collected first.  Costs are estimated by bounded
 * looks into the ranges.
 */
#define UNION_KEYS_MAX   100000 /* collected keys */
#define UNION_RANGES_MAX 1000

struct order {
	struct field field;
	int descending;
};

struct query { /* what is asked for; borrowed */
	struct store *store;
	const struct store_snap *snap;
	const struct table *table;
	const struct condition *where; /* or NULL */
	const struct order *orders;
	size_t norders;
	int reverse;   /* without orders: the way backwards */
	uint64_t need; /* rows at most; UINT64_MAX: all */
};

enum plan_sort {
	SORT_FREE, /* the way has the order */
	SORT_RUNS, /* it has the first one: rows that are equal there are sorted */
	SORT_ALL   /* all matches are gathered */
};

struct plan {
	struct range *ranges;
	size_t n;
	int collect; /* the keys of all ranges first, even if it is one */
	enum plan_sort sort;
	int reverse; /* the way is gone backwards */
};

enum { AVOID_UNION = 1, AVOID_GATHER = 2 }; /* they turned out to be too large */

/* -1, and nothing to free: there is none without what is to be avoided. */
int plan_make(struct plan *p, const struct query *q, unsigned avoid);
void plan_free(struct plan *p);

#endif
