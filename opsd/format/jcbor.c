#include "config.h"

#include "opsd/format/jcbor.h"

#include <cbor.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/* An array or object that is read, owned by the one around it. */
struct level {
	json_t *v;
	uint64_t left; /* items or pairs */
	int open;      /* as many as come, until a break */
	char *name;    /* of the value that comes next */
};

struct cbor_reading {
	struct level *levels;
	int depth, max_depth;
	json_t *root;
	struct buf text; /* in pieces */
	int in_text;
	const char *why; /* the first fault */
};

static void
cbor_fault(struct cbor_reading *r, const char *why)
{
	if (r->why == NULL)
		r->why = why;
}

static void
close_levels(struct cbor_reading *r)
{
	while (r->depth > 0 && !r->levels[r->depth - 1].open && r->levels[r->depth - 1].left == 0)
		r->depth--;
}

static void
put_name(struct cbor_reading *r, struct level *l, const json_t *v)
{
	const char *s = json_string_value(v);

	if (s == NULL)
		cbor_fault(r, "a name is no text");
	else if (strlen(s) != json_string_length(v))
		cbor_fault(r, "a name has a NUL character");
	else
		l->name = xstrdup(s);
}

static void
put_member(struct cbor_reading *r, struct level *l, json_t *v)
{
	if (json_is_array(l->v))
		json_array_append(l->v, v);
	else
		json_object_set(l->v, l->name, v);
	free(l->name);
	l->name = NULL;
	if (!l->open)
		l->left--;
}

/* The next item, whose reference is taken; 0 when it has its place and may be filled. */
static int
put_item(struct cbor_reading *r, json_t *v)
{
	struct level *l = r->depth > 0 ? &r->levels[r->depth - 1] : NULL;

	if (v == NULL)
		cbor_fault(r, "a text is not UTF-8");
	if (r->in_text)
		cbor_fault(r, "a text in pieces has something else in it");
	if (r->why == NULL && l == NULL)
		r->root = json_incref(v);
	else if (r->why == NULL && json_is_object(l->v) && l->name == NULL)
		put_name(r, l, v);
	else if (r->why == NULL)
		put_member(r, l, v);
	json_decref(v);
	return (r->why == NULL ? 0 : -1);
}

static void
put_scalar(struct cbor_reading *r, json_t *v)
{
	if (put_item(r, v) == 0)
		close_levels(r);
}

static void
enter_level(struct cbor_reading *r, json_t *v, int open, uint64_t n)
{
	int named = r->depth == 0 || json_is_array(r->levels[r->depth - 1].v) ||
	    r->levels[r->depth - 1].name != NULL;

	if (r->depth == r->max_depth)
		cbor_fault(r, "nested too deep");
	else if (!named)
		cbor_fault(r, "a name is no text");
	if (put_item(r, v) == -1)
		return;
	r->levels[r->depth++] = (struct level){ .v = v, .left = n, .open = open };
	close_levels(r);
}

/* ---- what the decoder calls ---- */

static void
on_integer(struct cbor_reading *r, uint64_t n, int negative)
{
	if (n <= INT64_MAX)
		put_scalar(r, json_integer(negative ? -1 - (int64_t)n : (int64_t)n));
	else
		put_scalar(r, json_real(negative ? -1.0 - (double)n : (double)n));
}

#define ON_INTEGER(bits)                                               \
	static void jcbor_uint##bits##_cb(void *r, uint##bits##_t n)   \
	{                                                              \
		on_integer(r, n, 0);                                   \
	}                                                              \
	static void jcbor_negint##bits##_cb(void *r, uint##bits##_t n) \
	{                                                              \
		on_integer(r, n, 1);                                   \
	}
ON_INTEGER(8)
ON_INTEGER(16)
ON_INTEGER(32)
ON_INTEGER(64)

static void
jcbor_double_cb(void *r, double d)
{
	put_scalar(r, isfinite(d) ? json_real(d) : json_null());
}

static void
jcbor_float_cb(void *r, float d)
{
	jcbor_double_cb(r, (double)d);
}

static void
jcbor_bool_cb(void *r, bool yes)
{
	put_scalar(r, json_boolean(yes));
}

static void
jcbor_null_cb(void *r)
{
	put_scalar(r, json_null());
}

static void
jcbor_text_start_cb(void *arg)
{
	struct cbor_reading *r = arg;

	if (r->in_text)
		cbor_fault(r, "a text in pieces has something else in it");
	r->in_text = 1;
	buf_clear(&r->text);
}

static void
jcbor_text_cb(void *arg, cbor_data p, size_t n)
{
	struct cbor_reading *r = arg;

	if (r->in_text)
		buf_add(&r->text, p, n);
	else
		put_scalar(r, json_stringn((const char *)p, n));
}

static void
jcbor_bytes_cb(void *arg, cbor_data p, size_t n)
{
	cbor_fault(arg, "byte strings have no form in JSON");
}

static void
jcbor_bytes_start_cb(void *arg)
{
	cbor_fault(arg, "byte strings have no form in JSON");
}

static void
jcbor_array_cb(void *arg, size_t n)
{
	enter_level(arg, json_array(), 0, n);
}

static void
jcbor_map_cb(void *arg, size_t n)
{
	enter_level(arg, json_object(), 0, n);
}

static void
jcbor_open_array_cb(void *arg)
{
	enter_level(arg, json_array(), 1, 0);
}

static void
jcbor_open_map_cb(void *arg)
{
	enter_level(arg, json_object(), 1, 0);
}

static void
jcbor_tag_cb(void *arg, uint64_t tag)
{
}

static void
jcbor_break_cb(void *arg)
{
	struct cbor_reading *r = arg;
	struct level *l = r->depth > 0 ? &r->levels[r->depth - 1] : NULL;

	if (r->in_text) {
		r->in_text = 0;
		put_scalar(r,
		    json_stringn(r->text.len > 0 ? (const char *)r->text.data : "", r->text.len));
	} else if (l == NULL || !l->open || l->name != NULL)
		cbor_fault(r, "a break that ends nothing");
	else {
		r->depth--;
		close_levels(r);
	}
}

static const struct cbor_callbacks callbacks = {
	.uint8 = jcbor_uint8_cb,
	.uint16 = jcbor_uint16_cb,
	.uint32 = jcbor_uint32_cb,
	.uint64 = jcbor_uint64_cb,
	.negint8 = jcbor_negint8_cb,
	.negint16 = jcbor_negint16_cb,
	.negint32 = jcbor_negint32_cb,
	.negint64 = jcbor_negint64_cb,
	.byte_string = jcbor_bytes_cb,
	.byte_string_start = jcbor_bytes_start_cb,
	.string = jcbor_text_cb,
	.string_start = jcbor_text_start_cb,
	.array_start = jcbor_array_cb,
	.indef_array_start = jcbor_open_array_cb,
	.map_start = jcbor_map_cb,
	.indef_map_start = jcbor_open_map_cb,
	.tag = jcbor_tag_cb,
	.float2 = jcbor_float_cb,
	.float4 = jcbor_float_cb,
	.float8 = jcbor_double_cb,
	.undefined = jcbor_null_cb,
	.null = jcbor_null_cb,
	.boolean = jcbor_bool_cb,
	.indef_break = jcbor_break_cb,
};

json_t *
jcbor_read(const void *p, size_t n, int max_depth, const char **why)
{
	struct cbor_reading r = { .max_depth = max_depth };
	struct cbor_decoder_result step;
	size_t at = 0;

	r.levels = xcalloc((size_t)max_depth, sizeof(*r.levels));
	while (r.why == NULL && (r.root == NULL || r.depth > 0 || r.in_text)) {
		step = cbor_stream_decode((cbor_data)p + at, n - at, &callbacks, &r);
		if (step.status != CBOR_DECODER_FINISHED)
			cbor_fault(&r,
			    step.status == CBOR_DECODER_NEDATA ? "it ends too early" :
								 "it is not well-formed");
		at += step.read;
	}
	if (at < n)
		cbor_fault(&r, "there is something behind it");
	for (int i = 0; i < max_depth; i++)
		free(r.levels[i].name);
	free(r.levels);
	buf_free(&r.text);
	*why = r.why;
	if (r.why == NULL)
		return (r.root);
	json_decref(r.root);
	return (NULL);
}

/* ---- writing ---- */

#define HEAD_MAX 9 /* bytes of an item's head */

void
jcbor_array(struct buf *out, size_t n)
{
	buf_reserve(out, HEAD_MAX);
	out->len += cbor_encode_array_start(n, out->data + out->len, HEAD_MAX);
}

void
jcbor_array_open(struct buf *out)
{
	buf_reserve(out, HEAD_MAX);
	out->len += cbor_encode_indef_array_start(out->data + out->len, HEAD_MAX);
}

void
jcbor_array_close(struct buf *out)
{
	buf_reserve(out, HEAD_MAX);
	out->len += cbor_encode_break(out->data + out->len, HEAD_MAX);
}

void
jcbor_map(struct buf *out, size_t n)
{
	buf_reserve(out, HEAD_MAX);
	out->len += cbor_encode_map_start(n, out->data + out->len, HEAD_MAX);
}

void
jcbor_text(struct buf *out, const char *s, size_t n)
{
	buf_reserve(out, HEAD_MAX + n);
	out->len += cbor_encode_string_start(n, out->data + out->len, HEAD_MAX);
	buf_add(out, s, n);
}

void
jcbor_integer(struct buf *out, int64_t i)
{
	buf_reserve(out, HEAD_MAX);
	if (i >= 0)
		out->len += cbor_encode_uint((uint64_t)i, out->data + out->len, HEAD_MAX);
	else
		out->len += cbor_encode_negint((uint64_t)(-1 - i), out->data + out->len, HEAD_MAX);
}

void
jcbor_real(struct buf *out, double d)
{
	buf_reserve(out, HEAD_MAX);
	out->len += cbor_encode_double(d, out->data + out->len, HEAD_MAX);
}

void
jcbor_bool(struct buf *out, int yes)
{
	buf_reserve(out, HEAD_MAX);
	out->len += cbor_encode_bool(yes != 0, out->data + out->len, HEAD_MAX);
}

void
jcbor_null(struct buf *out)
{
	buf_reserve(out, HEAD_MAX);
	out->len += cbor_encode_null(out->data + out->len, HEAD_MAX);
}
