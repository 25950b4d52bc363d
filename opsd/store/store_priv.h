#ifndef HL_STORE_PRIV_H
#define HL_STORE_PRIV_H

#include <rocksdb/c.h>

#include "opsd/store/store.h"

/* What store.c and store_figures.c share. */
struct store {
	rocksdb_t *db;
	rocksdb_column_family_handle_t *cf[CF_COUNT + 1];
	rocksdb_options_t *options;
	rocksdb_block_based_table_options_t *table_options;
	rocksdb_cache_t *cache;
	rocksdb_readoptions_t *read;
	rocksdb_writeoptions_t *sync, *async;
	char *path;
	int read_only;
};

#endif
