#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "opsd/store/store_priv.h"

#define LEVELS 7 /* of table files, RocksDB's default */

/* 0 when RocksDB does not tell. */
static uint64_t
cf_property(struct store *s, enum store_cf cf, const char *name)
{
	uint64_t n = 0;

	return (rocksdb_property_int_cf(s->db, s->cf[cf], name, &n) == 0 ? n : 0);
}

/* Table files of a level; the property is text. */
static uint64_t
files_at(struct store *s, enum store_cf cf, int level)
{
	char name[64], *text;
	uint64_t n;

	snprintf(name, sizeof(name), "rocksdb.num-files-at-level%d", level);
	text = rocksdb_property_value_cf(s->db, s->cf[cf], name);
	n = text != NULL ? strtoull(text, NULL, 10) : 0;
	rocksdb_free(text);
	return (n);
}

/* The write-ahead log: <number>.log beside the table files. */
static uint64_t
wal_bytes(const struct store *s)
{
	DIR *d = opendir(s->path);
	const struct dirent *e;
	struct stat st;
	uint64_t n = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t digits = strspn(e->d_name, "0123456789");

		if (digits > 0 && strcmp(e->d_name + digits, ".log") == 0 &&
		    fstatat(dirfd(d), e->d_name, &st, 0) == 0)
			n += (uint64_t)st.st_size;
	}
	if (d != NULL)
		closedir(d);
	return (n);
}

void
store_figures(struct store *s, struct store_figures *f)
{
	memset(f, 0, sizeof(*f));
	for (int cf = 0; cf < CF_COUNT; cf++) {
		f->cf[cf].memtable = cf_property(s, cf, "rocksdb.cur-size-all-mem-tables");
		f->cf[cf].files_bytes = cf_property(s, cf, "rocksdb.live-sst-files-size");
		f->cf[cf].level0 = files_at(s, cf, 0);
		for (int level = 0; level < LEVELS; level++)
			f->cf[cf].files += files_at(s, cf, level);
		f->compaction_pending += cf_property(s, cf,
		    "rocksdb.estimate-pending-compaction-bytes");
		f->errors += cf_property(s, cf, "rocksdb.background-errors");
	}
	f->wal_bytes = wal_bytes(s);
	f->stopped = cf_property(s, CF_ROWS, "rocksdb.is-write-stopped");
	f->delayed_rate = cf_property(s, CF_ROWS, "rocksdb.actual-delayed-write-rate");
	f->compactions = cf_property(s, CF_ROWS, "rocksdb.num-running-compactions");
	f->flushes = cf_property(s, CF_ROWS, "rocksdb.num-running-flushes");
	f->cache_used = cf_property(s, CF_ROWS, "rocksdb.block-cache-usage");
	f->cache_pinned = cf_property(s, CF_ROWS, "rocksdb.block-cache-pinned-usage");
	f->cache_size = cf_property(s, CF_ROWS, "rocksdb.block-cache-capacity");
}
