#include "config.h"

#include "common/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
}

void
buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;

	if (__builtin_add_overflow(b->len, more, &need) || need > SIZE_MAX / 2)
		fatalx("buf: %zu bytes more are too many", more);
	if (need <= b->cap)
		return;
	cap = b->cap < 64 ? 64 : b->cap * 2;
	if (cap < need)
		cap = need;
	b->data = xrealloc(b->data, cap);
	b->cap = cap;
}

uint8_t *
buf_take(struct buf *b, size_t *len)
{
	uint8_t *data = b->data;

	if (len != NULL)
		*len = b->len;
	*b = (struct buf){ 0 };
	return (data);
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	buf_reserve(b, n);
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		fatal("vsnprintf");
	buf_reserve(b, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

static void
put_le(uint8_t *p, uint64_t v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void
put_be(uint8_t *p, uint64_t v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static void
buf_le(struct buf *b, uint64_t v, size_t n)
{
	buf_reserve(b, n);
	put_le(b->data + b->len, v, n);
	b->len += n;
}

static void
buf_be(struct buf *b, uint64_t v, size_t n)
{
	buf_reserve(b, n);
	put_be(b->data + b->len, v, n);
	b->len += n;
}

void
buf_u8(struct buf *b, uint8_t v)
{
	buf_le(b, v, 1);
}

void
buf_u16(struct buf *b, uint16_t v)
{
	buf_le(b, v, 2);
}

void
buf_u32(struct buf *b, uint32_t v)
{
	buf_le(b, v, 4);
}

void
buf_u64(struct buf *b, uint64_t v)
{
	buf_le(b, v, 8);
}

void
buf_be32(struct buf *b, uint32_t v)
{
	buf_be(b, v, 4);
}

void
buf_be64(struct buf *b, uint64_t v)
{
	buf_be(b, v, 8);
}

void
buf_str(struct buf *b, const char *s)
{
	buf_strn(b, s, strlen(s));
}

void
buf_strn(struct buf *b, const void *p, size_t n)
{
	/* Cut short it would be another name: better no process than wrong data. */
	if (n > UINT16_MAX)
		fatalx("buf: a string of %zu bytes is too long", n);
	buf_u16(b, (uint16_t)n);
	buf_add(b, p, n);
}

void
buf_blob(struct buf *b, const void *p, size_t n)
{
	if (n > UINT32_MAX)
		fatalx("buf: a blob of %zu bytes is too long", n);
	buf_u32(b, (uint32_t)n);
	buf_add(b, p, n);
}

void
buf_put_u32(struct buf *b, size_t at, uint32_t v)
{
	assert(at <= b->len && b->len - at >= 4);
	put_le(b->data + at, v, 4);
}

void
buf_put_u64(struct buf *b, size_t at, uint64_t v)
{
	assert(at <= b->len && b->len - at >= 8);
	put_le(b->data + at, v, 8);
}

struct rd
rd_init(const void *p, size_t n)
{
	struct rd r = { .p = n > 0 ? p : (const void *)"" };

	r.end = r.p + n;
	return (r);
}

const uint8_t *
rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || rd_left(r) < n) {
		r->bad = 1;
		return (NULL);
	}
	r->p += n;
	return (p);
}

static uint64_t
rd_le(struct rd *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	uint64_t v = 0;

	while (p != NULL && n-- > 0)
		v = v << 8 | p[n];
	return (v);
}

static uint64_t
rd_be(struct rd *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	uint64_t v = 0;
	size_t i;

	for (i = 0; p != NULL && i < n; i++)
		v = v << 8 | p[i];
	return (v);
}

uint8_t
rd_u8(struct rd *r)
{
	return ((uint8_t)rd_le(r, 1));
}

uint16_t
rd_u16(struct rd *r)
{
	return ((uint16_t)rd_le(r, 2));
}

uint32_t
rd_u32(struct rd *r)
{
	return ((uint32_t)rd_le(r, 4));
}

uint64_t
rd_u64(struct rd *r)
{
	return (rd_le(r, 8));
}

uint32_t
rd_be32(struct rd *r)
{
	return ((uint32_t)rd_be(r, 4));
}

uint64_t
rd_be64(struct rd *r)
{
	return (rd_be(r, 8));
}

const char *
rd_strn(struct rd *r, size_t *n)
{
	size_t len = rd_u16(r);
	const uint8_t *p = rd_bytes(r, len);

	*n = p != NULL ? len : 0;
	return (p != NULL ? (const char *)p : "");
}

char *
rd_str(struct rd *r)
{
	size_t n;
	const char *p = rd_strn(r, &n);

	if (memchr(p, 0, n) != NULL) {
		r->bad = 1;
		n = 0;
	}
	return (xstrndup(p, n));
}

const uint8_t *
rd_blob(struct rd *r, size_t *n)
{
	size_t len = rd_u32(r);
	const uint8_t *p = rd_bytes(r, len);

	*n = p != NULL ? len : 0;
	return (p);
}

size_t
rd_left(const struct rd *r)
{
	return (r->bad ? 0 : (size_t)(r->end - r->p));
}

int
rd_ok(const struct rd *r)
{
	return (!r->bad);
}

int
rd_done(const struct rd *r)
{
	return (!r->bad && r->p == r->end);
}
