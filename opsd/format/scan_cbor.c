#include "config.h"

#include <cbor.h>

#include "common/base/buf.h"
#include "opsd/format/scan.h"

/* CBOR as in jcbor.c, of which no values are made. */

#define TEXT_JOINED 4096 /* bytes of a text in pieces */

struct looking {
	struct scan *scan;
	struct buf text; /* in pieces */
	int in_text;
};

/* Anything but a piece of a text in pieces. */
static int
between_pieces(struct looking *l)
{
	if (l->in_text)
		scan_fault(l->scan, "a text in pieces has something else in it");
	return (!l->in_text);
}

static void
look_scalar(struct looking *l)
{
	if (between_pieces(l))
		scan_value(l->scan);
}

#define LOOK(name, type)                              \
	static void look_##name##_cb(void *l, type v) \
	{                                             \
		look_scalar(l);                       \
	}
LOOK(uint8, uint8_t)
LOOK(uint16, uint16_t)
LOOK(uint32, uint32_t)
LOOK(uint64, uint64_t)
LOOK(float, float)
LOOK(double, double)
LOOK(bool, bool)

/* A tag says what the value behind it is meant as. */
static void
look_tag_cb(void *l, uint64_t tag)
{
}

static void
look_null_cb(void *l)
{
	look_scalar(l);
}

static void
look_bytes_cb(void *l, cbor_data p, size_t n)
{
	scan_fault(((struct looking *)l)->scan, "byte strings have no form in JSON");
}

static void
look_bytes_start_cb(void *l)
{
	look_bytes_cb(l, NULL, 0);
}

static void
look_text_start_cb(void *arg)
{
	struct looking *l = arg;

	if (between_pieces(l))
		l->in_text = 1;
	buf_clear(&l->text);
}

static void
look_text_cb(void *arg, cbor_data p, size_t n)
{
	struct looking *l = arg;

	scan_mend((const char *)p, n);
	if (!l->in_text)
		scan_text(l->scan, (const char *)p, n);
	else if (l->text.len < TEXT_JOINED)
		buf_add(&l->text, p, n < TEXT_JOINED ? n : TEXT_JOINED);
}

static void
look_enter(struct looking *l, int map, int open, uint64_t n)
{
	if (between_pieces(l))
		scan_enter(l->scan, map, open, n);
}

static void
look_array_cb(void *l, size_t n)
{
	look_enter(l, 0, 0, n);
}

static void
look_map_cb(void *l, size_t n)
{
	look_enter(l, 1, 0, n);
}

static void
look_open_array_cb(void *l)
{
	look_enter(l, 0, 1, 0);
}

static void
look_open_map_cb(void *l)
{
	look_enter(l, 1, 1, 0);
}

static void
look_break_cb(void *arg)
{
	struct looking *l = arg;

	if (!l->in_text) {
		scan_leave(l->scan);
		return;
	}
	l->in_text = 0;
	scan_text(l->scan, l->text.len > 0 ? (const char *)l->text.data : "", l->text.len);
}

static const struct cbor_callbacks looks = {
	.uint8 = look_uint8_cb,
	.uint16 = look_uint16_cb,
	.uint32 = look_uint32_cb,
	.uint64 = look_uint64_cb,
	.negint8 = look_uint8_cb,
	.negint16 = look_uint16_cb,
	.negint32 = look_uint32_cb,
	.negint64 = look_uint64_cb,
	.byte_string = look_bytes_cb,
	.byte_string_start = look_bytes_start_cb,
	.string = look_text_cb,
	.string_start = look_text_start_cb,
	.array_start = look_array_cb,
	.indef_array_start = look_open_array_cb,
	.map_start = look_map_cb,
	.indef_map_start = look_open_map_cb,
	.tag = look_tag_cb,
	.float2 = look_float_cb,
	.float4 = look_float_cb,
	.float8 = look_double_cb,
	.undefined = look_null_cb,
	.null = look_null_cb,
	.boolean = look_bool_cb,
	.indef_break = look_break_cb,
};

void
scan_cbor(struct scan *s, uint8_t *p, size_t n)
{
	struct looking l = { .scan = s };
	struct cbor_decoder_result step;
	size_t at = 0;

	while (s->why == NULL && !scan_is_whole(s)) {
		step = cbor_stream_decode(p + at, n - at, &looks, &l);
		if (step.status != CBOR_DECODER_FINISHED)
			scan_fault(s,
			    step.status == CBOR_DECODER_NEDATA ? "it ends too early" :
								 "it is not well-formed");
		at += step.read;
	}
	if (at < n)
		scan_fault(s, "there is something behind it");
	buf_free(&l.text);
}
