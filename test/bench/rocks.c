#include "config.h"

#include <err.h>
#include <inttypes.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "sample.h"

/*
 * rocks FOLDER SECONDS ROWS: the limit beside bulk inserts.  Batches of so many
 * rows, keys and rows as they are in the requests, each batch with fsync; prints
 * rows a second.
 */

static rocksdb_t *
open_store(const char *path)
{
	rocksdb_options_t	*o = rocksdb_options_create();
	rocksdb_t		*db;
	char			*why = NULL;

	rocksdb_options_set_create_if_missing(o, 1);
	db = rocksdb_open(o, path, &why);
	if (db == NULL)
		errx(1, "%s: %s", path, why);
	rocksdb_options_destroy(o);
	return (db);
}

static void
put_row(rocksdb_writebatch_t *b, uint64_t id)
{
	char	key[8], row[SAMPLE_MAX];

	for (int i = 0; i < 8; i++)
		key[i] = (char)(id >> (56 - 8 * i));
	rocksdb_writebatch_put(b, key, sizeof(key), row, sample_row(row, id));
}

static uint64_t
fill(rocksdb_t *db, uint64_t until, unsigned rows)
{
	rocksdb_writeoptions_t	*w = rocksdb_writeoptions_create();
	rocksdb_writebatch_t	*b = rocksdb_writebatch_create();
	uint64_t		 id = 0;
	char			*why = NULL;

	rocksdb_writeoptions_set_sync(w, 1);
	while (mono_us() < until) {
		rocksdb_writebatch_clear(b);
		for (unsigned i = 0; i < rows; i++)
			put_row(b, id++);
		rocksdb_write(db, w, b, &why);
		if (why != NULL)
			errx(1, "write: %s", why);
	}
	rocksdb_writebatch_destroy(b);
	rocksdb_writeoptions_destroy(w);
	return (id);
}

int
main(int argc, char *argv[])
{
	double		 seconds = argc == 4 ? atof(argv[2]) : 0;
	int		 rows = argc == 4 ? atoi(argv[3]) : 0;
	rocksdb_t	*db;
	uint64_t	 began, n;

	if (seconds <= 0 || rows < 1)
		errx(2, "usage: rocks FOLDER SECONDS ROWS");
	db = open_store(argv[1]);
	began = mono_us();
	n = fill(db, began + (uint64_t)(seconds * 1e6), (unsigned)rows);
	printf("%.0f\n", (double)n * 1e6 / (double)(mono_us() - began));
	rocksdb_close(db);
	return (0);
}
