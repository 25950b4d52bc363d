#ifndef HL_DISK_H
#define HL_DISK_H

#include <rocksdb/c.h>
#include <stddef.h>

#include "common/base/buf.h"

/*
 * A machine's disk: a store in RocksDB's memory environment, which outlives the process.
 * Its writes are where a process can end.
 */
struct store;

struct disk {
	rocksdb_env_t *env;
	char *path;
};

/* All that a store has, as a backup holds it. */
struct image {
	struct buf bytes; /* u8 family, blob key, blob value... */
	unsigned n;
};

void disk_init(struct disk *d, const char *path);
void disk_erase(struct disk *d); /* empty, as new; no store is open */
void disk_save(struct store *s, struct image *i);
/* Its own content goes; no store is open. */
void disk_restore(struct disk *d, const struct image *i);
void image_free(struct image *i);

#endif
