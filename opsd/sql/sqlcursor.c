#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/sql/sql_priv.h"

#define RANGES_MAX  2
#define LOOK_PASSED 1000 /* rows that are passed over between two looks at the clock */

struct sqlcursor {
	sqlite3_vtab_cursor base;
	struct range ranges[RANGES_MAX];
	size_t n, at;
	int back;
	unsigned passed;
	struct store_iter *it; /* over ranges[at]; NULL: at the end */
	struct row_view view;
	struct buf key, row, value;
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
}

int
sqlcursor_close(sqlite3_vtab_cursor *cursor)
{
	struct sqlcursor *c = (struct sqlcursor *)cursor;

	close_ranges(c);
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
view_at_entry(struct sqlcursor *c, const struct attribute *index)
{
	struct sqltable *t = cursor_table(c);
	struct field f = field_of(t->t, index);
	const size_t head = 4 + 2; /* table and attribute id */
	size_t n, vlen;
	const uint8_t *p = store_iter_key(c->it, &n);
	int rc;

	vlen = n > head ? field_key_span(p + head, n - head) : 0;
	if (vlen == 0 || head + vlen >= n)
		return (-1);
	buf_clear(&c->key);
	key_row(&c->key, t->t->id, p + head + vlen, n - head - vlen);
	rc = store_get(t->sql->data->store, t->sql->snap, CF_ROWS, c->key.data, c->key.len,
	    &c->row);
	if (rc == 1)
		rc = view_bytes(c, p + head + vlen, n - head - vlen, c->row.data, c->row.len);
	return (rc == 1 ? field_index_has(&f, &c->view, &c->value, p + head, vlen) : rc);
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

/* The row at hand if it is one to be seen, else the next one that is. */
static int
to_visible(struct sqlcursor *c)
{
	const struct attribute *index;
	int rc;

	for (;;) {
		if ((rc = to_range(c)) != SQLITE_OK || c->it == NULL)
			return (rc);
		index = c->ranges[c->at - 1].index;
		rc = index != NULL ? view_at_entry(c, index) : view_at_row(c);
		if (rc == -1)
			return (cursor_failed(c, "a stored row cannot be read"));
		if (rc == 1)
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
	c->back = (way & WAY_BACK) != 0;
	c->n = sqlindex_ranges(cursor_table(c), way, argv, c->ranges);
	return (to_visible(c));
}

int
sqlcursor_next(sqlite3_vtab_cursor *cursor)
{
	struct sqlcursor *c = (struct sqlcursor *)cursor;

	step_iter(c);
	return (to_visible(c));
}

int
sqlcursor_eof(sqlite3_vtab_cursor *cursor)
{
	return (((struct sqlcursor *)cursor)->it == NULL);
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
