#include "config.h"

#include "test/bench/db.h"

#include <err.h>

rocksdb_t *
db_open(const char *path)
{
	rocksdb_options_t *o = rocksdb_options_create();
	rocksdb_t *db;
	char *why = NULL;

	rocksdb_options_set_create_if_missing(o, 1);
	db = rocksdb_open(o, path, &why);
	if (db == NULL)
		errx(1, "%s: %s", path, why);
	rocksdb_options_destroy(o);
	return (db);
}

void
db_key(char key[DB_KEY], uint64_t id)
{
	for (int i = 0; i < DB_KEY; i++)
		key[i] = (char)(id >> (56 - 8 * i));
}

void
db_put(rocksdb_writebatch_t *b, uint64_t id, const void *row, size_t n)
{
	char key[DB_KEY];

	db_key(key, id);
	rocksdb_writebatch_put(b, key, sizeof(key), row, n);
}

void
db_write(rocksdb_t *db, rocksdb_writebatch_t *b)
{
	rocksdb_writeoptions_t *w = rocksdb_writeoptions_create();
	char *why = NULL;

	rocksdb_writeoptions_set_sync(w, 1);
	rocksdb_write(db, w, b, &why);
	if (why != NULL)
		errx(1, "write: %s", why);
	rocksdb_writebatch_clear(b);
	rocksdb_writeoptions_destroy(w);
}
