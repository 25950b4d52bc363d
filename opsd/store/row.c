#include "config.h"

#include "opsd/store/row.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/value.h"

#define ROW_CREATED 0x01
#define ROW_SAME    0x02 /* created equals cleared */
#define ROW_CLEARED 0x04

void
row_free(struct row *r)
{
	free(r->attrs);
	memset(r, 0, sizeof(*r));
}

void
row_clear(struct row *r)
{
	r->created = r->cleared = (struct stamp){ 0, 0 };
	r->n = 0;
}

struct attr *
row_add(struct row *r, const char *name, size_t nlen)
{
	struct attr *a;

	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 8 : r->cap * 2;
		r->attrs = xrealloc(r->attrs, r->cap * sizeof(*r->attrs));
	}
	a = &r->attrs[r->n++];
	memset(a, 0, sizeof(*a));
	a->name = name;
	a->nlen = (uint8_t)nlen;
	return (a);
}

const struct attr *
row_attr(const struct row *r, const char *name, size_t nlen)
{
	int lo = 0, hi = (int)r->n - 1;

	while (lo <= hi) {
		int mid = (lo + hi) / 2;
		const struct attr *a = &r->attrs[mid];
		int d = mem_order(name, nlen, a->name, a->nlen);

		if (d == 0)
			return (a);
		if (d < 0)
			hi = mid - 1;
		else
			lo = mid + 1;
	}
	return (NULL);
}

static int
decode_attr(struct row *r, struct rd *rd, int check)
{
	uint8_t nlen = rd_u8(rd);
	const char *name = (const char *)rd_bytes(rd, nlen);
	uint8_t own = rd_u8(rd);
	struct stamp s = own ? stamp_read(rd) : r->created;
	size_t vlen;
	const uint8_t *value = rd_blob(rd, &vlen);
	struct attr *a;

	if (!rd_ok(rd) || nlen == 0 || own > 1)
		return (-1);
	if (check && (!value_valid(value, vlen) || s.time >= STAMP_TIME_MAX))
		return (-1);
	if (r->n > 0) {
		const struct attr *last = &r->attrs[r->n - 1];

		if (mem_order(last->name, last->nlen, name, nlen) >= 0)
			return (-1);
	}
	a = row_add(r, name, nlen);
	a->stamp = s;
	a->value = value;
	a->vlen = (uint32_t)vlen;
	return (0);
}

static int
decode_row(struct row *r, const void *p, size_t n, int check)
{
	struct rd rd = rd_init(p, n);
	uint8_t flags;
	uint32_t count;

	row_clear(r);
	if (n == 0)
		return (0);
	flags = rd_u8(&rd);
	if (flags & ROW_CLEARED)
		r->cleared = stamp_read(&rd);
	if (flags & ROW_CREATED)
		r->created = flags & ROW_SAME ? r->cleared : stamp_read(&rd);
	count = rd_u32(&rd);
	if (!rd_ok(&rd) || flags > 7 || r->cleared.time >= STAMP_TIME_MAX ||
	    r->created.time >= STAMP_TIME_MAX)
		return (-1);
	for (uint32_t i = 0; i < count; i++)
		if (decode_attr(r, &rd, check) == -1)
			return (-1);
	return (rd_done(&rd) ? 0 : -1);
}

int
row_decode(struct row *r, const void *p, size_t n)
{
	return (decode_row(r, p, n, 1));
}

int
row_load(struct row *r, const void *p, size_t n)
{
	return (decode_row(r, p, n, 0));
}

void
row_encode(const struct row *r, struct buf *b)
{
	uint8_t flags = 0;

	if (!stamp_none(r->cleared))
		flags |= ROW_CLEARED;
	if (!stamp_none(r->created)) {
		flags |= ROW_CREATED;
		if ((flags & ROW_CLEARED) && stamp_cmp(r->created, r->cleared) == 0)
			flags |= ROW_SAME;
	}
	buf_u8(b, flags);
	if (flags & ROW_CLEARED)
		stamp_write(b, r->cleared);
	if ((flags & (ROW_CREATED | ROW_SAME)) == ROW_CREATED)
		stamp_write(b, r->created);
	buf_u32(b, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct attr *a = &r->attrs[i];
		int own = stamp_cmp(a->stamp, r->created) != 0;

		buf_u8(b, a->nlen);
		buf_add(b, a->name, a->nlen);
		buf_u8(b, (uint8_t)own);
		if (own)
			stamp_write(b, a->stamp);
		buf_blob(b, a->value, a->vlen);
	}
}

int
row_visible(const struct row *r)
{
	return (!stamp_none(r->created) && stamp_cmp(r->created, r->cleared) >= 0);
}

int
row_counts(const struct row *r, const struct attr *a)
{
	return (stamp_cmp(a->stamp, r->cleared) >= 0);
}

struct stamp
row_created(const struct row *r)
{
	return (stamp_none(r->cleared) ? r->created : r->cleared);
}

struct stamp
row_updated(const struct row *r)
{
	struct stamp s = r->created;

	for (uint32_t i = 0; i < r->n; i++)
		if (row_counts(r, &r->attrs[i]))
			s = stamp_max(s, r->attrs[i].stamp);
	return (s);
}

struct stamp
row_newest(const struct row *r)
{
	struct stamp s = stamp_max(r->created, r->cleared);

	for (uint32_t i = 0; i < r->n; i++)
		s = stamp_max(s, r->attrs[i].stamp);
	return (s);
}

/* Drop what `keep` refuses. */
static void
filter_attrs(struct row *r, int (*keep)(struct stamp, const void *), const void *arg)
{
	uint32_t n = 0;

	if (!keep(r->created, arg))
		r->created = (struct stamp){ 0, 0 };
	if (!keep(r->cleared, arg))
		r->cleared = (struct stamp){ 0, 0 };
	for (uint32_t i = 0; i < r->n; i++)
		if (keep(r->attrs[i].stamp, arg))
			r->attrs[n++] = r->attrs[i];
	r->n = n;
}

static int
keep_above(struct stamp s, const void *arg)
{
	return (stamp_cmp(s, *(const struct stamp *)arg) > 0);
}

static int
keep_node(struct stamp s, const void *arg)
{
	return (s.node == *(const uint64_t *)arg);
}

void
row_floor(struct row *r, struct stamp floor)
{
	if (!stamp_none(floor))
		filter_attrs(r, keep_above, &floor);
}

void
row_only_node(struct row *r, uint64_t node)
{
	filter_attrs(r, keep_node, &node);
}

/* Attributes below cleared are gone, and created if below. */
static int
settle_cleared(struct row *r)
{
	uint32_t n = 0;
	int changed = 0;

	for (uint32_t i = 0; i < r->n; i++)
		if (row_counts(r, &r->attrs[i]))
			r->attrs[n++] = r->attrs[i];
	changed = n != r->n;
	r->n = n;
	if (!stamp_none(r->created) && stamp_cmp(r->created, r->cleared) < 0) {
		r->created = (struct stamp){ 0, 0 };
		changed = 1;
	}
	return (changed);
}

static int
attr_wins(const struct attr *a, const struct attr *over)
{
	int d = stamp_cmp(a->stamp, over->stamp);

	return (d > 0 || (d == 0 && mem_order(a->value, a->vlen, over->value, over->vlen) > 0));
}

/* Of two rows with as many attributes. */
static int
attrs_differ(const struct row *a, const struct row *b)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->attrs[i].value != b->attrs[i].value ||
		    stamp_cmp(a->attrs[i].stamp, b->attrs[i].stamp) != 0)
			return (1);
	return (0);
}

int
row_merge(struct row *into, const struct row *with)
{
	struct row out = {
		.created = stamp_max(into->created, with->created),
		.cleared = stamp_max(into->cleared, with->cleared),
	};
	int changed = stamp_cmp(out.created, into->created) != 0 ||
	    stamp_cmp(out.cleared, into->cleared) != 0;
	struct stamp created = into->created, cleared = into->cleared;
	uint32_t i = 0, j = 0;

	out.cap = into->n + with->n + 1;
	out.attrs = xmalloc(out.cap * sizeof(*out.attrs));
	while (i < into->n || j < with->n) {
		const struct attr *a = i < into->n ? &into->attrs[i] : NULL;
		const struct attr *b = j < with->n ? &with->attrs[j] : NULL;
		int d = a == NULL ? 1 :
		    b == NULL     ? -1 :
				    mem_order(a->name, a->nlen, b->name, b->nlen);

		if (d < 0) {
			out.attrs[out.n++] = *a;
			i++;
		} else if (d > 0) {
			/* What is below cleared never was: no change. */
			if (row_counts(&out, b)) {
				out.attrs[out.n++] = *b;
				changed = 1;
			}
			j++;
		} else {
			int wins = attr_wins(b, a);

			out.attrs[out.n++] = wins ? *b : *a;
			changed |= wins;
			i++;
			j++;
		}
	}
	settle_cleared(&out);
	/* A created that cleared removed at once is no change by itself. */
	if (changed && stamp_cmp(out.created, created) == 0 &&
	    stamp_cmp(out.cleared, cleared) == 0 && out.n == into->n)
		changed = attrs_differ(&out, into);
	free(into->attrs);
	*into = out;
	return (changed);
}
