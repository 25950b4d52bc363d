#include "config.h"

#include "opsd/http/coding.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/mem.h"

#define STEP      65536     /* bytes of output at a time */
#define GZIP_BITS (15 + 16) /* the largest window, with the head of gzip */
/*
 * What is written has small windows: an answer that waits for its reader keeps them, 128 KiB
 * for gzip and about twice that for Zstandard.
 */
#define GZIP_SMALL  (14 + 16)
#define GZIP_MEMORY 7
#define GZIP_LEVEL  2
#define ZSTD_LEVEL  1
#define ZSTD_SMALL  16
#define ZSTD_TABLE  14
#define ZSTD_WINDOW 23 /* of what is read: 8 MiB, as level 19 has it */

static const char *const names[] = { "identity", "gzip", "zstd" };

/* ---- which ---- */

const char *
coding_name(enum coding c)
{
	return (names[c]);
}

static enum coding
coding_named(const char *s, size_t n)
{
	for (int i = CODING_NONE; i < CODING_UNKNOWN; i++)
		if (strlen(names[i]) == n && strncasecmp(s, names[i], n) == 0)
			return ((enum coding)i);
	return (n == 6 && strncasecmp(s, "x-gzip", 6) == 0 ? CODING_GZIP : CODING_UNKNOWN);
}

enum coding
coding_of(const char *header)
{
	size_t n = header != NULL ? strcspn(header, " \t,") : 0;

	if (header == NULL)
		return (CODING_NONE);
	/* One alone. */
	return (header[n + strspn(header + n, " \t")] != '\0' ? CODING_UNKNOWN :
								coding_named(header, n));
}

/* Whether the parameters say that it is not wanted: q=0. */
static int
is_refused(const char *params, const char *end)
{
	const char *q = memchr(params, 'q', (size_t)(end - params));

	if (q == NULL || q + 2 >= end || q[1] != '=' || q[2] != '0')
		return (0);
	for (q += 3; q < end; q++)
		if (*q >= '1' && *q <= '9')
			return (0);
	return (1);
}

/* Zstandard costs less and gives more, so it comes first. */
enum coding
coding_wanted(const char *header)
{
	enum coding best = CODING_NONE, c;

	while (header != NULL && *header != '\0') {
		const char *end = header + strcspn(header, ",");

		header += strspn(header, " \t");
		c = coding_named(header, strcspn(header, " \t;,"));
		if (c != CODING_UNKNOWN && c > best && !is_refused(header, end))
			best = c;
		header = *end != '\0' ? end + 1 : end;
	}
	return (best);
}

/* ---- reading ---- */

static int
room_left(struct buf *out, size_t from, size_t max)
{
	size_t have = out->len - from;

	/* A byte more than may be shows that there is more. */
	if (have > max)
		return (0);
	buf_reserve(out, max - have + 1 < STEP ? max - have + 1 : STEP);
	return (1);
}

static int
read_gzip(const void *p, size_t n, size_t max, struct buf *out)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n };
	size_t from = out->len, free;
	int rc = Z_OK;

	if (n > UINT32_MAX || inflateInit2(&z, GZIP_BITS) != Z_OK)
		return (-1);
	while (rc == Z_OK && room_left(out, from, max)) {
		free = out->cap - out->len;
		z.next_out = out->data + out->len;
		z.avail_out = (uInt)free;
		rc = inflate(&z, Z_NO_FLUSH);
		out->len += free - z.avail_out;
		/* One may follow the other. */
		if (rc == Z_STREAM_END && z.avail_in > 0)
			rc = inflateReset(&z);
	}
	inflateEnd(&z);
	return (out->len - from > max ? 1 : rc == Z_STREAM_END ? 0 : -1);
}

static int
read_zstd(const void *p, size_t n, size_t max, struct buf *out)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();
	ZSTD_inBuffer in = { p, n, 0 };
	size_t from = out->len, left = 1;

	if (z == NULL)
		return (-1);
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW);
	while (room_left(out, from, max)) {
		ZSTD_outBuffer to = { out->data + out->len, out->cap - out->len, 0 };

		left = ZSTD_decompressStream(z, &to, &in);
		out->len += to.pos;
		/* At the end there may be just as much room as it took. */
		if (ZSTD_isError(left) || (in.pos == n && (left == 0 || to.pos < to.size)))
			break;
	}
	ZSTD_freeDCtx(z);
	return (out->len - from > max ? 1 : left == 0 && in.pos == n ? 0 : -1);
}

int
coding_read(enum coding c, const void *p, size_t n, size_t max, struct buf *out)
{
	return (c == CODING_ZSTD ? read_zstd(p, n, max, out) : read_gzip(p, n, max, out));
}

/* ---- writing ---- */

struct coder {
	enum coding coding;
	z_stream gzip;
	ZSTD_CCtx *zstd;
};

static int
zstd_begin(struct coder *w)
{
	if ((w->zstd = ZSTD_createCCtx()) == NULL)
		return (-1);
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_windowLog, ZSTD_SMALL);
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_hashLog, ZSTD_TABLE);
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_chainLog, ZSTD_TABLE);
	return (0);
}

struct coder *
coder_new(enum coding c)
{
	struct coder *w = xcalloc(1, sizeof(*w));

	w->coding = c;
	if (c == CODING_ZSTD ? zstd_begin(w) == 0 :
			       deflateInit2(&w->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_SMALL,
				   GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
		return (w);
	free(w);
	return (NULL);
}

void
coder_free(struct coder *w)
{
	if (w == NULL)
		return;
	ZSTD_freeCCtx(w->zstd);
	if (w->coding == CODING_GZIP)
		deflateEnd(&w->gzip);
	free(w);
}

static int
add_gzip(struct coder *w, const void *p, size_t n, int last, struct buf *out)
{
	z_stream *z = &w->gzip;
	size_t free;

	z->next_in = (Bytef *)(uintptr_t)p;
	z->avail_in = (uInt)n;
	do {
		buf_reserve(out, STEP / 4);
		free = out->cap - out->len;
		z->next_out = out->data + out->len;
		z->avail_out = (uInt)free;
		if (deflate(z, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
			return (-1);
		out->len += free - z->avail_out;
	} while (z->avail_out == 0);
	return (0);
}

static int
add_zstd(struct coder *w, const void *p, size_t n, int last, struct buf *out)
{
	ZSTD_inBuffer in = { p, n, 0 };
	size_t left;

	do {
		buf_reserve(out, STEP / 4);
		ZSTD_outBuffer to = { out->data + out->len, out->cap - out->len, 0 };

		left = ZSTD_compressStream2(w->zstd, &to, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return (-1);
		out->len += to.pos;
	} while (last ? left != 0 : in.pos < in.size);
	return (0);
}

int
coder_add(struct coder *w, const void *p, size_t n, int last, struct buf *out)
{
	if (n > UINT32_MAX)
		return (-1);
	return (w->coding == CODING_ZSTD ? add_zstd(w, p, n, last, out) :
					   add_gzip(w, p, n, last, out));
}
