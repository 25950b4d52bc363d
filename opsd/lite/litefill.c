#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/lite/lite_priv.h"
#include "opsd/lite/litedb.h"
#include "opsd/store/key.h"
#include "opsd/store/queue.h"
#include "opsd/store/row.h"

/*
 * Rows of the queue into the file, as they are in the store by then.  Short transactions while the application
 * writes, since others wait for each.  What the application changed since is in its log, and is
 * taken first.  Of rows that cannot all be there for a UNIQUE index the newest are: so files of
 * all nodes end alike, and the others are refused until that changes.
 */
#define ROWS_BUSY    64
#define ROWS_IDLE    1024
#define BUSY_US      2000
#define IDLE_US      20000
#define ACTIVE_US    1000000
#define DISPLACED    32
#define ROUND_US     1000000 /* when rows that were refused are tried again, */
#define ROUND_ROW_US 1000    /* and for each of them later */

/* A row that is to be written, or was. */
struct filled {
	struct litetable *t;
	struct buf key, state, base;
	int placed; /* 1: the file is as state; -1: it is not in the file; 0: as it was */
	struct filled *next;
};

struct filling {
	struct commit_job job; /* first */
	struct litefile *f;
	struct filled *rows, **tail;
	size_t n;
	struct litekeys pending;
	int rc; /* of SQLite, when nothing can go on */
};

static void
name_row(struct buf *k, const struct litetable *t, const uint8_t *key, size_t klen)
{
	buf_clear(k);
	buf_be32(k, t->number);
	buf_add(k, key, klen);
}

struct literefused *
litefill_refused(struct litefile *f, const struct litetable *t, const uint8_t *key, size_t klen)
{
	struct buf k = { 0 };
	struct literefused *r;

	name_row(&k, t, key, klen);
	HASH_FIND(hh, f->refused, k.data, k.len, r);
	buf_free(&k);
	return (r);
}

void
litefill_refuse(struct litefile *f, const struct litetable *t, const uint8_t *key, size_t klen,
    uint64_t newest, const char *why)
{
	struct literefused *r = litefill_refused(f, t, key, klen);
	struct buf k = { 0 };

	if (r == NULL) {
		name_row(&k, t, key, klen);
		r = xcalloc(1, sizeof(*r));
		r->klen = k.len;
		r->key = k.data;
		HASH_ADD_KEYPTR(hh, f->refused, r->key, r->klen, r);
	}
	free(r->why);
	r->why = litedb_utf8(xstrdup(why));
	r->newest = newest;
}

static void
refused_drop(struct litefile *f, struct literefused *r)
{
	HASH_DEL(f->refused, r);
	free(r->key);
	free(r->why);
	free(r);
}

void
litefill_forget(struct litefile *f, const struct litetable *t, const uint8_t *key, size_t klen)
{
	struct literefused *r = litefill_refused(f, t, key, klen);

	if (r != NULL)
		refused_drop(f, r);
}

void
litefill_clear(struct litefile *f)
{
	struct literefused *r, *tmp;

	HASH_ITER(hh, f->refused, r, tmp)
		refused_drop(f, r);
}

static struct filled *
filled_add(struct filling *w, struct litetable *t, const uint8_t *key, size_t klen)
{
	struct filled *x = xcalloc(1, sizeof(*x));

	x->t = t;
	buf_add(&x->key, key, klen);
	*w->tail = x;
	w->tail = &x->next;
	w->n++;
	return (x);
}

static struct filled *
filled_find(struct filling *w, const struct litetable *t, const struct buf *key)
{
	struct filled *x;

	for (x = w->rows; x != NULL; x = x->next)
		if (x->t == t && x->key.len == key->len &&
		    memcmp(x->key.data, key->data, key->len) == 0)
			break;
	return (x);
}

static void
filling_free(struct filling *w)
{
	struct filled *x, *next;

	litedrain_keys_free(&w->pending);
	for (x = w->rows; x != NULL; x = next) {
		next = x->next;
		buf_free(&x->key);
		buf_free(&x->state);
		buf_free(&x->base);
		free(x);
	}
	free(w->job.error);
}

static int
read_state(struct litefile *f, struct filled *x)
{
	struct buf k = { 0 };
	int rc;

	key_row(&k, x->t->id, x->key.data, x->key.len);
	rc = store_get(f->data->store, NULL, CF_ROWS, k.data, k.len, &x->state);
	buf_free(&k);
	return (rc);
}

/* 1: it is in the queue, with what the file has of it. */
static int
read_base(struct litefile *f, struct filled *x)
{
	struct buf k = { 0 };
	int rc;

	key_row(&k, x->t->id, x->key.data, x->key.len);
	rc = store_get(f->data->store, NULL, CF_QUEUE, k.data, k.len, &x->base);
	buf_free(&k);
	return (rc == 1);
}

/* Those that are next in the queue of the table. */
static void
gather_table(struct filling *w, struct litetable *t, size_t most, int again)
{
	struct litefile *f = w->f;
	struct buf from = { 0 }, to = { 0 };
	struct store_iter *it;

	buf_be32(&from, t->id);
	key_table_end(&to, t->id);
	it = store_iter_new(f->data->store, NULL, CF_QUEUE, from.data, from.len, to.data, to.len);
	if (f->fill_last.len == 0)
		store_iter_first(it);
	else {
		buf_add(&from, f->fill_last.data, f->fill_last.len);
		buf_u8(&from, 0);
		store_iter_seek(it, from.data, from.len);
	}
	for (; store_iter_valid(it) && w->n < most; store_iter_next(it)) {
		size_t klen, n;
		const uint8_t *key = store_iter_key(it, &klen), *base = store_iter_value(it, &n);
		struct filled *x;

		buf_clear(&f->fill_last);
		buf_add(&f->fill_last, key + 4, klen - 4);
		if (!again && litefill_refused(f, t, key + 4, klen - 4) != NULL)
			continue;
		x = filled_add(w, t, key + 4, klen - 4);
		buf_add(&x->base, base, n);
	}
	if (!store_iter_valid(it)) {
		f->fill_table++;
		buf_clear(&f->fill_last);
	}
	store_iter_free(it);
	buf_free(&from);
	buf_free(&to);
}

static uint64_t
newest_of(const struct buf *state)
{
	struct row row = { 0 };
	uint64_t newest;

	row_load(&row, state->data, state->len);
	newest = row_newest(&row).time;
	row_free(&row);
	return (newest);
}

/* The order in which rows have a right to a value; the same on all nodes. */
static int
is_newer_row(const struct filled *a, const struct filled *b)
{
	struct row x = { 0 }, y = { 0 };
	int c;

	row_load(&x, a->state.data, a->state.len);
	row_load(&y, b->state.data, b->state.len);
	c = stamp_cmp(row_newest(&x), row_newest(&y));
	row_free(&x);
	row_free(&y);
	if (c == 0) {
		size_t n = a->key.len < b->key.len ? a->key.len : b->key.len;

		c = memcmp(a->key.data, b->key.data, n);
		c = c != 0 ? c : a->key.len > b->key.len ? 1 : -1;
	}
	return (c > 0);
}

/* Whether the row must begin anew, as what it does not say would stay from before. */
static int
is_remade(const struct filled *x, const struct row *row)
{
	struct row base = { 0 };
	int remade;

	row_load(&base, x->base.data, x->base.len);
	remade = row_visible(&base) && row_visible(row) &&
	    stamp_cmp(row->cleared, base.cleared) > 0 && (int)row->n < x->t->nattrs;
	row_free(&base);
	return (remade);
}

static int
erase_rival(struct litefile *f, struct filled *x)
{
	struct row none = { 0 };
	struct literival *rivals;
	char *why = NULL;
	int rc = litewrite_row(f, x->t, x->key.data, x->key.len, &none, 0, &rivals, &why);

	free(why);
	if (rc == SQLITE_OK)
		x->placed = -1;
	return (rc);
}

/* 1: it gives way; 0: it stays; -1: nothing can go on. */
static int
displace_row(struct filling *w, struct filled *x, const struct buf *key, int *displaced)
{
	struct litefile *f = w->f;
	struct filled *r = filled_find(w, x->t, key);
	int waits;

	if (litedrain_keys_has(&w->pending, x->t, key))
		return (0);
	if (r == NULL) {
		r = filled_add(w, x->t, key->data, key->len);
		if (read_state(f, r) == -1)
			return (-1);
		waits = read_base(f, r);
	} else
		waits = r->placed == 0;
	if (!waits && !is_newer_row(x, r))
		return (0);
	if (++*displaced > DISPLACED)
		return (0);
	w->rc = erase_rival(f, r);
	if (w->rc == SQLITE_OK && !waits)
		litefill_refuse(f, r->t, r->key.data, r->key.len, newest_of(&r->state),
		    "a newer row has the same value in a UNIQUE index");
	return (w->rc == SQLITE_OK ? 1 : -1);
}

/* The row into the file; those that it displaced are tried after it. */
static void
place_row(struct filling *w, struct filled *x, int depth)
{
	struct litefile *f = w->f;
	struct row row = { 0 };
	struct literival *rivals, *r;
	char *why = NULL;
	int rc, gone = 1, displaced = 0;

	row_load(&row, x->state.data, x->state.len);
	rc = litewrite_row(f, x->t, x->key.data, x->key.len, &row, is_remade(x, &row), &rivals,
	    &why);
	for (r = rivals; r != NULL && gone == 1; r = r->next)
		gone = displace_row(w, x, &r->key, &displaced);
	if (rivals != NULL && gone == 1) {
		struct literival *none;

		free(why);
		why = NULL;
		rc = litewrite_row(f, x->t, x->key.data, x->key.len, &row, 0, &none, &why);
		litewrite_rivals_free(none);
	}
	if (rc == SQLITE_OK) {
		x->placed = 1;
		litefill_forget(f, x->t, x->key.data, x->key.len);
	} else if ((rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISMATCH ||
	    (rc & 0xff) == SQLITE_TOOBIG || (rc & 0xff) == SQLITE_ERROR)
		litefill_refuse(f, x->t, x->key.data, x->key.len, row_newest(&row).time, why);
	else
		w->rc = rc;
	for (r = rivals; r != NULL && depth < DISPLACED && w->rc == SQLITE_OK; r = r->next) {
		struct filled *y = filled_find(w, x->t, &r->key);

		if (y != NULL && y->placed == -1 &&
		    litefill_refused(f, y->t, y->key.data, y->key.len) == NULL)
			place_row(w, y, depth + 1);
	}
	litewrite_rivals_free(rivals);
	row_free(&row);
	free(why);
}

/* What a start finds, should the process end before the store has it. */
static int
write_applied(struct filling *w)
{
	sqlite3 *db = w->f->db;
	sqlite3_stmt *s = litedb_prepare(db, "INSERT INTO " LITE_APPLIED " VALUES (?, ?, ?)");
	struct filled *x;
	int rc = SQLITE_OK;

	for (x = w->rows; x != NULL && x->placed == 0; x = x->next)
		;
	if (x != NULL)
		rc = s != NULL ? litedb_exec(db, "DELETE FROM " LITE_APPLIED) : SQLITE_ERROR;
	for (x = w->rows; x != NULL && rc == SQLITE_OK; x = x->next) {
		if (x->placed == 0)
			continue;
		sqlite3_bind_int64(s, 1, x->t->number);
		sqlite3_bind_blob64(s, 2, x->key.data, x->key.len, SQLITE_STATIC);
		if (x->placed == 1)
			sqlite3_bind_blob64(s, 3, x->state.data, x->state.len, SQLITE_STATIC);
		if (x->placed != 1 || x->state.len == 0)
			sqlite3_bind_zeroblob(s, 3, 0);
		rc = sqlite3_step(s) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(db);
		sqlite3_reset(s);
	}
	sqlite3_finalize(s);
	return (rc);
}

static void
fill_run(struct group *g, struct commit_job *j)
{
	struct filling *w = (struct filling *)j;
	struct filled *x;

	for (x = w->rows; x != NULL; x = x->next) {
		struct table *t = x->placed != 0 ? group_table(g, x->t->id) : NULL;
		struct group_row *gr = t != NULL ? group_row(g, t, x->key.data, x->key.len) : NULL;

		if (gr != NULL && queue_differs(g, gr))
			queue_said(gr, x->state.len > 0 ? (const void *)x->state.data : "",
			    x->placed == 1 ? x->state.len : 0);
		else if (gr != NULL && x->placed == -1)
			queue_said(gr, "", 0);
	}
}

/* -1: nothing of it is in the file. */
static int
write_some(struct filling *w)
{
	struct litefile *f = w->f;
	int idle = mono_us() - f->active_us > ACTIVE_US;
	uint64_t until;
	struct filled *x;

	w->rc = liteopen_begin(f);
	if (w->rc != SQLITE_OK)
		return (-1);
	until = mono_us() + (idle ? IDLE_US : BUSY_US);
	if (!liteopen_is_current(f) || litedrain_keys_read(f, &w->pending) == -1) {
		litedb_exec(f->db, "ROLLBACK");
		return (-1);
	}
	for (x = w->rows; x != NULL && w->rc == SQLITE_OK; x = x->next) {
		if (x->placed != 0)
			continue;
		if (mono_us() > until || litedrain_keys_has(&w->pending, x->t, &x->key)) {
			f->fill_more = f->fill_left = 1;
			continue;
		}
		if (read_state(f, x) == -1)
			w->rc = SQLITE_ERROR;
		else
			place_row(w, x, 0);
	}
	if (w->rc == SQLITE_OK)
		w->rc = write_applied(w);
	if (w->rc == SQLITE_OK)
		w->rc = litedb_exec(f->db, "COMMIT");
	if (w->rc != SQLITE_OK)
		liteopen_undo(f);
	return (w->rc == SQLITE_OK ? 0 : -1);
}

static int64_t
queued_rows(const struct litefile *f)
{
	struct table *t;
	int64_t n = 0;

	for (size_t i = 0; i < f->ntables; i++)
		if ((t = catalog_by_id(f->data->catalog, f->tables[i].id)) != NULL) {
			n += t->stat->file_pending;
			table_unref(t);
		}
	return (n);
}

/* What is next; those that were refused once a second, and when others moved. */
static void
gather_queued(struct filling *w)
{
	struct litefile *f = w->f;
	size_t most = mono_us() - f->active_us > ACTIVE_US ? ROWS_IDLE : ROWS_BUSY;
	int again = f->round_us == 0;

	while (f->fill_table < f->ntables && w->n < most)
		if (f->tables[f->fill_table].id != 0 && f->tables[f->fill_table].look != LOOK_LOCAL)
			gather_table(w, &f->tables[f->fill_table], most, again);
		else
			f->fill_table++;
	if (f->fill_table >= f->ntables && w->n < most) {
		f->fill_table = 0;
		buf_clear(&f->fill_last);
		f->fill_more = f->fill_left;
		f->fill_left = 0;
		f->round_us = mono_us();
	}
}

int
litefill_some(struct litefile *f)
{
	struct filling w = { .f = f };
	struct filled *x;
	uint64_t placed = 0;
	int rc = 0;

	w.tail = &w.rows;
	w.job.run = fill_run;
	if (mono_us() - f->round_us > ROUND_US + HASH_COUNT(f->refused) * ROUND_ROW_US)
		f->round_us = 0;
	if (queued_rows(f) == 0) {
		f->unfilled = 0;
		return (0);
	}
	if (!f->fill_more && f->round_us != 0)
		return (0);
	f->fill_more = 1;
	gather_queued(&w);
	if (w.n > 0 && !lite_stopping(f)) {
		rc = write_some(&w);
		for (x = w.rows; x != NULL && rc == 0; x = x->next)
			placed += x->placed != 0;
		if (rc == 0 && placed > 0 && commit_wait(f->data->commit, &w.job) != 200)
			rc = -1;
		f->figures.applied += placed;
		if (rc == -1 && litedb_is_busy(w.rc))
			lite_held_off(f, 1);
		else if (rc == -1 && w.rc != SQLITE_OK) {
			f->unfilled = 1;
			lite_say(f, liteopen_fault(f));
		}
		if (rc == -1)
			f->fill_more = f->fill_left = 1;
		else {
			lite_held_off(f, 0);
			f->unfilled = 0;
			rc = 1;
		}
	}
	/* Where something moved, what was refused may have its turn. */
	if (placed > 0 && f->refused != NULL)
		f->round_us = 0;
	filling_free(&w);
	return (rc);
}

void
litefill_recall(struct litefile *f)
{
	sqlite3_stmt *s = litedb_prepare(f->db, "SELECT tbl, k, state FROM " LITE_APPLIED);
	struct filling w = { .f = f };

	w.tail = &w.rows;
	w.job.run = fill_run;
	while (s != NULL && sqlite3_step(s) == SQLITE_ROW) {
		struct litetable *t = liteopen_table(f, (unsigned)sqlite3_column_int(s, 0));
		struct filled *x;

		if (t == NULL)
			continue;
		x = filled_add(&w, t, sqlite3_column_blob(s, 1),
		    (size_t)sqlite3_column_bytes(s, 1));
		buf_add(&x->state, sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2));
		x->placed = read_base(f, x);
	}
	sqlite3_finalize(s);
	if (w.n > 0 && !lite_stopping(f))
		commit_wait(f->data->commit, &w.job);
	filling_free(&w);
}
