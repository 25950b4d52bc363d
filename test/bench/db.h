#ifndef HL_BENCH_DB_H
#define HL_BENCH_DB_H

#include <rocksdb/c.h>
#include <stddef.h>
#include <stdint.h>

/* A bare RocksDB, for the limits; what fails ends the program. */

#define DB_KEY 8

rocksdb_t *db_open(const char *path);
void db_key(char key[DB_KEY], uint64_t id); /* they sort as their numbers do */
void db_put(rocksdb_writebatch_t *b, uint64_t id, const void *row, size_t n);
/* With one fsync; the batch is empty after. */
void db_write(rocksdb_t *db, rocksdb_writebatch_t *b);

#endif
