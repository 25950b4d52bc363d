#include "config.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/crc32c.h"
#include "common/base/mem.h"
#include "opsd/snapshot/snapfile_priv.h"

/*
 * Snapshots, as they come and with checksums put right, so that what is behind these is reached.  What
 * is read without a fault to its end is read the same again once it was written.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct bytes {
	const uint8_t *p;
	size_t n, at;
};

static ssize_t
give(void *arg, void *p, size_t n)
{
	struct bytes *b = arg;
	size_t left = b->n - b->at;

	n = n < left ? n : left;
	if (n > 0)
		memcpy(p, b->p + b->at, n);
	b->at += n;
	return ((ssize_t)n);
}

/* Each row goes to the writer, which has none before the head. */
static void
copy_rows(struct snapreader *r, struct snapwriter *w)
{
	uint32_t rows;
	struct rd rd = snapreader_rows(r, &rows);

	while (rows-- > 0) {
		size_t klen, len;
		const char *key = rd_strn(&rd, &klen);
		const uint8_t *row = rd_blob(&rd, &len);

		if (!rd_ok(&rd))
			abort();
		snapwriter_row(w, key, klen, row, len);
	}
}

/* Reads all of it; what it says goes to out.  -1: it is broken, in words. */
static int
copy_all(const uint8_t *p, size_t n, struct buf *out)
{
	struct bytes b = { p, n, 0 };
	struct snapreader *r = snapreader_new(give, &b);
	struct snapwriter *w = NULL;
	enum snapfile_piece piece;

	while ((piece = snapreader_next(r)) != SNAPFILE_BAD && piece != SNAPFILE_END) {
		if (piece == SNAPFILE_HEAD)
			w = snapwriter_new(snapreader_head(r), out);
		else if (piece == SNAPFILE_TABLE)
			snapwriter_table(w, snapreader_table(r));
		else
			copy_rows(r, w);
	}
	if (piece == SNAPFILE_END)
		snapwriter_end(w);
	else if (snapreader_fault(r) == NULL)
		abort();
	snapwriter_free(w);
	snapreader_free(r);
	return (piece == SNAPFILE_END ? 0 : -1);
}

static void
read_it(const uint8_t *data, size_t n)
{
	struct buf once = { 0 }, twice = { 0 };

	if (copy_all(data, n, &once) == 0 &&
	    (copy_all(once.data, once.len, &twice) == -1 || once.len != twice.len ||
		memcmp(once.data, twice.data, once.len) != 0))
		abort();
	buf_free(&once);
	buf_free(&twice);
}

static void
put_right(uint8_t *p, size_t n)
{
	size_t at = BEGIN_LEN;

	while (n - at >= PIECE_LEN) {
		struct rd r = rd_init(p + at, n - at);
		uint8_t kind = rd_u8(&r);
		uint32_t len = rd_u32(&r), crc;

		if (len > n - at - PIECE_LEN)
			return;
		if (kind == SNAPFILE_END && len >= SUM_LEN)
			EVP_Digest(p, at, p + at + PIECE_LEN + len - SUM_LEN, NULL, EVP_sha256(),
			    NULL);
		crc = crc32c(crc32c(0, p + at, PIECE_LEN - 4), p + at + PIECE_LEN, len);
		for (int i = 0; i < 4; i++)
			p[at + PIECE_LEN - 4 + i] = (uint8_t)(crc >> 8 * i);
		at += PIECE_LEN + len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *p;

	read_it(data, n);
	if (n < BEGIN_LEN)
		return (0);
	p = xmemdup(data, n);
	put_right(p, n);
	read_it(p, n);
	free(p);
	return (0);
}
