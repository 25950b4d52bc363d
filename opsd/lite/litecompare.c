#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/lite/lite_priv.h"
#include "opsd/lite/litedb.h"
#include "opsd/store/key.h"
#include "opsd/store/row.h"

/*
 * All rows of both, a few at a time: first those of the store, each looked up in the file, then those
 * of the file, each looked up in the store.  What the application changed meanwhile comes by the log,
 * and what the store has for the file by the queue; both are passed over here.
 */
#define ROWS 256

void
litecompare_begin(struct litefile *f, enum lite_compare_mode mode, size_t from, size_t to)
{
	struct litecompare *c = &f->compare;

	buf_free(&c->last);
	*c = (struct litecompare){ .mode = mode, .from = from, .table = from, .to = to };
}

/* What one step found. */
struct step {
	struct litebatch take, follow, fresh;
	struct litekeys pending;
	int more;
};

static int
is_step_full(const struct step *s)
{
	return (litebatch_full(&s->take) || litebatch_full(&s->follow));
}

/* A row goes where the mode says that it does. */
static struct litebatch *
choose_batch(struct litefile *f, struct step *s, int present)
{
	if (f->compare.mode == COMPARE_TAKE && (present || !f->compare.keep))
		return (&s->take);
	return (&s->follow);
}

/* Looks the key up in the file; SQLite's result code. */
static int
look_up_key(struct litefile *f, struct litetable *t, struct step *s, const struct buf *key)
{
	struct litevalue values[LITE_KEYS_MAX];
	const char *why = litekey_read(values, t->nkeys, key->data, key->len);
	sqlite3_stmt *row = NULL;
	int rc = SQLITE_DONE;

	if (why == NULL && !litedrain_keys_has(&s->pending, t, key)) {
		rc = litetable_select(t, f->db, values, &row);
		sqlite3_reset(row);
		if (rc == SQLITE_ROW || rc == SQLITE_DONE)
			rc = litebatch_add(choose_batch(f, s, rc == SQLITE_ROW), t, values, key);
		if (rc == SQLITE_ROW && f->compare.mode == COMPARE_FOLLOW && litetable_has_fresh(t))
			rc = litebatch_add(&s->fresh, t, values, key);
	} else
		f->compare.skipped++;
	for (int i = 0; i < t->nkeys; i++)
		litevalue_free(&values[i]);
	return (rc);
}

/* The next rows of the store; SQLite's result code. */
static int
step_store(struct litefile *f, struct litetable *t, struct step *s)
{
	struct litecompare *c = &f->compare;
	struct store_iter *it = store_iter_rows(f->data->store, t->id);
	struct buf key = { 0 };
	struct row row = { 0 };
	int n = 0, rc = SQLITE_DONE;

	if (c->last.len > 0) {
		key_row(&key, t->id, c->last.data, c->last.len);
		buf_u8(&key, 0);
		store_iter_seek(it, key.data, key.len);
	}
	for (; store_iter_valid(it) && n < ROWS && !is_step_full(s) &&
	     (rc == SQLITE_DONE || rc == SQLITE_ROW);
	     store_iter_next(it), n++) {
		size_t klen, len;
		const uint8_t *k = store_iter_key(it, &klen), *p = store_iter_value(it, &len);

		buf_clear(&key);
		buf_add(&key, k + 4, klen - 4);
		if (row_load(&row, p, len) == -1 || !row_visible(&row))
			continue;
		c->rows++;
		rc = look_up_key(f, t, s, &key);
	}
	if (store_iter_valid(it)) {
		s->more = 1;
		buf_clear(&c->last);
		buf_add(&c->last, key.data, key.len);
	}
	store_iter_free(it);
	buf_free(&key);
	row_free(&row);
	return (rc);
}

/* Whether the store has the row. */
static int
is_in_store(struct litefile *f, const struct litetable *t, const struct buf *key)
{
	struct buf k = { 0 }, v = { 0 };
	struct row row = { 0 };
	int has;

	key_row(&k, t->id, key->data, key->len);
	has = store_get(f->data->store, NULL, CF_ROWS, k.data, k.len, &v) == 1 &&
	    row_load(&row, v.data, v.len) == 0 && row_visible(&row);
	buf_free(&k);
	buf_free(&v);
	row_free(&row);
	return (has);
}

/* Rows whose key has a NULL are of no page. */
static void
look_for_null_keys(struct litefile *f, struct litetable *t)
{
	litefill_forget(f, t, NULL, 0);
	if (litetable_has_null_key(t, f->db))
		litefill_refuse(f, t, NULL, 0, 0, "its key is NULL");
}

/* The next rows of the file: as many as can be, whatever stands between them. */
static int
step_file(struct litefile *f, struct litetable *t, struct step *s)
{
	struct litecompare *c = &f->compare;
	struct litevalue after[LITE_KEYS_MAX];
	struct buf key = { 0 }, good = { 0 };
	sqlite3_stmt *row;
	int n = 0, rc;

	for (int i = 0; i < t->nkeys; i++)
		after[i] = (struct litevalue){ .type = SQLITE_NULL };
	if (c->last.len > 0)
		litekey_read(after, t->nkeys, c->last.data, c->last.len);
	else
		look_for_null_keys(f, t);
	row = litetable_page(t, f->db, c->last.len > 0 ? after : NULL);
	rc = row == NULL ? sqlite3_errcode(f->db) : sqlite3_step(row);
	for (; rc == SQLITE_ROW && n < ROWS && !is_step_full(s); rc = sqlite3_step(row)) {
		const char *why;

		buf_clear(&key);
		why = litetable_key(t, row, &key);
		if (why != NULL) {
			litefill_refuse(f, t, key.data, key.len, 0, why);
			continue;
		}
		n++;
		buf_clear(&good);
		buf_add(&good, key.data, key.len);
		if (!is_in_store(f, t, &key) && !litedrain_keys_has(&s->pending, t, &key)) {
			c->rows++;
			litebatch_add_row(choose_batch(f, s, 1), t, row, &key);
		}
	}
	sqlite3_reset(row);
	if (rc == SQLITE_ROW) {
		s->more = 1;
		buf_clear(&c->last);
		buf_add(&c->last, good.data, good.len);
	}
	buf_free(&good);
	for (int i = 0; i < t->nkeys; i++)
		litevalue_free(&after[i]);
	buf_free(&key);
	return (rc);
}

/* -1: not now. */
static int
commit_step(struct litefile *f, struct step *s)
{
	struct litecompare *c = &f->compare;

	if (litebatch_commit(&s->take) != 200 || litebatch_commit(&s->follow) != 200 ||
	    litebatch_commit(&s->fresh) != 200)
		return (-1);
	c->different += s->take.different + s->follow.different;
	c->missing += s->follow.missing;
	c->extra += s->follow.extra;
	if (s->more)
		return (0);
	buf_clear(&c->last);
	if (c->second)
		c->table++;
	c->second = !c->second;
	return (0);
}

int
litecompare_some(struct litefile *f)
{
	struct litecompare *c = &f->compare;
	struct litetable *t;
	struct step s = { 0 };
	int rc;

	while (c->table < c->to && c->table < f->ntables && f->tables[c->table].id == 0)
		c->table++;
	if (c->table >= c->to || c->table >= f->ntables)
		return (0);
	t = &f->tables[c->table];
	litebatch_begin(&s.take, f, 1);
	litebatch_begin(&s.fresh, f, 1);
	s.take.at_ms = s.fresh.at_ms = UINT64_MAX;
	s.fresh.fresh = 1;
	litebatch_begin(&s.follow, f, c->mode == COMPARE_REPORT ? -1 : 0);
	if (litedb_exec(f->db, "BEGIN") != SQLITE_OK)
		return (-1);
	rc = liteopen_is_current(f) ? litedrain_keys_read(f, &s.pending) : -1;
	if (rc == 0)
		rc = c->second ? step_file(f, t, &s) : step_store(f, t, &s);
	litedb_exec(f->db, "COMMIT");
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		rc = commit_step(f, &s) == 0 ? 1 : -1;
	else
		rc = -1;
	litedrain_keys_free(&s.pending);
	litebatch_free(&s.take);
	litebatch_free(&s.follow);
	litebatch_free(&s.fresh);
	return (rc);
}
