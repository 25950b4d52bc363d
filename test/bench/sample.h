#ifndef HL_BENCH_SAMPLE_H
#define HL_BENCH_SAMPLE_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What all measurements share: one kind of row, and how times are summed up. */

#define SAMPLE_MAX     320 /* bytes of a row */
#define SAMPLE_MESSAGE 256 /* bytes of a raw message beside it */

/* Row `id` as JSON, NUL-terminated; its length. */
static inline size_t
sample_row(char out[SAMPLE_MAX], uint64_t id)
{
	return ((size_t)snprintf(out, SAMPLE_MAX,
	    "{\"id\":%" PRIu64 ",\"name\":\"name-%" PRIu64 "\",\"weight\":%" PRIu64
	    ".5,\"active\":true,\"note\":\"%0120" PRIu64 "\"}",
	    id, id, id % 100, id));
}

/* Numbers one after the other, all over the place. */
static inline uint64_t
sample_mixed(uint64_t n)
{
	n = (n ^ n >> 31) * 0x9e3779b97f4a7c15;
	return (n ^ n >> 29);
}

static inline int
sample_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y ? -1 : x > y);
}

/* The time that `permille` of n values do not exceed; sorts them. */
static inline double
sample_quantile(uint64_t *us, size_t n, unsigned permille)
{
	if (n == 0)
		return (0);
	qsort(us, n, sizeof(*us), sample_order);
	return ((double)us[(n - 1) * permille / 1000]);
}

#endif
