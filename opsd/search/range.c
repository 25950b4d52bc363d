#include "config.h"

#include "opsd/search/range.h"

#include <string.h>

#include "common/base/mem.h"

#define UNKNOWN_SHARE 10 /* of many, while none of them are on disk */

static int
bytes_cmp(const struct buf *a, const struct buf *b)
{
	return (mem_order(a->data, a->len, b->data, b->len));
}

/* What all its keys begin with: the table, in an index also the attribute. */
static void
put_prefix(struct buf *b, const struct table *t, const struct attribute *index)
{
	if (index != NULL)
		key_index(b, t->id, index->id, NULL, 0, NULL, 0);
	else
		key_row(b, t->id, NULL, 0);
}

void
range_all(struct range *r, const struct table *t, const struct field *f)
{
	*r = (struct range){ .index = f != NULL && f->kind != FIELD_KEY ? f->attr : NULL };
	put_prefix(&r->from, t, r->index);
	put_prefix(&r->to, t, r->index);
	if (r->index != NULL)
		buf_u8(&r->to, 0xff); /* after all kinds of values */
	else {
		buf_clear(&r->to);
		key_table_end(&r->to, t->id);
	}
}

/* The greater one stays, or the smaller one. */
static void
keep_bound(struct buf *now, struct buf *other, int greater)
{
	if ((bytes_cmp(other, now) > 0) == greater) {
		buf_clear(now);
		buf_add(now, other->data, other->len);
	}
}

int
range_narrow(struct range *r, const struct table *t, const struct condition *leaf)
{
	const struct attribute *place = leaf->kind != COND_LEAF || leaf->field.kind == FIELD_KEY ?
	    NULL :
	    leaf->field.attr;
	struct buf lower = { 0 }, upper = { 0 }, from = { 0 }, to = { 0 };
	int rc = -1;

	if (place == r->index && condition_bounds(leaf, &lower, &upper) == 0) {
		put_prefix(&from, t, place);
		put_prefix(&to, t, place);
		buf_add(&from, lower.data, lower.len);
		buf_add(&to, upper.data, upper.len);
		keep_bound(&r->from, &from, 1);
		keep_bound(&r->to, &to, 0);
		/* Cut text is of several values. */
		r->single |= leaf->compare == CMP_EQUALS && leaf->a.n < KEY_TEXT_MAX;
		r->narrowed = 1;
		rc = 0;
	}
	buf_free(&lower);
	buf_free(&upper);
	buf_free(&from);
	buf_free(&to);
	return (rc);
}

void
range_free(struct range *r)
{
	buf_free(&r->from);
	buf_free(&r->to);
}

int
range_empty(const struct range *r)
{
	return (bytes_cmp(&r->from, &r->to) >= 0);
}

static enum store_cf
range_cf(const struct range *r)
{
	return (r->index != NULL ? CF_INDEX : CF_ROWS);
}

struct store_iter *
range_iter(const struct range *r, struct store *s, const struct store_snap *snap)
{
	return (store_iter_new(s, snap, range_cf(r), r->from.data, r->from.len, r->to.data,
	    r->to.len));
}

uint64_t
range_count(const struct range *r, struct store *s, const struct store_snap *snap, uint64_t max)
{
	struct store_iter *it;
	uint64_t n = 0;

	if (max == 0 || range_empty(r))
		return (0);
	it = range_iter(r, s, snap);
	for (store_iter_first(it); n < max && store_iter_valid(it); store_iter_next(it))
		n++;
	store_iter_free(it);
	return (n);
}

uint64_t
range_bytes(const struct range *r, struct store *s)
{
	if (range_empty(r))
		return (0);
	return (store_size(s, range_cf(r), r->from.data, r->from.len, r->to.data, r->to.len));
}

uint64_t
range_total(const struct table *t)
{
	int64_t count = t->stat->count;

	return (count > 0 ? (uint64_t)count : 0);
}

uint64_t
range_estimate(const struct range *r, const struct table *t, struct store *s,
    const struct store_snap *snap, uint64_t *looks)
{
	uint64_t max = *looks < RANGE_LOOK_MAX ? *looks : RANGE_LOOK_MAX, n, bytes, all;
	struct field f = { .kind = FIELD_ATTR, .attr = r->index };
	struct range whole;

	if (r->index == NULL && r->single)
		return (1);
	n = range_count(r, s, snap, max);
	*looks -= n < *looks ? n + 1 : *looks;
	if (n < max)
		return (n);
	range_all(&whole, t, r->index != NULL ? &f : NULL);
	bytes = range_bytes(r, s);
	all = range_bytes(&whole, s);
	range_free(&whole);
	n = all == 0 ? range_total(t) / UNKNOWN_SHARE :
		       (uint64_t)((double)range_total(t) * (double)bytes / (double)all);
	return (n > RANGE_LOOK_MAX ? n : RANGE_LOOK_MAX);
}
