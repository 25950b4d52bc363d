#ifndef HL_STAMP_H
#define HL_STAMP_H

#include <stdint.h>

#include "common/base/buf.h"

/*
 * A point of hybrid time: 48 bits of milliseconds and a 16-bit counter, then
 * the first 8 bytes (big-endian) of the node id that issued it.  {0, 0} = none.
 */
struct stamp {
	uint64_t time;
	uint64_t node;
};

#define STAMP_LEN  16
#define STAMP_LAST ((struct stamp){ UINT64_MAX, UINT64_MAX }) /* above all that are given */
/* Times at or beyond this are refused: nothing could follow them. */
#define STAMP_TIME_MAX (UINT64_C(0xfff0) << 48)

static inline int
stamp_cmp(struct stamp a, struct stamp b)
{
	if (a.time != b.time)
		return (a.time < b.time ? -1 : 1);
	return (a.node < b.node ? -1 : a.node > b.node);
}

static inline struct stamp
stamp_max(struct stamp a, struct stamp b)
{
	return (stamp_cmp(a, b) >= 0 ? a : b);
}

static inline int
stamp_none(struct stamp s)
{
	return (s.time == 0 && s.node == 0);
}

static inline uint64_t
stamp_ms(struct stamp s)
{
	return (s.time >> 16);
}

/* As users see it: milliseconds, with the counter as a fraction. */
static inline double
stamp_user(struct stamp s)
{
	return ((double)(s.time >> 16) + (double)(s.time & 0xffff) / 65536.0);
}

uint64_t stamp_node(const uint8_t id[16]);
void stamp_write(struct buf *b, struct stamp s);
struct stamp stamp_read(struct rd *r);

/* The clock: never goes back.  One thread. */
struct hlc {
	uint64_t time; /* greatest issued or observed */
	uint64_t node;
};

void hlc_observe(struct hlc *c, uint64_t time);
/*
 * Of what a node makes by itself at its first start: below all that a clock gives, so that what
 * others have of it counts; of two such the earlier.
 */
struct stamp stamp_first(uint64_t wall_ms, uint64_t node);
struct stamp hlc_next(struct hlc *c, uint64_t wall_ms); /* (wall, 0) if greater, else clock + 1 */

#endif
