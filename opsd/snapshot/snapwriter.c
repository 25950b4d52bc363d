#include "config.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/base/crc32c.h"
#include "common/base/formats.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/snapshot/snapfile_priv.h"

#define LEVEL 1 /* of zstd: as fast as disks are */

struct snapwriter {
	struct buf *out;
	EVP_MD_CTX *sum;
	ZSTD_CCtx *zstd;
	struct buf rows, body;
	uint32_t n, tables; /* n: rows that wait in `rows` */
	uint64_t written;
};

static void
add_summed(struct snapwriter *w, size_t from)
{
	EVP_DigestUpdate(w->sum, w->out->data + from, w->out->len - from);
}

static void
add_piece(struct snapwriter *w, enum snapfile_piece kind)
{
	size_t at = w->out->len;
	uint32_t crc;

	buf_u8(w->out, (uint8_t)kind);
	buf_u32(w->out, (uint32_t)w->body.len);
	crc = crc32c(0, w->out->data + at, w->out->len - at);
	buf_u32(w->out, crc32c(crc, w->body.data, w->body.len));
	buf_add(w->out, w->body.data, w->body.len);
	buf_clear(&w->body);
	add_summed(w, at);
}

struct snapwriter *
snapwriter_new(const struct snapfile_head *h, struct buf *out)
{
	struct snapwriter *w = xcalloc(1, sizeof(*w));
	size_t at = out->len;

	w->out = out;
	w->sum = EVP_MD_CTX_new();
	w->zstd = ZSTD_createCCtx();
	if (w->zstd == NULL || w->sum == NULL || EVP_DigestInit_ex(w->sum, EVP_sha256(), NULL) != 1)
		fatalx("snapshot: no memory");
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL);
	buf_add(out, SNAPFILE_MAGIC, MAGIC_LEN);
	buf_u16(out, SNAPFILE_FORMAT);
	buf_u16(out, formats.wire);
	add_summed(w, at);
	buf_add(&w->body, h->node, NODE_ID_LEN);
	buf_str(&w->body, h->name);
	buf_str(&w->body, h->version);
	buf_u64(&w->body, h->taken_ms);
	buf_u32(&w->body, h->tables);
	add_piece(w, SNAPFILE_HEAD);
	return (w);
}

void
snapwriter_free(struct snapwriter *w)
{
	if (w == NULL)
		return;
	EVP_MD_CTX_free(w->sum);
	ZSTD_freeCCtx(w->zstd);
	buf_free(&w->rows);
	buf_free(&w->body);
	free(w);
}

static void
end_rows(struct snapwriter *w)
{
	size_t n;

	if (w->n == 0)
		return;
	buf_u32(&w->body, w->n);
	buf_u32(&w->body, (uint32_t)w->rows.len);
	buf_reserve(&w->body, ZSTD_compressBound(w->rows.len));
	n = ZSTD_compress2(w->zstd, w->body.data + w->body.len, w->body.cap - w->body.len,
	    w->rows.data, w->rows.len);
	if (ZSTD_isError(n))
		fatalx("snapshot: zstd: %s", ZSTD_getErrorName(n));
	w->body.len += n;
	add_piece(w, SNAPFILE_ROWS);
	w->written += w->n;
	w->n = 0;
	buf_clear(&w->rows);
}

void
snapwriter_table(struct snapwriter *w, const struct snapfile_table *t)
{
	char *text = json_dumps(t->definition, JSON_COMPACT);

	end_rows(w);
	buf_str(&w->body, t->database);
	buf_str(&w->body, t->name);
	buf_str(&w->body, t->primary_key);
	buf_blob(&w->body, text, strlen(text));
	buf_u64(&w->body, t->rows);
	given_write(&w->body, t->positions, t->n);
	add_piece(w, SNAPFILE_TABLE);
	w->tables++;
	free(text);
}

void
snapwriter_row(struct snapwriter *w, const void *key, size_t klen, const void *row, size_t len)
{
	if (w->rows.len + klen + len > SNAPFILE_PIECE)
		end_rows(w);
	buf_strn(&w->rows, key, klen);
	buf_blob(&w->rows, row, len);
	w->n++;
}

void
snapwriter_end(struct snapwriter *w)
{
	uint8_t sum[SUM_LEN];

	end_rows(w);
	EVP_DigestFinal_ex(w->sum, sum, NULL);
	EVP_DigestInit_ex(w->sum, EVP_sha256(), NULL); /* add_piece goes on with it */
	buf_u32(&w->body, w->tables);
	buf_u64(&w->body, w->written);
	buf_add(&w->body, sum, SUM_LEN);
	add_piece(w, SNAPFILE_END);
}
