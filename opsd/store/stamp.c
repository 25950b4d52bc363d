#include "config.h"

#include "opsd/store/stamp.h"

uint64_t
stamp_node(const uint8_t id[16])
{
	struct rd r = rd_init(id, 8);

	return (rd_be64(&r));
}

void
stamp_write(struct buf *b, struct stamp s)
{
	buf_u64(b, s.time);
	buf_u64(b, s.node);
}

struct stamp
stamp_read(struct rd *r)
{
	struct stamp s;

	s.time = rd_u64(r);
	s.node = rd_u64(r);
	return (s);
}

void
hlc_observe(struct hlc *c, uint64_t time)
{
	if (time > c->time)
		c->time = time;
}

struct stamp
stamp_first(uint64_t ms, uint64_t node)
{
	const uint64_t end = UINT64_C(1) << 42; /* in 2109 */

	return ((struct stamp){ ((ms < end ? end - ms : 0) >> 4) << 16, node });
}

struct stamp
hlc_next(struct hlc *c, uint64_t ms)
{
	uint64_t wall = ms << 16;

	c->time = wall > c->time ? wall : c->time + 1;
	return ((struct stamp){ c->time, c->node });
}
