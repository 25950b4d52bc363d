#include "config.h"

#include "opsd/search/rows.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/format/jcbor.h"
#include "opsd/store/value.h"

void
rows_free(struct rows *r)
{
	for (size_t i = 0; i < r->ncols; i++) {
		buf_free(&r->cols[i].name);
		free(r->cols[i].given);
	}
	free(r->cols);
	buf_free(&r->out);
}

void
rows_column(struct rows *r, const struct field *f)
{
	for (size_t i = 0; i < r->ncols; i++)
		if (r->cols[i].field.attr == f->attr)
			return;
	r->cols = xrealloc(r->cols, (r->ncols + 1) * sizeof(*r->cols));
	r->cols[r->ncols++] = (struct rows_column){ .field = *f };
}

void
rows_named(struct rows *r, const char *name)
{
	r->cols = xrealloc(r->cols, (r->ncols + 1) * sizeof(*r->cols));
	r->cols[r->ncols++] = (struct rows_column){ .given = xstrdup(name) };
}

/* MessagePack's array of 32 bits: room for any count. */
static void
put_count(struct rows *r, uint32_t count)
{
	uint8_t *p = r->out.data;

	*p++ = 0xdd;
	for (int shift = 24; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(count >> shift);
}

static void
csv_header(struct rows *r)
{
	for (size_t i = 0; i < r->ncols; i++) {
		if (i > 0)
			buf_u8(&r->out, ',');
		buf_add(&r->out, r->cols[i].name.data, r->cols[i].name.len);
	}
	buf_add(&r->out, "\r\n", 2);
}

void
rows_begin(struct rows *r, uint32_t count)
{
	for (size_t i = 0; i < r->ncols; i++) {
		struct rows_column *c = &r->cols[i];

		buf_clear(&c->name);
		if (c->given != NULL)
			format_name(r->format, &c->name, c->given, strlen(c->given));
		else
			format_name(r->format, &c->name, c->field.attr->name, c->field.attr->nlen);
	}
	r->shown = 0;
	r->whole = count == ROWS_UNKNOWN;
	buf_clear(&r->out);
	switch (r->format) {
	case FORMAT_JSON:
		buf_u8(&r->out, '[');
		return;
	case FORMAT_CBOR:
		jcbor_array_open(&r->out);
		return;
	case FORMAT_MSGPACK:
		buf_add(&r->out, "\0\0\0\0", 5);
		put_count(r, count);
		return;
	case FORMAT_CSV:
		csv_header(r);
	}
}

static int
has_column(const struct rows *r, const struct rows_column *c, const void *row)
{
	return (c->given != NULL || !r->skip_missing || c->field.kind != FIELD_ATTR ||
	    field_attr(&c->field, row) != NULL);
}

static void
put_row_field(struct rows *r, const struct field *f, struct row_view *v)
{
	const struct attr *a = field_attr(f, v);
	struct scalar sc = { .rank = RANK_NULL };

	if (a != NULL) {
		format_stored(r->format, &r->out, a->value, a->vlen);
		return;
	}
	if (f->kind != FIELD_ATTR && field_scalar(f, v, &sc) == -1)
		sc = (struct scalar){ .rank = RANK_NULL };
	format_scalar(r->format, &r->out, &sc);
}

static void
put_column(struct rows *r, const struct rows_column *c, void *row)
{
	if (c->given != NULL)
		r->put(r, (size_t)(c - r->cols), row);
	else
		put_row_field(r, &c->field, row);
}

/* {"a":1,"b":2} */
static void
add_json_text(struct rows *r, void *row)
{
	char before = '{';

	if (r->shown > 0)
		buf_u8(&r->out, ',');
	for (size_t i = 0; i < r->ncols; i++) {
		const struct rows_column *c = &r->cols[i];

		if (!has_column(r, c, row))
			continue;
		buf_u8(&r->out, (uint8_t)before);
		buf_add(&r->out, c->name.data, c->name.len);
		put_column(r, c, row);
		before = ',';
	}
	if (before == '{')
		buf_u8(&r->out, '{');
	buf_u8(&r->out, '}');
}

/* How many members, then each. */
static void
add_binary(struct rows *r, void *row)
{
	size_t n = 0;

	for (size_t i = 0; i < r->ncols; i++)
		n += has_column(r, &r->cols[i], row) != 0;
	if (r->format == FORMAT_CBOR)
		jcbor_map(&r->out, n);
	else
		value_pack_map(&r->out, n);
	for (size_t i = 0; i < r->ncols; i++) {
		const struct rows_column *c = &r->cols[i];

		if (!has_column(r, c, row))
			continue;
		buf_add(&r->out, c->name.data, c->name.len);
		put_column(r, c, row);
	}
}

/*
 * Null is an empty cell, but a word where that is what a row has not, or where it would be
 * an empty line.
 */
static void
add_csv_line(struct rows *r, void *row)
{
	for (size_t i = 0; i < r->ncols; i++) {
		const struct rows_column *c = &r->cols[i];
		size_t at;

		if (i > 0)
			buf_u8(&r->out, ',');
		at = r->out.len;
		put_column(r, c, row);
		if (r->out.len == at &&
		    (r->ncols == 1 || (r->skip_missing && has_column(r, c, row))))
			buf_add(&r->out, "null", 4);
	}
	buf_add(&r->out, "\r\n", 2);
}

void
rows_add(struct rows *r, void *row)
{
	static void (*const adds[])(struct rows *, void *) = {
		[FORMAT_JSON] = add_json_text,
		[FORMAT_CBOR] = add_binary,
		[FORMAT_MSGPACK] = add_binary,
		[FORMAT_CSV] = add_csv_line,
	};

	if (!r->counting)
		adds[r->format](r, row);
	r->shown++;
}

void
rows_end(struct rows *r)
{
	if (r->format == FORMAT_JSON)
		buf_u8(&r->out, ']');
	else if (r->format == FORMAT_CBOR)
		jcbor_array_close(&r->out);
	else if (r->format == FORMAT_MSGPACK && r->whole)
		put_count(r, (uint32_t)r->shown);
}
