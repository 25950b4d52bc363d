#include "config.h"

#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "test/bench/sample.h"

/*
 * What an application does with its SQLite file, in WAL with synchronous NORMAL, in a table `lite`
 * that is made when it is not there.
 *
 * lite insert FILE SECONDS ROWS: transactions of so many rows; prints rows a second.
 *
 * lite visible FROM TO RATE SECONDS: single rows into one file, so many a second; prints after how many
 * microseconds they could be read in the other, the median and the 99th percentile.
 *
 * lite refused FILE SECONDS WAIT: a row each millisecond, with that busy timeout in milliseconds; prints
 * how many were refused, and of how many.
 */
#define STALL_US 60000000
#define LOOK_US  300

struct app {
	sqlite3 *db;
	sqlite3_stmt *insert;
	uint64_t id;
};

static void
fail(sqlite3 *db, const char *what)
{
	errx(1, "%s: %s", what, sqlite3_errmsg(db));
}

static void
run_text(struct app *a, const char *sql)
{
	if (sqlite3_exec(a->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail(a->db, sql);
}

static uint64_t
get_int(struct app *a, const char *sql)
{
	sqlite3_stmt *s;
	uint64_t n = 0;

	if (sqlite3_prepare_v2(a->db, sql, -1, &s, NULL) != SQLITE_OK)
		fail(a->db, sql);
	if (sqlite3_step(s) == SQLITE_ROW)
		n = (uint64_t)sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return (n);
}

static void
app_open(struct app *a, const char *path, int wait_ms)
{
	if (sqlite3_open(path, &a->db) != SQLITE_OK)
		errx(1, "%s cannot be opened", path);
	sqlite3_busy_timeout(a->db, 10000);
	run_text(a,
	    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
	    "CREATE TABLE IF NOT EXISTS lite(id INTEGER PRIMARY KEY, name TEXT, weight REAL,"
	    " active INTEGER, note TEXT)");
	a->id = get_int(a, "SELECT max(id) FROM lite WHERE id < 1 << 32");
	if (sqlite3_prepare_v2(a->db, "INSERT INTO lite VALUES (?1, 'name-' || ?1, ?2, 1, ?3)", -1,
		&a->insert, NULL) != SQLITE_OK)
		fail(a->db, "insert");
	sqlite3_busy_timeout(a->db, wait_ms);
}

/* SQLite's code. */
static int
insert_next(struct app *a)
{
	char note[121];
	int rc;

	snprintf(note, sizeof(note), "%0120" PRIu64, a->id + 1);
	sqlite3_bind_int64(a->insert, 1, (int64_t)a->id + 1);
	sqlite3_bind_double(a->insert, 2, (double)(a->id % 100) + .5);
	sqlite3_bind_text(a->insert, 3, note, -1, SQLITE_STATIC);
	rc = sqlite3_step(a->insert);
	sqlite3_reset(a->insert);
	a->id += rc == SQLITE_DONE;
	return (rc);
}

static void
sleep_until(uint64_t us)
{
	uint64_t now = mono_us();
	struct timespec t;

	if (now >= us)
		return;
	t = (struct timespec){ (time_t)((us - now) / 1000000),
		(long)((us - now) % 1000000) * 1000 };
	nanosleep(&t, NULL);
}

static void
insert_rows(struct app *a, double seconds, int rows)
{
	uint64_t began = mono_us(), n = 0;

	do {
		if (rows > 1)
			run_text(a, "BEGIN IMMEDIATE");
		for (int i = 0; i < rows; i++, n++)
			if (insert_next(a) != SQLITE_DONE)
				fail(a->db, "insert");
		if (rows > 1)
			run_text(a, "COMMIT");
	} while ((double)(mono_us() - began) < seconds * 1e6);
	printf("%.0f\n", (double)n * 1e6 / (double)(mono_us() - began));
}

static void
insert_steadily(struct app *a, double seconds)
{
	uint64_t began = mono_us(), n = 0, refused = 0;
	int rc;

	while ((double)(mono_us() - began) < seconds * 1e6) {
		rc = insert_next(a);
		if (rc == SQLITE_BUSY)
			refused++;
		else if (rc != SQLITE_DONE)
			fail(a->db, "insert");
		sleep_until(began + ++n * 1000);
	}
	printf("%" PRIu64 " %" PRIu64 "\n", refused, n);
}

/* ---- from one file to another ---- */

struct way {
	struct app from, to;
	uint64_t rate, total, first;
	_Atomic uint64_t *sent_us;
	uint64_t *took_us, came;
};

static void *
send_rows(void *arg)
{
	struct way *w = arg;
	uint64_t began = mono_us();

	for (uint64_t i = 0; i < w->total; i++) {
		sleep_until(began + i * 1000000 / w->rate);
		if (insert_next(&w->from) != SQLITE_DONE)
			fail(w->from.db, "insert");
		w->sent_us[i] = mono_us();
	}
	return (NULL);
}

/* Those that are there and were not: an id once. */
static void
take_rows(struct way *w, sqlite3_stmt *s, uint64_t oldest)
{
	uint64_t now = mono_us(), i;

	sqlite3_bind_int64(s, 1, (int64_t)(w->first + oldest));
	while (sqlite3_step(s) == SQLITE_ROW) {
		i = (uint64_t)sqlite3_column_int64(s, 0) - w->first;
		if (i >= w->total || w->took_us[i] != 0)
			continue;
		/* The writer may not have noted it yet. */
		w->took_us[i] = w->sent_us[i] != 0 && now > w->sent_us[i] ? now - w->sent_us[i] : 1;
		w->came++;
	}
	sqlite3_reset(s);
}

static void
await_rows(struct way *w)
{
	uint64_t oldest = 0, last_us = mono_us(), came;
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(w->to.db, "SELECT id FROM lite WHERE id >= ?", -1, &s, NULL) !=
	    SQLITE_OK)
		fail(w->to.db, "look");
	while (w->came < w->total) {
		came = w->came;
		take_rows(w, s, oldest);
		while (oldest < w->total && w->took_us[oldest] != 0)
			oldest++;
		if (w->came != came)
			last_us = mono_us();
		else if (mono_us() - last_us > STALL_US)
			errx(1, "nothing comes: %" PRIu64 " of %" PRIu64, w->came, w->total);
		sleep_until(mono_us() + LOOK_US);
	}
	sqlite3_finalize(s);
}

static void
measure_way(const char *from, const char *to, uint64_t rate, double seconds)
{
	struct way w = { .rate = rate, .total = (uint64_t)((double)rate * seconds) };
	pthread_t writer;
	double half, most;

	app_open(&w.from, from, 10000);
	app_open(&w.to, to, 10000);
	w.first = w.from.id + 1;
	w.sent_us = xcalloc(w.total, sizeof(*w.sent_us));
	w.took_us = xcalloc(w.total, sizeof(*w.took_us));
	if (pthread_create(&writer, NULL, send_rows, &w) != 0)
		errx(1, "no thread");
	await_rows(&w);
	pthread_join(writer, NULL);
	half = sample_quantile(w.took_us, w.total, 500);
	most = sample_quantile(w.took_us, w.total, 990);
	printf("%.0f %.0f\n", half, most);
}

int
main(int argc, char *argv[])
{
	struct app a = { 0 };

	if (argc == 5 && strcmp(argv[1], "insert") == 0 && atoi(argv[4]) > 0) {
		app_open(&a, argv[2], 10000);
		insert_rows(&a, atof(argv[3]), atoi(argv[4]));
	} else if (argc == 5 && strcmp(argv[1], "refused") == 0) {
		app_open(&a, argv[2], atoi(argv[4]));
		/* What comes from elsewhere meanwhile has those below. */
		a.id = get_int(&a, "SELECT max(max(id), 1 << 32) FROM lite");
		insert_steadily(&a, atof(argv[3]));
	} else if (argc == 6 && strcmp(argv[1], "visible") == 0 && atoi(argv[4]) > 0)
		measure_way(argv[2], argv[3], (uint64_t)atoi(argv[4]), atof(argv[5]));
	else
		errx(2,
		    "usage: lite insert FILE SECONDS ROWS, lite visible FROM TO RATE SECONDS, "
		    "lite refused FILE SECONDS WAIT");
	return (0);
}
