#include "config.h"

#include "opsd/search/search_priv.h"

#include <string.h>

#include "common/base/clock.h"

#define LOOK_AT_CLOCK   16           /* rows between two looks */
#define SORT_BYTES_MAX  (256u << 20) /* gathered sort keys */
#define UNION_BYTES_MAX (16u << 20)  /* collected keys */

static void
fail_search(struct search *s, int status, const char *error)
{
	s->status = status;
	s->error = error;
	s->phase = OVER;
}

/* ---- from one range to the next ---- */

static void
close_range(struct search *s)
{
	store_iter_free(s->it);
	s->it = NULL;
}

/* Opens the next range with something in it; 0: there is none. */
static int
open_range(struct search *s)
{
	for (; s->it == NULL && s->range < s->plan.n; s->range++) {
		if (range_empty(&s->plan.ranges[s->range]))
			continue;
		s->it = range_iter(&s->plan.ranges[s->range], s->store, s->snap);
		if (s->plan.reverse && !s->plan.collect)
			store_iter_last(s->it);
		else
			store_iter_first(s->it);
		return (1);
	}
	return (s->it != NULL);
}

/* Rows that a page has yet to pass or to show. */
static uint64_t
page_left(const struct search *s)
{
	return (s->limit > UINT64_MAX - s->offset ? UINT64_MAX : s->offset + s->limit - s->found);
}

static void
rewind_ranges(struct search *s)
{
	close_range(s);
	s->range = 0;
	s->pick_at = s->emit_at = 0;
	buf_clear(&s->run);
}

void
walk_plan(struct search *s, unsigned avoid)
{
	struct query q = {
		.store = s->store,
		.snap = s->snap,
		.table = s->table,
		.where = s->where,
		.orders = s->orders,
		.norders = s->norders,
		.reverse = s->reverse,
		.need = page_left(s),
	};

	plan_free(&s->plan);
	if (plan_make(&s->plan, &q, avoid) == -1) {
		fail_search(s, 400, "too many records to sort, add conditions or a limit");
		return;
	}
	rewind_ranges(s);
	sorter_clear(&s->picked, UINT64_MAX);
	sorter_clear(&s->sorted, page_left(s));
	s->phase = s->plan.collect ? COLLECT : SCAN;
}

void
walk_again(struct search *s)
{
	rewind_ranges(s);
	if (s->plan.sort == SORT_ALL) {
		s->phase = EMIT;
		return;
	}
	sorter_clear(&s->sorted, page_left(s));
	s->phase = s->plan.collect ? PICK : SCAN;
}

/* ---- a row ---- */

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
		fail_search(s, 500, "a stored row cannot be read");
		return (-1);
	}
	return (row_visible(&s->view.row));
}

static int
view_get(struct search *s, const uint8_t *key, size_t klen)
{
	int rc;

	buf_clear(&s->key);
	key_row(&s->key, s->table->id, key, klen);
	rc = store_get(s->store, s->snap, CF_ROWS, s->key.data, s->key.len, &s->row);
	if (rc == -1)
		fail_search(s, 500, "the store cannot be read");
	return (rc == 1 ? view_row(s, key, klen, s->row.data, s->row.len) : rc);
}

/* ---- matches that are sorted ---- */

static void
invert_bytes(struct buf *b, size_t from)
{
	for (size_t i = from; i < b->len; i++)
		b->data[i] = (uint8_t)~b->data[i];
}

/*
 * Sort keys that compare as bytes, inverted for a descending order.  Of equal rows the
 * last order says which way their keys go: an index that is walked backwards has them so.
 */
static void
entry_bytes(struct search *s)
{
	size_t at;

	buf_clear(&s->entry);
	for (size_t i = 0; i < s->norders; i++) {
		at = s->entry.len;
		field_key(&s->orders[i].field, &s->view, &s->entry);
		if (s->orders[i].descending)
			invert_bytes(&s->entry, at);
	}
	at = s->entry.len;
	buf_add(&s->entry, s->view.key, s->view.klen);
	if (!s->orders[s->norders - 1].descending)
		return;
	invert_bytes(&s->entry, at);
	buf_add(&s->entry, s->view.key, s->view.klen);
}

static void
gather_rows(struct search *s)
{
	entry_bytes(s);
	sorter_add(&s->sorted, &s->entry, s->view.klen);
	if (s->sorted.n <= SEARCH_SORT_MAX && s->sorted.bytes <= SORT_BYTES_MAX)
		return;
	if (s->plan.sort == SORT_ALL)
		walk_plan(s, AVOID_UNION | AVOID_GATHER);
	else
		fail_search(s, 400, "too many records to sort, add conditions or a limit");
}

/* Whether the rows of an index's run are to be sorted: they come by key, in its direction. */
static int
run_is_sorted(struct search *s, const uint8_t *value, size_t n)
{
	const struct order *o = s->orders;

	if (s->norders > 1 && (o[1].field.kind != FIELD_KEY || o[1].descending != o[0].descending))
		return (1);
	return (key_is_cut(value, n, &s->view.scratch));
}

/* An entry stands for a row, which need not be looked at when it is before the page. */
static int
is_passed(struct search *s, const struct attribute *index, const uint8_t *value, size_t n)
{
	return (s->found < s->offset && s->where == NULL && stamp_none(index->dropped) &&
	    (s->plan.sort == SORT_FREE ||
		(s->plan.sort == SORT_RUNS && !run_is_sorted(s, value, n))));
}

/* value: of the index entry, NULL without one. */
static void
match_row(struct search *s, const uint8_t *value, size_t n)
{
	if (s->where != NULL && !condition_match(s->where, &s->view))
		return;
	if (s->plan.sort == SORT_RUNS && run_is_sorted(s, value, n)) {
		if (s->sorted.n == 0) {
			buf_clear(&s->run);
			buf_add(&s->run, value, n);
		}
		gather_rows(s);
	} else if (s->plan.sort == SORT_ALL)
		gather_rows(s);
	else if (page_row(s))
		s->phase = OVER;
}

/* ---- phases ---- */

static void
step_keys(struct search *s)
{
	struct rd r;
	size_t n;
	const uint8_t *key;

	if (s->keys_at == s->keys.len) {
		s->phase = OVER;
		return;
	}
	r = rd_init(s->keys.data + s->keys_at, s->keys.len - s->keys_at);
	key = rd_blob(&r, &n);
	s->keys_at += 4 + n;
	if (view_get(s, key, n) == 1 && page_row(s))
		s->phase = OVER;
}

/* Where value and key of an index entry are; -1 and failed when it has none. */
static int
index_entry(struct search *s, const uint8_t **value, size_t *vlen, const uint8_t **key,
    size_t *klen)
{
	size_t n;
	const uint8_t *p = store_iter_key(s->it, &n);

	if (field_index_entry(p, n, value, vlen, key, klen) == 0)
		return (0);
	fail_search(s, 500, "a stored index entry cannot be read");
	return (-1);
}

/* 0: those before it are to be shown first. */
static int
scan_index(struct search *s, const struct attribute *index)
{
	struct field f = field_of(s->table, index);
	const uint8_t *value, *key;
	size_t vlen, klen;

	if (index_entry(s, &value, &vlen, &key, &klen) == -1)
		return (1);
	if (s->plan.sort == SORT_RUNS && s->sorted.n > 0 &&
	    (s->run.len != vlen || memcmp(s->run.data, value, vlen) != 0)) {
		s->phase = DRAIN;
		return (0);
	}
	if (is_passed(s, index, value, vlen))
		s->found++;
	else if (view_get(s, key, klen) == 1 &&
	    field_index_has(&f, &s->view, &s->value, value, vlen))
		match_row(s, value, vlen);
	return (1);
}

static void
scan_rows(struct search *s)
{
	size_t klen, n;
	const uint8_t *key = store_iter_key(s->it, &klen);
	const uint8_t *p = store_iter_value(s->it, &n);

	if (klen > 4 && view_row(s, key + 4, klen - 4, p, n) == 1)
		match_row(s, NULL, 0);
}

/* The iterator is at its end: 1, and failed if that is why. */
static int
at_end(struct search *s)
{
	if (store_iter_valid(s->it))
		return (0);
	if (store_iter_failed(s->it))
		fail_search(s, 500, "the store cannot be read");
	return (1);
}

static void
step_scan(struct search *s)
{
	const struct attribute *index = s->plan.ranges[0].index;

	if (!open_range(s) || at_end(s)) {
		if (s->phase == SCAN)
			s->phase = DRAIN;
		return;
	}
	if (index == NULL)
		scan_rows(s);
	else if (!scan_index(s, index))
		return;
	if (s->phase != SCAN || s->it == NULL) /* over, or begun anew */
		return;
	if (s->plan.reverse)
		store_iter_prev(s->it);
	else
		store_iter_next(s->it);
}

static void
collect_key(struct search *s)
{
	const uint8_t *value, *key;
	size_t vlen, klen;

	if (s->plan.ranges[s->range].index == NULL) {
		key = store_iter_key(s->it, &klen);
		key += 4;
		klen -= 4;
	} else if (index_entry(s, &value, &vlen, &key, &klen) == -1)
		return;
	buf_clear(&s->entry);
	buf_add(&s->entry, key, klen);
	sorter_add(&s->picked, &s->entry, klen);
	if (s->picked.n > UNION_KEYS_MAX || s->picked.bytes > UNION_BYTES_MAX)
		walk_plan(s, AVOID_UNION);
	else
		store_iter_next(s->it);
}

static void
step_collect(struct search *s)
{
	if (!open_range(s))
		s->phase = MERGE;
	else if (!at_end(s))
		collect_key(s);
	else {
		close_range(s);
		s->range++;
	}
}

static void
step_merge(struct search *s)
{
	if (sorter_step(&s->picked))
		s->phase = PICK;
}

/* Several ranges may have had it. */
static int
is_picked_before(const struct search *s, size_t i, const uint8_t *key, size_t klen)
{
	size_t n;
	const uint8_t *before;

	if (i == 0)
		return (0);
	before = sorter_key(&s->picked, i - 1, &n);
	return (n == klen && memcmp(before, key, n) == 0);
}

static void
step_pick(struct search *s)
{
	size_t i, klen;
	const uint8_t *key;

	if (s->pick_at == s->picked.n) {
		s->phase = DRAIN;
		return;
	}
	i = s->plan.reverse ? s->picked.n - 1 - s->pick_at : s->pick_at;
	s->pick_at++;
	key = sorter_key(&s->picked, i, &klen);
	if (!is_picked_before(s, i, key, klen) && view_get(s, key, klen) == 1)
		match_row(s, NULL, 0);
}

static void
step_drain(struct search *s)
{
	if (sorter_step(&s->sorted))
		s->phase = EMIT;
}

/* All that were gathered are shown: a run ends, or the search. */
static void
end_emit(struct search *s)
{
	if (s->plan.sort != SORT_RUNS || s->it == NULL || !store_iter_valid(s->it)) {
		s->phase = OVER;
		return;
	}
	s->emit_at = 0;
	sorter_clear(&s->sorted, page_left(s));
	s->phase = SCAN;
}

static void
step_emit(struct search *s)
{
	size_t klen;
	const uint8_t *key;

	if (s->emit_at == s->sorted.n) {
		end_emit(s);
		return;
	}
	key = sorter_key(&s->sorted, s->emit_at++, &klen);
	if (s->found < s->offset)
		s->found++;
	else if (view_get(s, key, klen) == 1 && page_row(s))
		s->phase = OVER;
}

enum search_state
search_step(struct search *s, uint64_t budget_us)
{
	static void (*const steps[])(struct search *) = {
		[KEYS] = step_keys,
		[SCAN] = step_scan,
		[COLLECT] = step_collect,
		[MERGE] = step_merge,
		[PICK] = step_pick,
		[DRAIN] = step_drain,
		[EMIT] = step_emit,
	};
	uint64_t end = mono_us() + budget_us;

	for (unsigned n = 1; s->phase != OVER; n++) {
		steps[s->phase](s);
		if (s->phase != OVER &&
		    (s->rows.out.len > SEARCH_PIECE ||
			(n % LOOK_AT_CLOCK == 0 && mono_us() >= end)))
			return (SEARCH_MORE);
	}
	if (s->error != NULL)
		return (SEARCH_FAILED);
	rows_end(&s->rows);
	return (SEARCH_DONE);
}
