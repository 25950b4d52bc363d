#include "config.h"

#include "opsd/store/packed.h"

#include <math.h>
#include <string.h>

static uint64_t
read_be(struct rd *r, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | rd_u8(r);
	return (v);
}

static int
packed_sized(struct rd *r, struct packed *t, enum packed_kind kind, size_t n)
{
	t->kind = kind;
	t->n = (uint32_t)n;
	/* Each item takes a byte at least: a length beyond that is a lie. */
	if (rd_left(r) / (kind == PACKED_MAP ? 2 : 1) < n)
		return (-1);
	if (kind == PACKED_TEXT)
		t->s = (const char *)rd_bytes(r, n);
	return (rd_ok(r) ? 0 : -1);
}

static int
packed_integer(struct rd *r, struct packed *t, int64_t i)
{
	t->kind = PACKED_INTEGER;
	t->i = i;
	return (rd_ok(r) ? 0 : -1);
}

static int
packed_real(struct rd *r, struct packed *t)
{
	uint64_t bits = read_be(r, 8);

	t->kind = PACKED_REAL;
	memcpy(&t->d, &bits, sizeof(t->d));
	if (!isfinite(t->d)) {
		t->kind = PACKED_NIL;
		t->foreign = 1;
	}
	return (rd_ok(r) ? 0 : -1);
}

static int
packed_single(struct rd *r, struct packed *t)
{
	uint32_t bits = (uint32_t)read_be(r, 4);
	float f;

	memcpy(&f, &bits, sizeof(f));
	t->kind = isfinite(f) ? PACKED_REAL : PACKED_NIL;
	t->d = (double)f;
	t->foreign = 1;
	return (rd_ok(r) ? 0 : -1);
}

static int
packed_unsigned(struct rd *r, struct packed *t)
{
	uint64_t u = read_be(r, 8);

	if (u <= INT64_MAX)
		return (packed_integer(r, t, (int64_t)u));
	t->kind = PACKED_REAL;
	t->d = (double)u;
	t->foreign = 1;
	return (rd_ok(r) ? 0 : -1);
}

/* Forms with a byte of their own, from c0. */
static int
packed_long(struct rd *r, struct packed *t, uint8_t c)
{
	switch (c) {
	case 0xc0:
		t->kind = PACKED_NIL;
		return (0);
	case 0xc2:
	case 0xc3:
		t->kind = c == 0xc3 ? PACKED_TRUE : PACKED_FALSE;
		return (0);
	case 0xca:
		return (packed_single(r, t));
	case 0xcb:
		return (packed_real(r, t));
	case 0xcc:
		return (packed_integer(r, t, rd_u8(r)));
	case 0xcd:
		return (packed_integer(r, t, (int64_t)read_be(r, 2)));
	case 0xce:
		return (packed_integer(r, t, (int64_t)read_be(r, 4)));
	case 0xcf:
		return (packed_unsigned(r, t));
	case 0xd3:
		return (packed_integer(r, t, (int64_t)read_be(r, 8)));
	case 0xd0:
		return (packed_integer(r, t, (int8_t)rd_u8(r)));
	case 0xd1:
		return (packed_integer(r, t, (int16_t)read_be(r, 2)));
	case 0xd2:
		return (packed_integer(r, t, (int32_t)read_be(r, 4)));
	case 0xd9:
		return (packed_sized(r, t, PACKED_TEXT, rd_u8(r)));
	case 0xda:
	case 0xdb:
		return (packed_sized(r, t, PACKED_TEXT, read_be(r, c == 0xda ? 2 : 4)));
	case 0xdc:
	case 0xdd:
		return (packed_sized(r, t, PACKED_ARRAY, read_be(r, c == 0xdc ? 2 : 4)));
	case 0xde:
	case 0xdf:
		return (packed_sized(r, t, PACKED_MAP, read_be(r, c == 0xde ? 2 : 4)));
	default:
		return (-1); /* binary, extensions */
	}
}

int
packed_any(struct rd *r, struct packed *t)
{
	uint8_t c = rd_u8(r);

	*t = (struct packed){ 0 };
	if (!rd_ok(r))
		return (-1);
	if (c < 0x80 || c >= 0xe0)
		return (packed_integer(r, t, (int8_t)c));
	if (c < 0x90)
		return (packed_sized(r, t, PACKED_MAP, c & 0x0f));
	if (c < 0xa0)
		return (packed_sized(r, t, PACKED_ARRAY, c & 0x0f));
	if (c < 0xc0)
		return (packed_sized(r, t, PACKED_TEXT, c & 0x1f));
	return (packed_long(r, t, c));
}

int
packed_next(struct rd *r, struct packed *t)
{
	return (packed_any(r, t) == -1 || t->foreign ? -1 : 0);
}

int
packed_name(struct rd *r, struct packed *t)
{
	if (packed_next(r, t) == -1 || t->kind != PACKED_TEXT || memchr(t->s, 0, t->n) != NULL)
		return (-1);
	return (0);
}
