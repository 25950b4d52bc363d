#include "config.h"

#include "common/base/shard.h"

#include "common/base/fnv.h"

unsigned
shard_of(const char *database, size_t dblen, const char *table, size_t tlen, unsigned n)
{
	uint64_t h = fnv_bytes(FNV_BASIS, database, dblen);

	h = fnv_bytes(fnv_bytes(h, "", 1), table, tlen);
	/* The low bits of what differs in its last byte alone differ little. */
	h ^= h >> 32;
	return ((unsigned)((h * UINT64_C(0x9e3779b97f4a7c15) >> 32) % n));
}

int
shard_same(struct shard a, struct shard b)
{
	return (a.k == b.k && a.n == b.n);
}

void
shard_write(struct buf *b, struct shard s)
{
	buf_u16(b, (uint16_t)s.k);
	buf_u16(b, (uint16_t)s.n);
}

struct shard
shard_read(struct rd *r)
{
	struct shard s;

	s.k = rd_u16(r);
	s.n = rd_u16(r);
	return (s.n <= SHARDS_MAX && s.k < s.n ? s : (struct shard){ 0, 0 });
}
