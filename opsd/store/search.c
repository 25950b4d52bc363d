#include "config.h"

#include "search.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "value.h"

#define LOOK_AT_CLOCK	16		/* rows between two looks */
#define SORT_BYTES_MAX	(256u << 20)	/* gathered sort keys */

struct order {
	struct field	 field;
	int		 descending;
};

/* A row gathered for sorting: its sort keys, then its key. */
struct entry {
	uint32_t	 len, klen;
	uint8_t		 bytes[];
};

enum phase { SCAN, KEYS, DRAIN, EMIT, OVER };

struct search {
	struct store		*store;
	struct table		*table;
	struct store_snap	*snap;
	struct store_iter	*it;
	const struct attribute	*index;		/* the way in, or NULL: rows */
	struct condition	*where;
	struct rows		 rows;
	struct order		*orders;
	size_t			 norders;
	int			 sorting;	/* gathered, as the way in has another order */
	int			 ranged;	/* a part of the way, not all of it */
	int			 reverse;
	uint64_t		 offset, limit, found;
	enum phase		 phase;
	int			 keyed;		/* only these: */
	struct buf		 keys;		/* wanted ones: u32 length + bytes */
	size_t			 keys_at;
	struct entry		**heap;		/* greatest first; sorted after DRAIN */
	size_t			 n, cap, left, emit_at;
	size_t			 heap_bytes;
	struct row_view		 view;
	struct buf		 row, key, entry, value;
	const char		*error;
	int			 status;
};

struct search *
search_new(struct store *store, struct table *t)
{
	struct search	*s = xcalloc(1, sizeof(*s));

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
	for (size_t i = 0; i < s->n; i++)
		free(s->heap[i]);
	free(s->heap);
	free(s->orders);
	row_view_free(&s->view);
	buf_free(&s->keys);
	buf_free(&s->row);
	buf_free(&s->key);
	buf_free(&s->entry);
	buf_free(&s->value);
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
	const struct table	*t = s->table;
	struct field		 f;

	for (size_t i = 0; i < t->nattrs; i++)
		if (field_find(&f, t, t->attrs[i].name) == 0 && shown(t, t->attrs[i].name, arg))
			search_column(s, &f);
	s->rows.skip_missing = t->declared;
}

void
search_where(struct search *s, struct condition *c)
{
	s->where = c;
}

void
search_keys(struct search *s, const json_t *keys)
{
	const json_t	*key;
	size_t		 i, at;

	s->phase = KEYS;
	s->keyed = 1;
	json_array_foreach(keys, i, key) {
		at = s->keys.len;
		buf_u32(&s->keys, 0);
		if (key_from_json(&s->keys, key) == -1)
			s->keys.len = at;	/* too long to be anybody's key */
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

/* The narrowest leaf that every match must meet. */
static const struct condition *
best_leaf(const struct condition *c)
{
	const struct condition	*best = NULL, *kid;

	if (c == NULL || c->kind == COND_OR)
		return (NULL);
	if (c->kind == COND_LEAF)
		return (condition_score(c) > 0 ? c : NULL);
	for (size_t i = 0; i < c->nkids; i++) {
		kid = best_leaf(c->kids[i]);
		if (kid != NULL && (best == NULL || condition_score(kid) > condition_score(best)))
			best = kid;
	}
	return (best);
}

/*
 * A page in the order of one attribute: a range of that attribute gives it without looking
 * at all matches, so only equality is narrower.
 */
static const struct condition *
order_leaf(const struct search *s, const struct condition *best)
{
	const struct condition	*c = s->where, *leaf = NULL;
	size_t			 i;

	if (best == NULL || best->compare == CMP_EQUALS || s->norders != 1 ||
	    s->limit == UINT64_MAX || c->kind != COND_AND)
		return (best);
	for (i = 0; i < c->nkids && leaf == NULL; i++)
		if (c->kids[i]->kind == COND_LEAF && condition_score(c->kids[i]) > 0 &&
		    c->kids[i]->field.attr == s->orders[0].field.attr)
			leaf = c->kids[i];
	return (leaf != NULL ? leaf : best);
}

const char *
search_way(const struct search *s)
{
	return (s->keyed ? "keys" : s->index != NULL ? s->index->name :
	    s->ranged ? s->table->primary_key : "rows");
}

int
search_gathers(const struct search *s)
{
	return (s->sorting);
}

/* Whether the way in already gives the order asked for. */
static int
order_is_free(const struct search *s)
{
	const struct order	*o;

	if (s->norders != 1)
		return (s->norders == 0);
	o = &s->orders[0];
	return (s->index != NULL ? o->field.attr == s->index : o->field.kind == FIELD_KEY);
}

static void
open_iter(struct search *s, const struct condition *leaf)
{
	struct buf	lower = { 0 }, upper = { 0 }, from = { 0 }, to = { 0 };

	if (s->index != NULL) {
		key_index(&from, s->table->id, s->index->id, NULL, 0, NULL, 0);
		buf_add(&to, from.data, from.len);
	} else {
		key_row(&from, s->table->id, NULL, 0);
		if (leaf != NULL)
			buf_add(&to, from.data, from.len);
		else
			key_table_end(&to, s->table->id);
	}
	if (leaf != NULL && condition_bounds(leaf, &lower, &upper) == 0) {
		buf_add(&from, lower.data, lower.len);
		buf_add(&to, upper.data, upper.len);
	}
	/* between 5 and 3: nothing, and no range either */
	if (from.len > 0 && to.len > 0 &&
	    memcmp(from.data, to.data, from.len < to.len ? from.len : to.len) > 0)
		s->phase = DRAIN;
	else
		s->it = store_iter_new(s->store, s->snap, s->index != NULL ? CF_INDEX : CF_ROWS,
		    from.data, from.len, to.data, to.len);
	buf_free(&lower);
	buf_free(&upper);
	buf_free(&from);
	buf_free(&to);
}

static void
to_first(struct search *s)
{
	if (s->it == NULL)
		return;
	if (s->reverse && !s->sorting)
		store_iter_last(s->it);
	else
		store_iter_first(s->it);
}

void
search_start(struct search *s)
{
	const struct condition	*leaf;

	if (s->limit == 0)
		s->limit = UINT64_MAX;
	leaf = order_leaf(s, best_leaf(s->where));
	s->ranged = leaf != NULL;
	s->snap = store_snap_new(s->store);
	rows_begin(&s->rows, ROWS_UNKNOWN);
	if (s->phase == KEYS)
		return;
	if (leaf != NULL && leaf->field.kind != FIELD_KEY)
		s->index = leaf->field.attr;
	s->sorting = !order_is_free(s);
	if (!s->sorting && s->norders == 1)
		s->reverse = s->orders[0].descending;
	open_iter(s, leaf);
	to_first(s);
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
	s->keys_at = s->emit_at = 0;
	s->phase = s->keyed ? KEYS : s->sorting ? EMIT : s->it != NULL ? SCAN : DRAIN;
	to_first(s);
	return (0);
}

static void
fail(struct search *s, int status, const char *error)
{
	s->status = status;
	s->error = error;
	s->phase = OVER;
}

/* A match in its place: 1 when the page is full. */
static int
page_row(struct search *s)
{
	if (s->found++ < s->offset)
		return (0);
	rows_add(&s->rows, &s->view);
	return (s->found - s->offset >= s->limit);
}

/* The view onto the row at key; 1 visible, 0 not, -1 broken. */
static int
view_row(struct search *s, const uint8_t *key, size_t klen, const uint8_t *p, size_t n)
{
	s->view.key = key;
	s->view.klen = klen;
	if (row_load(&s->view.row, p, n) == -1) {
		fail(s, 500, "a stored row cannot be read");
		return (-1);
	}
	return (row_visible(&s->view.row));
}

static int
view_get(struct search *s, const uint8_t *key, size_t klen)
{
	int	rc;

	buf_clear(&s->key);
	key_row(&s->key, s->table->id, key, klen);
	rc = store_get(s->store, s->snap, CF_ROWS, s->key.data, s->key.len, &s->row);
	if (rc == -1)
		fail(s, 500, "the store cannot be read");
	return (rc == 1 ? view_row(s, key, klen, s->row.data, s->row.len) : rc);
}

static int
entry_cmp(const struct entry *a, const struct entry *b)
{
	int	d = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);

	return (d != 0 ? d : a->len < b->len ? -1 : a->len > b->len);
}

static void
heap_swap(struct search *s, size_t a, size_t b)
{
	struct entry	*e = s->heap[a];

	s->heap[a] = s->heap[b];
	s->heap[b] = e;
}

static void
heap_up(struct search *s, size_t i)
{
	for (size_t up; i > 0; i = up) {
		up = (i - 1) / 2;
		if (entry_cmp(s->heap[i], s->heap[up]) <= 0)
			return;
		heap_swap(s, i, up);
	}
}

static void
heap_down(struct search *s, size_t i, size_t n)
{
	for (size_t kid; (kid = 2 * i + 1) < n; i = kid) {
		if (kid + 1 < n && entry_cmp(s->heap[kid + 1], s->heap[kid]) > 0)
			kid++;
		if (entry_cmp(s->heap[i], s->heap[kid]) >= 0)
			return;
		heap_swap(s, i, kid);
	}
}

/* Sort keys that compare as bytes: keys are inverted for a descending order. */
static void
entry_bytes(struct search *s)
{
	struct scalar	sc;

	buf_clear(&s->entry);
	for (size_t i = 0; i < s->norders; i++) {
		size_t at = s->entry.len;

		if (field_scalar(&s->orders[i].field, &s->view, &sc) == 0)
			key_from_scalar(&s->entry, &sc);
		else
			buf_u8(&s->entry, RANK_TEXT + 2);	/* arrays and objects are last */
		for (; s->orders[i].descending && at < s->entry.len; at++)
			s->entry.data[at] = (uint8_t)~s->entry.data[at];
	}
	buf_add(&s->entry, s->view.key, s->view.klen);
}

static void
heap_add(struct search *s, struct entry *e)
{
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 64 : 2 * s->cap;
		s->heap = xrealloc(s->heap, s->cap * sizeof(struct entry *));
	}
	s->heap[s->n++] = e;
	s->heap_bytes += e->len;
	heap_up(s, s->n - 1);
}

/* Keep a match for sorting; of a page only as many as it can show. */
static void
gather(struct search *s)
{
	uint64_t	 keep = s->limit > UINT64_MAX - s->offset ? UINT64_MAX :
	    s->offset + s->limit;
	struct entry	*e;

	entry_bytes(s);
	e = xmalloc(sizeof(*e) + s->entry.len);
	e->len = (uint32_t)s->entry.len;
	e->klen = (uint32_t)s->view.klen;
	memcpy(e->bytes, s->entry.data, s->entry.len);
	if (s->n >= keep) {
		if (entry_cmp(e, s->heap[0]) >= 0) {
			free(e);
			return;
		}
		s->heap_bytes += e->len - (size_t)s->heap[0]->len;
		free(s->heap[0]);
		s->heap[0] = e;
		heap_down(s, 0, s->n);
		return;
	}
	heap_add(s, e);
	if (s->n > SEARCH_SORT_MAX || s->heap_bytes > SORT_BYTES_MAX)
		fail(s, 400, "too many records to sort, add conditions or a limit");
}

static void
match(struct search *s)
{
	if (s->where != NULL && !condition_match(s->where, &s->view))
		return;
	if (s->sorting)
		gather(s);
	else if (page_row(s))
		s->phase = OVER;
}

/* An entry may be of a value that the row has no more (an attribute dropped and made again). */
static int
entry_is_current(struct search *s, const uint8_t *value, size_t n)
{
	struct field		 f = { .kind = FIELD_ATTR, .attr = s->index };
	const struct attr	*a = field_attr(&f, &s->view);

	buf_clear(&s->value);
	return (a != NULL && value_key(&s->value, a->value, a->vlen) == 0 &&
	    s->value.len == n && memcmp(s->value.data, value, n) == 0);
}

static void
scan_index(struct search *s)
{
	const size_t	 head = 4 + 2;	/* table and attribute id */
	size_t		 n, span;
	const uint8_t	*p = store_iter_key(s->it, &n);

	span = n > head ? key_span(p + head, n - head) : 0;
	if (span == 0 || head + span >= n) {
		fail(s, 500, "a stored index entry cannot be read");
		return;
	}
	if (view_get(s, p + head + span, n - head - span) == 1 &&
	    entry_is_current(s, p + head, span))
		match(s);
}

static void
scan_rows(struct search *s)
{
	size_t		 klen, n;
	const uint8_t	*key = store_iter_key(s->it, &klen);
	const uint8_t	*p = store_iter_value(s->it, &n);

	if (klen > 4 && view_row(s, key + 4, klen - 4, p, n) == 1)
		match(s);
}

static void
step_scan(struct search *s)
{
	if (!store_iter_valid(s->it)) {
		if (store_iter_failed(s->it))
			fail(s, 500, "the store cannot be read");
		else
			s->phase = DRAIN;
		return;
	}
	if (s->index != NULL)
		scan_index(s);
	else
		scan_rows(s);
	if (s->phase != SCAN)
		return;
	if (s->reverse && !s->sorting)
		store_iter_prev(s->it);
	else
		store_iter_next(s->it);
}

static void
step_keys(struct search *s)
{
	struct rd	 r;
	size_t		 n;
	const uint8_t	*key;

	if (s->keys_at == s->keys.len) {
		s->phase = OVER;
		return;
	}
	r = rd_init(s->keys.data + s->keys_at, s->keys.len - s->keys_at);
	key = rd_blob(&r, &n);
	s->keys_at += 4 + n;
	if (view_get(s, key, n) == 1)
		match(s);
}

/* The greatest that is left goes to the end. */
static void
step_drain(struct search *s)
{
	if (s->left == 0)
		s->left = s->n;
	if (s->left <= 1) {
		s->phase = EMIT;
		return;
	}
	heap_swap(s, 0, --s->left);
	heap_down(s, 0, s->left);
}

static void
step_emit(struct search *s)
{
	struct entry	*e;

	if (s->emit_at == s->n) {
		s->phase = OVER;
		return;
	}
	e = s->heap[s->emit_at++];
	if (s->found < s->offset)
		s->found++;
	else if (view_get(s, e->bytes + e->len - e->klen, e->klen) == 1 && page_row(s))
		s->phase = OVER;
}

enum search_state
search_step(struct search *s, uint64_t budget_us)
{
	static void (*const steps[])(struct search *) = {
		[KEYS] = step_keys, [SCAN] = step_scan, [DRAIN] = step_drain, [EMIT] = step_emit,
	};
	uint64_t	end = mono_us() + budget_us;

	for (unsigned n = 1; s->phase != OVER; n++) {
		steps[s->phase](s);
		if (n % LOOK_AT_CLOCK == 0 && mono_us() >= end && s->phase != OVER)
			return (SEARCH_MORE);
	}
	if (s->error != NULL)
		return (SEARCH_FAILED);
	rows_end(&s->rows);
	return (SEARCH_DONE);
}
