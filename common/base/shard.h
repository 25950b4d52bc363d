#ifndef HL_SHARD_H
#define HL_SHARD_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * A node's log goes into one stream, or into several (replication_log.shards): all of a table into the
 * same, by its name alone, so that writer and readers need not tell each other.
 */
#define SHARDS_MAX 16

struct shard { /* which of how many; all of a node's is { 0, 1 } */
	unsigned k, n;
};

/* The one, from 0, of n that a table of that name is in. */
unsigned shard_of(const char *database, size_t dblen, const char *table, size_t tlen, unsigned n);
int shard_same(struct shard a, struct shard b);

/* u16 k, u16 n.  Reading gives { 0, 0 } for what is none. */
void shard_write(struct buf *b, struct shard s);
struct shard shard_read(struct rd *r);

#endif
