#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/lite/lite_priv.h"
#include "opsd/lite/litedb.h"

/*
 * What the application changed: keys out of the file's log, rows as they are now, into the store; then the keys
 * leave the log.  That a key is there is all that is known of it: taken twice, it is the same
 * row again, which changes nothing.
 */
#define WINDOW_ROWS 512
#define WINDOW_MS   1000 /* what was written at times so far apart gets stamps of its own */
#define PRUNE_ROWS  4096
#define PRUNE_US    100000

#define KEYS_MOST 512 /* of the log that are held in memory; beyond, they are taken first */

struct litelogged {
	uint8_t *key; /* number of the table, key */
	size_t klen;
	UT_hash_handle hh;
};

struct lite_window {
	struct litebatch batch;
	struct litekeys seen;
	int64_t upto, from_ms;
	int rows;
};

static struct litelogged *
find_logged(const struct litekeys *keys, const struct litetable *t, const struct buf *key,
    struct buf *named)
{
	struct litelogged *l;

	buf_be32(named, t->number);
	buf_add(named, key->data, key->len);
	HASH_FIND(hh, keys->first, named->data, named->len, l);
	return (l);
}

int
litedrain_keys_has(const struct litekeys *keys, const struct litetable *t, const struct buf *key)
{
	struct buf named = { 0 };
	int has = find_logged(keys, t, key, &named) != NULL;

	buf_free(&named);
	return (has);
}

/* 1: it was not there. */
static int
add_logged(struct litekeys *keys, const struct litetable *t, const struct buf *key)
{
	struct buf named = { 0 };
	struct litelogged *l = find_logged(keys, t, key, &named);

	if (l != NULL) {
		buf_free(&named);
		return (0);
	}
	l = xcalloc(1, sizeof(*l));
	l->key = buf_take(&named, &l->klen);
	HASH_ADD_KEYPTR(hh, keys->first, l->key, l->klen, l);
	return (1);
}

void
litedrain_keys_free(struct litekeys *keys)
{
	struct litelogged *l, *tmp;

	HASH_ITER(hh, keys->first, l, tmp) {
		HASH_DEL(keys->first, l);
		free(l->key);
		free(l);
	}
}

int
litedrain_keys_read(struct litefile *f, struct litekeys *keys)
{
	sqlite3_stmt *s = litedb_prepare(f->db,
	    "SELECT tbl, k1, k2, k3, k4, k5, k6, k7, k8 FROM " LITE_LOG " WHERE id > %lld LIMIT %d",
	    (long long)f->drained, KEYS_MOST + 1);
	int n = 0, rc = SQLITE_ERROR;

	while (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW && n++ < KEYS_MOST) {
		struct litetable *t = liteopen_table(f, (unsigned)sqlite3_column_int(s, 0));
		struct litevalue key[LITE_KEYS_MAX];
		struct buf bytes = { 0 };

		for (int i = 0; t != NULL && i < t->nkeys; i++)
			litevalue_column(&key[i], s, 1 + i);
		if (t != NULL && litekey_make(&bytes, key, t->nkeys) == NULL)
			add_logged(keys, t, &bytes);
		buf_free(&bytes);
	}
	sqlite3_finalize(s);
	return (rc == SQLITE_DONE ? 0 : -1);
}

/* The row of one entry; SQLite's result code, SQLITE_DONE or SQLITE_ROW when all is well. */
static int
take_logged(struct litefile *f, struct lite_window *w, sqlite3_stmt *s)
{
	struct litetable *t = liteopen_table(f, (unsigned)sqlite3_column_int(s, 1));
	struct litevalue key[LITE_KEYS_MAX];
	struct buf bytes = { 0 };
	const char *why;
	int rc = SQLITE_DONE;

	if (t == NULL)
		return (rc);
	for (int i = 0; i < t->nkeys; i++)
		litevalue_column(&key[i], s, 3 + i);
	why = litekey_make(&bytes, key, t->nkeys);
	if (why != NULL)
		litefill_refuse(f, t, bytes.data, bytes.len, 0, why);
	else if (add_logged(&w->seen, t, &bytes))
		rc = litebatch_add(&w->batch, t, key, &bytes);
	buf_free(&bytes);
	return (rc);
}

/* Whether the entry begins another window. */
static int
is_other_window(const struct lite_window *w, int64_t at)
{
	return (w->rows > 0 &&
	    (at - w->from_ms > WINDOW_MS || at < w->from_ms - WINDOW_MS ||
		litebatch_full(&w->batch)));
}

/* -1: not now. */
static int
read_window(struct litefile *f, struct lite_window *w)
{
	sqlite3_stmt *s = litedb_prepare(f->db,
	    "SELECT id, tbl, at, k1, k2, k3, k4, k5, k6, k7, k8 FROM " LITE_LOG
	    " WHERE id > %lld ORDER BY id LIMIT %d",
	    (long long)f->drained, WINDOW_ROWS);
	int rc = s == NULL ? sqlite3_errcode(f->db) : sqlite3_step(s);

	while (rc == SQLITE_ROW) {
		int64_t at = sqlite3_column_int64(s, 2);

		if (is_other_window(w, at))
			break;
		if (w->rows++ == 0)
			w->from_ms = at;
		rc = take_logged(f, w, s);
		if (rc != SQLITE_ROW && rc != SQLITE_DONE)
			break;
		w->upto = sqlite3_column_int64(s, 0);
		w->batch.at_ms = (uint64_t)(at > 0 ? at : 0);
		rc = sqlite3_step(s);
	}
	sqlite3_finalize(s);
	return (rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1);
}

/* -1, with the reason in status. */
static int
say_fault(struct litefile *f)
{
	if (litedb_is_busy(sqlite3_errcode(f->db)))
		lite_held_off(f, 1);
	else
		lite_say(f, litedb_fault(f->db, f->path));
	return (-1);
}

int
litedrain_window(struct litefile *f)
{
	struct lite_window w = { 0 };
	int own = sqlite3_get_autocommit(f->db), rc;

	litebatch_begin(&w.batch, f, 1);
	if (own && litedb_exec(f->db, "BEGIN") != SQLITE_OK)
		return (say_fault(f));
	/* Of tables and columns that are not known yet, rows would be passed over. */
	rc = liteopen_is_current(f) ? read_window(f, &w) : -1;
	if (rc == -1 && f->schema != -1)
		say_fault(f);
	if (own)
		litedb_exec(f->db, "COMMIT");
	if (rc == 0 && w.rows > 0) {
		if (litebatch_commit(&w.batch) == 200) {
			f->drained = w.upto;
			f->drained_rows += (uint64_t)w.rows;
			f->figures.captured += w.batch.different;
			rc = 1;
		} else {
			lite_say(f,
			    xasprintf("what the application wrote cannot be taken: %s",
				w.batch.job.error));
			rc = -1;
		}
	}
	litedrain_keys_free(&w.seen);
	litebatch_free(&w.batch);
	return (rc);
}

int
litedrain_prune(struct litefile *f, int now)
{
	uint64_t us = mono_us();
	int rc;

	if (f->drained_rows == 0 ||
	    (!now && f->drained_rows < PRUNE_ROWS && us - f->pruned_us < PRUNE_US))
		return (0);
	rc = litedb_execf(f->db, "DELETE FROM " LITE_LOG " WHERE id <= %lld",
	    (long long)f->drained);
	if (rc != SQLITE_OK)
		return (say_fault(f));
	lite_held_off(f, 0);
	/* An empty log begins at 1 again, and what is left of it is all new. */
	f->drained = 0;
	f->drained_rows = 0;
	f->pruned_us = us;
	return (0);
}

int64_t
litedrain_pending(struct litefile *f)
{
	return (litedb_int(f->db, 0, "SELECT count(*) FROM " LITE_LOG " WHERE id > %lld",
	    (long long)f->drained));
}
