#include "config.h"

#include "opsd/search/search_priv.h"

#include <stdlib.h>

#include "common/base/mem.h"

struct search *
search_new(struct store *store, struct table *t)
{
	struct search *s = xcalloc(1, sizeof(*s));

	s->store = store;
	s->table = table_ref(t);
	return (s);
}

void
search_free(struct search *s)
{
	if (s == NULL)
		return;
	store_iter_free(s->it);
	store_snap_free(s->snap);
	condition_free(s->where);
	rows_free(&s->rows);
	plan_free(&s->plan);
	sorter_free(&s->picked);
	sorter_free(&s->sorted);
	free(s->orders);
	row_view_free(&s->view);
	buf_free(&s->keys);
	buf_free(&s->row);
	buf_free(&s->key);
	buf_free(&s->entry);
	buf_free(&s->value);
	buf_free(&s->run);
	table_unref(s->table);
	free(s);
}

void
search_format(struct search *s, enum format f)
{
	s->rows.format = f;
}

void
search_column(struct search *s, const struct field *f)
{
	rows_column(&s->rows, f);
}

void
search_all_columns(struct search *s, int (*shown)(const struct table *, const char *, void *),
    void *arg)
{
	const struct table *t = s->table;
	struct field f;

	for (size_t i = 0; i < t->nattrs; i++)
		if (field_find(&f, t, t->attrs[i]->name) == 0 && shown(t, t->attrs[i]->name, arg))
			search_column(s, &f);
	s->rows.skip_missing = t->declared;
}

void
search_where(struct search *s, struct condition *c)
{
	if (c->kind != COND_LEAF || c->compare != CMP_ANY)
		s->where = c;
	else
		condition_free(c);
}

void
search_keys(struct search *s, const json_t *keys)
{
	const json_t *key;
	size_t i, at;

	s->keyed = 1;
	json_array_foreach(keys, i, key) {
		at = s->keys.len;
		buf_u32(&s->keys, 0);
		if (key_from_json(&s->keys, key) == -1)
			s->keys.len = at; /* too long to be anybody's key */
		else
			buf_put_u32(&s->keys, at, (uint32_t)(s->keys.len - at - 4));
	}
}

void
search_sort(struct search *s, const struct field *f, int descending)
{
	s->orders = xrealloc(s->orders, (s->norders + 1) * sizeof(*s->orders));
	s->orders[s->norders++] = (struct order){ .field = *f, .descending = descending };
}

void
search_reverse(struct search *s)
{
	s->reverse = 1;
}

void
search_page(struct search *s, uint64_t offset, uint64_t limit)
{
	s->offset = offset;
	s->limit = limit == 0 ? UINT64_MAX : limit;
}

struct buf *
search_out(struct search *s)
{
	return (&s->rows.out);
}

uint64_t
search_shown(const struct search *s)
{
	return (s->rows.shown);
}

const char *
search_error(const struct search *s)
{
	return (s->error);
}

int
search_status(const struct search *s)
{
	return (s->status);
}

void
search_start(struct search *s)
{
	if (s->limit == 0)
		s->limit = UINT64_MAX;
	s->snap = store_snap_new(s->store);
	rows_begin(&s->rows, ROWS_UNKNOWN);
	if (s->keyed)
		s->phase = KEYS;
	else
		walk_plan(s, 0);
}

void
search_count(struct search *s)
{
	s->rows.counting = 1;
	buf_clear(&s->rows.out);
}

int
search_again(struct search *s)
{
	if (s->rows.shown >= ROWS_UNKNOWN)
		return (-1);
	s->rows.counting = 0;
	rows_begin(&s->rows, (uint32_t)s->rows.shown);
	s->found = 0;
	s->keys_at = 0;
	if (s->keyed)
		s->phase = KEYS;
	else
		walk_again(s);
	return (0);
}
