#include "config.h"

#include "opsd/store/field.h"

#include <string.h>

#include "opsd/store/value.h"

struct field
field_of(const struct table *t, const struct attribute *a)
{
	struct field f = { .kind = FIELD_ATTR, .attr = a };

	if (strcmp(a->name, t->primary_key) == 0)
		f.kind = FIELD_KEY;
	else if (strcmp(a->name, "__createdtime__") == 0)
		f.kind = FIELD_CREATED;
	else if (strcmp(a->name, "__updatedtime__") == 0)
		f.kind = FIELD_UPDATED;
	return (f);
}

int
field_find(struct field *f, const struct table *t, const char *name)
{
	const struct attribute *a = table_attr(t, name, strlen(name));

	if (a == NULL || a->hidden)
		return (-1);
	*f = field_of(t, a);
	return (0);
}

int
field_indexed(const struct field *f)
{
	/* Indexes that are not whole have no entries for times. */
	return (f->kind == FIELD_KEY ||
	    (f->attr->indexed && (f->attr->whole || f->kind == FIELD_ATTR)));
}

const struct attr *
field_attr(const struct field *f, const struct row_view *v)
{
	const struct attr *a;

	if (f->kind != FIELD_ATTR)
		return (NULL);
	a = row_attr(&v->row, f->attr->name, f->attr->nlen);
	if (a == NULL || !row_counts(&v->row, a))
		return (NULL);
	if (!stamp_none(f->attr->dropped) && stamp_cmp(a->stamp, f->attr->dropped) <= 0)
		return (NULL);
	return (a);
}

static void
time_scalar(struct stamp s, struct scalar *out)
{
	if (stamp_none(s))
		*out = (struct scalar){ .rank = RANK_NULL };
	else
		scalar_real(out, stamp_user(s));
}

int
field_scalar(const struct field *f, struct row_view *v, struct scalar *out)
{
	const struct attr *a;

	switch (f->kind) {
	case FIELD_KEY:
		return (scalar_from_key(out, v->key, v->klen, &v->scratch));
	case FIELD_CREATED:
		time_scalar(row_created(&v->row), out);
		return (0);
	case FIELD_UPDATED:
		time_scalar(row_updated(&v->row), out);
		return (0);
	default:
		break;
	}
	a = field_attr(f, v);
	if (a == NULL) {
		*out = (struct scalar){ .rank = RANK_NULL };
		return (0);
	}
	return (value_scalar(out, a->value, a->vlen));
}

static void
put_key(const struct field *f, struct row_view *v, struct buf *out, size_t text_max)
{
	struct scalar sc;

	if (field_scalar(f, v, &sc) == -1) {
		buf_u8(out, RANK_DEEP);
		return;
	}
	if (sc.n > text_max)
		sc.n = text_max;
	key_from_scalar(out, &sc);
}

void
field_key(const struct field *f, struct row_view *v, struct buf *out)
{
	put_key(f, v, out, SIZE_MAX);
}

int
field_index_key(const struct field *f, struct row_view *v, struct buf *out)
{
	size_t at = out->len;

	if (!f->attr->whole && field_attr(f, v) == NULL)
		return (0);
	put_key(f, v, out, KEY_TEXT_MAX);
	if (f->attr->whole || out->data[at] != RANK_DEEP)
		return (1);
	out->len = at;
	return (0);
}

int
field_index_has(const struct field *f, struct row_view *v, struct buf *scratch,
    const uint8_t *value, size_t n)
{
	buf_clear(scratch);
	return (field_index_key(f, v, scratch) && scratch->len == n &&
	    memcmp(scratch->data, value, n) == 0);
}

int
field_index_entry(const uint8_t *p, size_t n, const uint8_t **value, size_t *vlen,
    const uint8_t **key, size_t *klen)
{
	const size_t head = 4 + 2; /* table and attribute id */

	*vlen = n > head ? field_key_span(p + head, n - head) : 0;
	if (*vlen == 0 || head + *vlen >= n)
		return (-1);
	*value = p + head;
	*key = *value + *vlen;
	*klen = n - head - *vlen;
	return (0);
}

size_t
field_key_span(const uint8_t *p, size_t n)
{
	return (n > 0 && p[0] == RANK_DEEP ? 1 : key_span(p, n));
}

void
row_view_free(struct row_view *v)
{
	row_free(&v->row);
	buf_free(&v->scratch);
}
