#include "config.h"

#include "opsd/store/store.h"

#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/store/key.h"
#include "opsd/store/room.h"
#include "opsd/store/store_priv.h"

/* What only the write-ahead log has is copied up to so much; beyond, it is flushed first. */
#define CHECKPOINT_WAL (32u << 20)

static const char *const cf_names[CF_COUNT + 1] = { "meta", "rows", "index", "log", "cursor",
	"audit", "queue", "default" };

struct store_batch {
	struct store *s;
	rocksdb_writebatch_t *b;
};

struct store_snap {
	struct store *s;
	const rocksdb_snapshot_t *snap;
	rocksdb_readoptions_t *read;
};

struct store_iter {
	rocksdb_iterator_t *it;
	rocksdb_readoptions_t *read;
	uint8_t *lower, *upper;
};

static rocksdb_options_t *
family_options(struct store *s, size_t cache_bytes)
{
	rocksdb_options_t *o = rocksdb_options_create();

	s->cache = rocksdb_cache_create_lru(cache_bytes);
	s->table_options = rocksdb_block_based_options_create();
	rocksdb_block_based_options_set_block_cache(s->table_options, s->cache);
	rocksdb_block_based_options_set_filter_policy(s->table_options,
	    rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(s->table_options, 1);
	/*
	 * In parts that fit: the whole filter of a large file is larger than what a shard of
	 * a small cache takes, and would be read anew for every key.
	 */
	rocksdb_block_based_options_set_index_type(s->table_options,
	    rocksdb_block_based_table_index_type_two_level_index_search);
	rocksdb_block_based_options_set_partition_filters(s->table_options, 1);
	rocksdb_options_set_block_based_table_factory(o, s->table_options);
	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_create_missing_column_families(o, 1);
	rocksdb_options_set_write_buffer_size(o, 16 << 20);
	rocksdb_options_set_max_write_buffer_number(o, 3);
	rocksdb_options_set_db_write_buffer_size(o, 48 << 20);
	/* Most writes ask for a row that is not there. */
	rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, 0.02);
	rocksdb_options_set_memtable_whole_key_filtering(o, 1);
	rocksdb_options_set_max_total_wal_size(o, 128 << 20);
	rocksdb_options_set_max_background_jobs(o, 2);
	rocksdb_options_set_max_open_files(o, 512);
	rocksdb_options_set_keep_log_file_num(o, 4);
	rocksdb_options_set_max_log_file_size(o, 4 << 20);
	rocksdb_options_set_compression(o, rocksdb_lz4_compression);
	rocksdb_options_set_bytes_per_sync(o, 1 << 20);
	/* A torn tail of the last write was never acknowledged. */
	rocksdb_options_set_wal_recovery_mode(o, rocksdb_tolerate_corrupted_tail_records_recovery);
	return (o);
}

/* A restore was ended in the middle: an empty store in its place would be another node. */
static int
half_restored(const char *path, char **err)
{
	char *beside = xasprintf("%s" STORE_BESIDE, path);
	int half = access(path, F_OK) == -1 && access(beside, F_OK) == 0;

	if (half)
		*err = xasprintf("%s is not there, and %s is: a restore did not end; run hubleaf "
				 "restore again",
		    path, beside);
	free(beside);
	return (half);
}

struct store *
store_open(const char *path, size_t cache_bytes, char **err)
{
	const rocksdb_options_t *opts[CF_COUNT + 1];
	struct store *s;
	char *why = NULL;

	if (half_restored(path, err))
		return (NULL);
	s = xcalloc(1, sizeof(*s));
	s->path = xstrdup(path);
	if (file_make_folder(path) == -1 || file_own_folder(path) == -1)
		log_warn("store %s: who may see it cannot be set", path);
	s->options = family_options(s, cache_bytes);
	for (int i = 0; i <= CF_COUNT; i++)
		opts[i] = s->options;
	s->read_only = room_store_is_there(path) && !store_may_reopen(s);
	if (s->read_only)
		s->db = rocksdb_open_for_read_only_column_families(s->options, path, CF_COUNT + 1,
		    cf_names, opts, s->cf, 0, &why);
	else
		s->db = rocksdb_open_column_families(s->options, path, CF_COUNT + 1, cf_names, opts,
		    s->cf, &why);
	if (why != NULL) {
		*err = xasprintf("store %s: %s", path, why);
		rocksdb_free(why);
		s->db = NULL;
		store_close(s);
		return (NULL);
	}
	s->read = rocksdb_readoptions_create();
	s->sync = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(s->sync, 1);
	s->async = rocksdb_writeoptions_create();
	return (s);
}

int
store_read_only(const struct store *s)
{
	return (s->read_only);
}

int
store_may_reopen(const struct store *s)
{
	return (room_free(s->path) > room_to_open(s->path));
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	if (s->db != NULL) {
		for (int i = 0; i <= CF_COUNT; i++)
			rocksdb_column_family_handle_destroy(s->cf[i]);
		rocksdb_close(s->db);
		rocksdb_readoptions_destroy(s->read);
		rocksdb_writeoptions_destroy(s->sync);
		rocksdb_writeoptions_destroy(s->async);
	}
	rocksdb_options_destroy(s->options);
	rocksdb_block_based_options_destroy(s->table_options);
	rocksdb_cache_destroy(s->cache);
	free(s->path);
	free(s);
}

int
store_get(struct store *s, const struct store_snap *snap, enum store_cf cf, const void *key,
    size_t klen, struct buf *out)
{
	char *why = NULL;
	rocksdb_pinnableslice_t *v = rocksdb_get_pinned_cf(s->db,
	    snap != NULL ? snap->read : s->read, s->cf[cf], key, klen, &why);
	size_t n;
	const char *p;

	buf_clear(out);
	if (why != NULL) {
		log_errorx("store %s: read %s: %s", s->path, cf_names[cf], why);
		rocksdb_free(why);
		return (-1);
	}
	if (v == NULL)
		return (0);
	p = rocksdb_pinnableslice_value(v, &n);
	buf_add(out, p, n);
	rocksdb_pinnableslice_destroy(v);
	return (1);
}

struct store_batch *
store_batch_new(struct store *s)
{
	struct store_batch *b = xmalloc(sizeof(*b));

	b->s = s;
	b->b = rocksdb_writebatch_create();
	return (b);
}

void
store_batch_free(struct store_batch *b)
{
	if (b == NULL)
		return;
	rocksdb_writebatch_destroy(b->b);
	free(b);
}

void
store_batch_put(struct store_batch *b, enum store_cf cf, const void *key, size_t klen,
    const void *value, size_t vlen)
{
	rocksdb_writebatch_put_cf(b->b, b->s->cf[cf], key, klen, value != NULL ? value : "", vlen);
}

void
store_batch_delete(struct store_batch *b, enum store_cf cf, const void *key, size_t klen)
{
	rocksdb_writebatch_delete_cf(b->b, b->s->cf[cf], key, klen);
}

void
store_batch_delete_range(struct store_batch *b, enum store_cf cf, const void *from, size_t flen,
    const void *to, size_t tlen)
{
	rocksdb_writebatch_delete_range_cf(b->b, b->s->cf[cf], from, flen, to, tlen);
}

int
store_batch_empty(const struct store_batch *b)
{
	return (rocksdb_writebatch_count(b->b) == 0);
}

int
store_write(struct store *s, struct store_batch *b, int sync)
{
	char *why = NULL;

	rocksdb_write(s->db, sync ? s->sync : s->async, b->b, &why);
	if (why == NULL)
		return (0);
	log_errorx("store %s: write: %s", s->path, why);
	rocksdb_free(why);
	return (-1);
}

struct store_snap *
store_snap_new(struct store *s)
{
	struct store_snap *snap = xmalloc(sizeof(*snap));

	snap->s = s;
	snap->snap = rocksdb_create_snapshot(s->db);
	snap->read = rocksdb_readoptions_create();
	rocksdb_readoptions_set_snapshot(snap->read, snap->snap);
	return (snap);
}

void
store_snap_free(struct store_snap *snap)
{
	if (snap == NULL)
		return;
	rocksdb_readoptions_destroy(snap->read);
	rocksdb_release_snapshot(snap->s->db, snap->snap);
	free(snap);
}

struct store_iter *
store_iter_new(struct store *s, const struct store_snap *snap, enum store_cf cf, const void *lower,
    size_t llen, const void *upper, size_t ulen)
{
	struct store_iter *it = xcalloc(1, sizeof(*it));

	it->read = rocksdb_readoptions_create();
	if (snap != NULL)
		rocksdb_readoptions_set_snapshot(it->read, snap->snap);
	if (lower != NULL) {
		it->lower = xmemdup(lower, llen);
		rocksdb_readoptions_set_iterate_lower_bound(it->read, (char *)it->lower, llen);
	}
	if (upper != NULL) {
		it->upper = xmemdup(upper, ulen);
		rocksdb_readoptions_set_iterate_upper_bound(it->read, (char *)it->upper, ulen);
	}
	it->it = rocksdb_create_iterator_cf(s->db, it->read, s->cf[cf]);
	return (it);
}

struct store_iter *
store_iter_rows(struct store *s, uint32_t table)
{
	struct buf from = { 0 }, to = { 0 };
	struct store_iter *it;

	key_row(&from, table, NULL, 0);
	key_table_end(&to, table);
	it = store_iter_new(s, NULL, CF_ROWS, from.data, from.len, to.data, to.len);
	store_iter_first(it);
	buf_free(&from);
	buf_free(&to);
	return (it);
}

void
store_iter_free(struct store_iter *it)
{
	if (it == NULL)
		return;
	if (it == NULL)
		return;
	rocksdb_iter_destroy(it->it);
	rocksdb_readoptions_destroy(it->read);
	free(it->lower);
	free(it->upper);
	free(it);
}

void
store_iter_first(struct store_iter *it)
{
	rocksdb_iter_seek_to_first(it->it);
}

void
store_iter_last(struct store_iter *it)
{
	rocksdb_iter_seek_to_last(it->it);
}

void
store_iter_seek(struct store_iter *it, const void *key, size_t klen)
{
	rocksdb_iter_seek(it->it, key, klen);
}

void
store_iter_next(struct store_iter *it)
{
	rocksdb_iter_next(it->it);
}

void
store_iter_prev(struct store_iter *it)
{
	rocksdb_iter_prev(it->it);
}

int
store_iter_valid(const struct store_iter *it)
{
	return (rocksdb_iter_valid(it->it));
}

const uint8_t *
store_iter_key(const struct store_iter *it, size_t *n)
{
	return ((const uint8_t *)rocksdb_iter_key(it->it, n));
}

const uint8_t *
store_iter_value(const struct store_iter *it, size_t *n)
{
	return ((const uint8_t *)rocksdb_iter_value(it->it, n));
}

int
store_iter_failed(const struct store_iter *it)
{
	char *why = NULL;

	rocksdb_iter_get_error(it->it, &why);
	if (why == NULL)
		return (0);
	log_errorx("store: scan: %s", why);
	rocksdb_free(why);
	return (1);
}

int
store_checkpoint(struct store *s, const char *path, char **err)
{
	char *why = NULL;
	rocksdb_checkpoint_t *c = rocksdb_checkpoint_object_create(s->db, &why);

	if (why == NULL) {
		rocksdb_checkpoint_create(c, path, CHECKPOINT_WAL, &why);
		rocksdb_checkpoint_object_destroy(c);
	}
	if (why == NULL)
		return (0);
	*err = xasprintf("store %s: %s", s->path, why);
	rocksdb_free(why);
	return (-1);
}

const char *
store_path(const struct store *s)
{
	return (s->path);
}

uint64_t
store_size(struct store *s, enum store_cf cf, const void *from, size_t flen, const void *to,
    size_t tlen)
{
	const char *start = from, *limit = to;
	uint64_t size = 0;
	char *why = NULL;

	rocksdb_approximate_sizes_cf(s->db, s->cf[cf], 1, &start, &flen, &limit, &tlen, &size,
	    &why);
	if (why != NULL)
		rocksdb_free(why);
	return (size);
}

/* ---- figures ---- */

const char *
store_cf_name(enum store_cf cf)
{
	return (cf_names[cf]);
}

uint64_t
store_free_bytes(const struct store *s)
{
	return (room_free(s->path));
}
