#ifndef HL_STORE_H
#define HL_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * RocksDB, and the only file that includes <rocksdb/c.h>.  All calls are safe
 * from any thread; only the commit thread writes.  Errors are logged here
 * and come back as -1: whoever gets one stops trusting the store.
 */
enum store_cf { CF_META, CF_ROWS, CF_INDEX, CF_LOG, CF_CURSOR, CF_AUDIT, CF_QUEUE, CF_COUNT };

struct store;
struct store_batch;
struct store_snap;
struct store_iter;

/* `hubleaf restore` unpacks a store beside its place, under this name, before it gets its own. */
#define STORE_BESIDE ".restore"

/*
 * NULL with *err.  One that is not there is made, unless one waits beside its place.  Where there
 * is no room to write it is opened for reading only.
 */
struct store *store_open(const char *path, size_t cache_bytes, char **err);
int store_read_only(const struct store *s);  /* until it is opened anew */
int store_may_reopen(const struct store *s); /* there is room now */
void store_close(struct store *s);

/* Into out (cleared first).  1 found, 0 not found, -1 failure.  snap may be NULL. */
int store_get(struct store *s, const struct store_snap *snap, enum store_cf cf, const void *key,
    size_t klen, struct buf *out);

struct store_batch *store_batch_new(struct store *s);
void store_batch_free(struct store_batch *b);
void store_batch_put(struct store_batch *b, enum store_cf cf, const void *key, size_t klen,
    const void *value, size_t vlen);
void store_batch_delete(struct store_batch *b, enum store_cf cf, const void *key, size_t klen);
/* [from, to) */
void store_batch_delete_range(struct store_batch *b, enum store_cf cf, const void *from,
    size_t flen, const void *to, size_t tlen);
int store_batch_empty(const struct store_batch *b);
/* One atomic write; with sync it is on disk when this returns 0. */
int store_write(struct store *s, struct store_batch *b, int sync);

struct store_snap *store_snap_new(struct store *s);
void store_snap_free(struct store_snap *snap);

/*
 * Keys in [lower, upper); upper NULL: to the end.  Bounds are copied.  Not
 * positioned: call a seek.  Key and value are borrowed until the next move.
 */
struct store_iter *store_iter_new(struct store *s, const struct store_snap *snap, enum store_cf cf,
    const void *lower, size_t llen, const void *upper, size_t ulen);
/* The rows of a table, at the first one; four bytes of each key are the table's id. */
struct store_iter *store_iter_rows(struct store *s, uint32_t table);
void store_iter_free(struct store_iter *it);
void store_iter_first(struct store_iter *it);
void store_iter_last(struct store_iter *it);
void store_iter_seek(struct store_iter *it, const void *key, size_t klen); /* first >= key */
void store_iter_next(struct store_iter *it);
void store_iter_prev(struct store_iter *it);
int store_iter_valid(const struct store_iter *it);
const uint8_t *store_iter_key(const struct store_iter *it, size_t *n);
const uint8_t *store_iter_value(const struct store_iter *it, size_t *n);
int store_iter_failed(const struct store_iter *it); /* ended by an error, not by the end */

/*
 * A copy of all of it as it is at one moment, in the new folder `path`: hard links where
 * it is on the same file system.  Waits for the disk.  -1 with *err, and nothing left.
 */
int store_checkpoint(struct store *s, const char *path, char **err);
const char *store_path(const struct store *s);

/* Approximate bytes of keys in [from, to) on disk. */
uint64_t store_size(struct store *s, enum store_cf cf, const void *from, size_t flen,
    const void *to, size_t tlen);

/* What RocksDB says of itself; quick, O(files). */
struct store_family {
	uint64_t memtable, files, files_bytes, level0;
};
struct store_figures {
	struct store_family cf[CF_COUNT];
	uint64_t wal_bytes;
	uint64_t stopped;            /* 1: writes wait for compaction */
	uint64_t delayed_rate;       /* bytes a second that writes are slowed to; 0: they are not */
	uint64_t compaction_pending; /* bytes, an estimate */
	uint64_t compactions, flushes; /* that run */
	uint64_t errors;               /* of background work */
	uint64_t cache_used, cache_pinned, cache_size;
};
void store_figures(struct store *s, struct store_figures *f);
const char *store_cf_name(enum store_cf cf);
uint64_t store_free_bytes(const struct store *s); /* free disk below the store */

#endif
