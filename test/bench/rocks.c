#include "config.h"

#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "test/bench/db.h"
#include "test/bench/sample.h"

/*
 * rocks FOLDER SECONDS ROWS: the limit beside bulk inserts.  Batches of so many
 * rows, keys and rows as they are in the requests, each batch with fsync; prints
 * rows a second.
 *
 * rocks FOLDER SECONDS ROWS THREADS: the limit beside searches.  Gets by key, all over
 * so many rows, by so many threads; prints gets a second.
 */
#define THREADS_MAX 64

struct reader {
	rocksdb_t *db;
	uint64_t until, rows, got, seed;
	pthread_t id;
};

static void
put_row(rocksdb_writebatch_t *b, uint64_t id)
{
	char row[SAMPLE_MAX];
	size_t n = sample_row(row, id);

	db_put(b, id, row, n);
}

/* Until a time, or, with one batch, once. */
static uint64_t
fill(rocksdb_t *db, uint64_t until, unsigned rows)
{
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	uint64_t id = 0;

	do {
		for (unsigned i = 0; i < rows; i++)
			put_row(b, id++);
		db_write(db, b);
	} while (mono_us() < until);
	rocksdb_writebatch_destroy(b);
	return (id);
}

static void *
read_rows(void *arg)
{
	struct reader *r = arg;
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	char key[DB_KEY], *row, *why = NULL;
	size_t n;

	while (mono_us() < r->until) {
		db_key(key, sample_mixed(r->seed + r->got++) % r->rows);
		row = rocksdb_get(r->db, o, key, sizeof(key), &n, &why);
		if (row == NULL)
			errx(1, "get: %s", why != NULL ? why : "no row");
		free(row);
	}
	rocksdb_readoptions_destroy(o);
	return (NULL);
}

static uint64_t
read_all(rocksdb_t *db, uint64_t until, uint64_t rows, int threads)
{
	static struct reader readers[THREADS_MAX];
	uint64_t got = 0;

	for (int i = 0; i < threads; i++) {
		readers[i] = (struct reader){
			.db = db,
			.until = until,
			.rows = rows,
			.seed = (uint64_t)i << 40,
		};
		if (pthread_create(&readers[i].id, NULL, read_rows, &readers[i]) != 0)
			errx(1, "no thread");
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(readers[i].id, NULL);
		got += readers[i].got;
	}
	return (got);
}

int
main(int argc, char *argv[])
{
	double seconds = argc >= 4 ? atof(argv[2]) : 0;
	int rows = argc >= 4 ? atoi(argv[3]) : 0;
	int threads = argc == 5 ? atoi(argv[4]) : 0;
	rocksdb_t *db;
	uint64_t began, n, until;

	if (argc > 5 || seconds <= 0 || rows < 1 || threads < 0 || threads > THREADS_MAX)
		errx(2, "usage: rocks FOLDER SECONDS ROWS [THREADS]");
	db = db_open(argv[1]);
	if (threads > 0)
		fill(db, 0, (unsigned)rows);
	began = mono_us();
	until = began + (uint64_t)(seconds * 1e6);
	n = threads > 0 ? read_all(db, until, (uint64_t)rows, threads) :
			  fill(db, until, (unsigned)rows);
	printf("%.0f\n", (double)n * 1e6 / (double)(mono_us() - began));
	rocksdb_close(db);
	return (0);
}
