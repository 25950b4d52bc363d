#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/search/sorter.h"
#include "opsd/sql/sql_priv.h"

#define RANGES_MAX  2
#define LOOK_PASSED 1000        /* rows that are passed over between two looks at the clock */
#define RUN_BYTES   (64u << 20) /* of long texts that begin alike */

/*
 * Goes from row to row of its ranges.  Of a long text an index has the beginning: where its order
 * counts, the rows of such an entry are a run, sorted by themselves.
 */
struct sqlcursor {
	sqlite3_vtab_cursor base;
	struct range ranges[RANGES_MAX];
	size_t n, at;
	int ordered, back;
	unsigned passed;
	struct store_iter *it; /* over ranges[at - 1]; NULL: there is no more */
	struct sorter run;
	size_t run_at;        /* of it are shown */
	struct buf run_value; /* what its entries have */
	int has_row, of_run;  /* there is one to be seen; it is the run's */
	const char *why;      /* it fails, if a row cannot be read for no other reason */
	struct row_view view;
	struct buf key, row, value, sorted;
};

struct index_entry {
	const uint8_t *value, *key; /* borrowed from the iterator */
	size_t vlen, klen;
};

static struct sqltable *
cursor_table(const struct sqlcursor *c)
{
	return (((struct sqlvtab *)c->base.pVtab)->t);
}

static int
cursor_failed(struct sqlcursor *c, const char *why)
{
	sqlite3_vtab *v = c->base.pVtab;

	sqlite3_free(v->zErrMsg);
	v->zErrMsg = sqlite3_mprintf("%s", why);
	return (SQLITE_ERROR);
}

int
sqlcursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor)
{
	struct sqlcursor *c = xcalloc(1, sizeof(*c));

	(void)vtab;
	*cursor = &c->base;
	return (SQLITE_OK);
}

static void
close_ranges(struct sqlcursor *c)
{
	store_iter_free(c->it);
	c->it = NULL;
	for (size_t i = 0; i < c->n; i++)
		range_free(&c->ranges[i]);
	c->n = c->at = 0;
	sorter_clear(&c->run, UINT64_MAX);
	c->run_at = 0;
}

int
sqlcursor_close(sqlite3_vtab_cursor *cursor)
{
	struct sqlcursor *c = (struct sqlcursor *)cursor;

	close_ranges(c);
	sorter_free(&c->run);
	buf_free(&c->run_value);
	buf_free(&c->sorted);
	row_view_free(&c->view);
	buf_free(&c->key);
	buf_free(&c->row);
	buf_free(&c->value);
	free(c);
	return (SQLITE_OK);
}

/* ---- a row ---- */

/* 1 visible, 0 not, -1 broken */
static int
view_bytes(struct sqlcursor *c, const uint8_t *key, size_t klen, const uint8_t *p, size_t n)
{
	c->view.key = key;
	c->view.klen = klen;
	if (row_load(&c->view.row, p, n) == -1)
		return (-1);
	return (row_visible(&c->view.row));
}

static int
view_at_row(struct sqlcursor *c)
{
	size_t klen, n;
	const uint8_t *key = store_iter_key(c->it, &klen);
	const uint8_t *p = store_iter_value(c->it, &n);

	return (klen > 4 ? view_bytes(c, key + 4, klen - 4, p, n) : -1);
}

static int
view_at_key(struct sqlcursor *c, const uint8_t *key, size_t klen)
{
	struct sqltable *t = cursor_table(c);
	int rc;

	buf_clear(&c->key);
	key_row(&c->key, t->t->id, key, klen);
	rc = store_get(t->sql->data->store, t->sql->snap, CF_ROWS, c->key.data, c->key.len,
	    &c->row);
	return (rc == 1 ? view_bytes(c, key, klen, c->row.data, c->row.len) : rc);
}

static int
read_index_entry(const struct sqlcursor *c, struct index_entry *e)
{
	size_t n;
	const uint8_t *p = store_iter_key(c->it, &n);

	return (field_index_entry(p, n, &e->value, &e->vlen, &e->key, &e->klen));
}

static int
view_at_entry(struct sqlcursor *c, const struct field *f, struct index_entry *e)
{
	int rc;

	if (read_index_entry(c, e) == -1)
		return (-1);
	rc = view_at_key(c, e->key, e->klen);
	return (rc == 1 ? field_index_has(f, &c->view, &c->value, e->value, e->vlen) : rc);
}

/* ---- from one to the next ---- */

static void
open_way(struct sqlcursor *c)
{
	struct sqltable *t = cursor_table(c);

	c->it = range_iter(&c->ranges[c->at], t->sql->data->store, t->sql->snap);
	if (c->back)
		store_iter_last(c->it);
	else
		store_iter_first(c->it);
}

/* A range that has something left, or the end. */
static int
to_range(struct sqlcursor *c)
{
	while (c->it == NULL || !store_iter_valid(c->it)) {
		if (c->it != NULL && store_iter_failed(c->it))
			return (cursor_failed(c, "the store cannot be read"));
		store_iter_free(c->it);
		c->it = NULL;
		while (c->at < c->n && range_empty(&c->ranges[c->at]))
			c->at++;
		if (c->at == c->n)
			return (SQLITE_OK);
		open_way(c);
		c->at++;
	}
	return (SQLITE_OK);
}

static void
step_iter(struct sqlcursor *c)
{
	if (c->back)
		store_iter_prev(c->it);
	else
		store_iter_next(c->it);
}

/* ---- runs ---- */

static int
begins_run(struct sqlcursor *c, const struct index_entry *e)
{
	return (c->ordered && key_is_cut(e->value, e->vlen, &c->value));
}

static int
is_in_run(struct sqlcursor *c)
{
	struct index_entry e;

	return (store_iter_valid(c->it) && read_index_entry(c, &e) == 0 &&
	    e.vlen == c->run_value.len && memcmp(e.value, c->run_value.data, e.vlen) == 0);
}

/* The rows of the entry and of those that are alike, which are behind us then. */
static int
gather_run(struct sqlcursor *c, const struct field *f)
{
	struct index_entry e;
	int rc;

	sorter_clear(&c->run, UINT64_MAX);
	c->run_at = 0;
	if (read_index_entry(c, &e) == -1)
		return (-1);
	buf_clear(&c->run_value);
	buf_add(&c->run_value, e.value, e.vlen);
	for (; is_in_run(c); step_iter(c)) {
		if ((rc = view_at_entry(c, f, &e)) == -1)
			return (-1);
		if (rc == 0)
			continue;
		buf_clear(&c->sorted);
		field_key(f, &c->view, &c->sorted);
		buf_add(&c->sorted, e.key, e.klen);
		sorter_add(&c->run, &c->sorted, e.klen);
		if (c->run.bytes > RUN_BYTES) {
			c->why = "too many long texts begin alike to be sorted";
			return (-1);
		}
	}
	while (!sorter_step(&c->run))
		;
	return (0);
}

static int
view_of_run(struct sqlcursor *c)
{
	size_t at = c->run_at++, klen;
	const uint8_t *key = sorter_key(&c->run, c->back ? c->run.n - 1 - at : at, &klen);

	c->of_run = 1;
	return (view_at_key(c, key, klen));
}

/* ---- rows ---- */

/* What is at hand: 1 a row to be seen, 0 none, -1 broken. */
static int
look_here(struct sqlcursor *c)
{
	const struct attribute *index = c->ranges[c->at - 1].index;
	struct index_entry e;
	struct field f;
	int rc;

	c->of_run = 0;
	if (index == NULL)
		return (view_at_row(c));
	f = field_of(cursor_table(c)->t, index);
	rc = view_at_entry(c, &f, &e);
	if (rc == 1 && begins_run(c, &e))
		return (gather_run(c, &f) == -1 ? -1 : view_of_run(c));
	return (rc);
}

/* The row at hand if it is one to be seen, else the next one that is. */
static int
to_visible(struct sqlcursor *c)
{
	int rc;

	for (c->has_row = 0;;) {
		if (c->run_at < c->run.n)
			rc = view_of_run(c);
		else if ((rc = to_range(c)) != SQLITE_OK || c->it == NULL)
			return (rc);
		else
			rc = look_here(c);
		if (rc == -1)
			return (cursor_failed(c,
			    c->why != NULL ? c->why : "a stored row cannot be read"));
		c->has_row = rc == 1;
		if (c->has_row)
			return (SQLITE_OK);
		if (++c->passed % LOOK_PASSED == 0 && sql_must_end(cursor_table(c)->sql))
			return (SQLITE_INTERRUPT);
		step_iter(c);
	}
}

int
sqlcursor_filter(sqlite3_vtab_cursor *cursor, int way, const char *words, int argc,
    sqlite3_value **argv)
{
	struct sqlcursor *c = (struct sqlcursor *)cursor;

	(void)words;
	(void)argc;
	close_ranges(c);
	c->ordered = (way & WAY_ORDER) != 0;
	c->back = (way & WAY_BACK) != 0;
	c->n = sqlindex_ranges(cursor_table(c), way, argv, c->ranges);
	return (to_visible(c));
}

int
sqlcursor_next(sqlite3_vtab_cursor *cursor)
{
	struct sqlcursor *c = (struct sqlcursor *)cursor;

	if (!c->of_run) /* else the way goes on behind it already */
		step_iter(c);
	return (to_visible(c));
}

int
sqlcursor_eof(sqlite3_vtab_cursor *cursor)
{
	return (!((struct sqlcursor *)cursor)->has_row);
}

int
sqlcursor_column(sqlite3_vtab_cursor *cursor, sqlite3_context *to, int i)
{
	struct sqlcursor *c = (struct sqlcursor *)cursor;
	struct sqlcolumn *col = &cursor_table(c)->cols[i];

	sqlvalue_result(to, &col->field, &c->view, &col->seen);
	return (SQLITE_OK);
}

/* Never asked for: the tables have keys instead. */
int
sqlcursor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
	(void)cursor;
	*rowid = 0;
	return (SQLITE_OK);
}
