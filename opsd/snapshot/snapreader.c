#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/base/crc32c.h"
#include "common/base/formats.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/snapshot/snapfile_priv.h"
#include "opsd/store/key.h"
#include "opsd/store/row.h"

struct snapreader {
	snapfile_read_fn *fn;
	void *arg;
	EVP_MD_CTX *sum;
	ZSTD_DCtx *zstd;
	uint64_t at; /* bytes that were read */
	uint64_t seen;
	uint32_t n, tables; /* n: rows of this piece */
	int has_begun;
	struct snapfile_head head;
	struct snapfile_table table;
	struct buf body, rows;
	char *fault;
};

struct snapreader *
snapreader_new(snapfile_read_fn *fn, void *arg)
{
	struct snapreader *r = xcalloc(1, sizeof(*r));

	r->fn = fn;
	r->arg = arg;
	r->sum = EVP_MD_CTX_new();
	r->zstd = ZSTD_createDCtx();
	if (r->zstd == NULL || r->sum == NULL || EVP_DigestInit_ex(r->sum, EVP_sha256(), NULL) != 1)
		fatalx("snapshot: no memory");
	return (r);
}

void
snapreader_free(struct snapreader *r)
{
	if (r == NULL)
		return;
	EVP_MD_CTX_free(r->sum);
	ZSTD_freeDCtx(r->zstd);
	snapfile_table_clear(&r->table);
	free(r->head.name);
	free(r->head.version);
	buf_free(&r->body);
	buf_free(&r->rows);
	free(r->fault);
	free(r);
}

const char *
snapreader_fault(const struct snapreader *r)
{
	return (r->fault);
}

const struct snapfile_head *
snapreader_head(const struct snapreader *r)
{
	return (&r->head);
}

const struct snapfile_table *
snapreader_table(const struct snapreader *r)
{
	return (&r->table);
}

struct snapfile_table
snapreader_take_table(struct snapreader *r)
{
	struct snapfile_table t = r->table;

	r->table = (struct snapfile_table){ 0 };
	return (t);
}

struct rd
snapreader_rows(const struct snapreader *r, uint32_t *n)
{
	*n = r->n;
	return (rd_init(r->rows.data, r->rows.len));
}

/* Takes the words; -1. */
static int
fail_reading(struct snapreader *r, char *words)
{
	free(r->fault);
	r->fault = words;
	return (-1);
}

static int
fail_here(struct snapreader *r, const char *what)
{
	return (fail_reading(r, xasprintf("it is damaged: %s at byte %" PRIu64, what, r->at)));
}

static int
read_bytes(struct snapreader *r, void *p, size_t n)
{
	size_t at = 0;
	ssize_t got = 0;

	while (at < n && (got = r->fn(r->arg, (uint8_t *)p + at, n - at)) > 0)
		at += (size_t)got;
	r->at += at;
	if (got == -1)
		return (fail_reading(r, xasprintf("it cannot be read: %s", strerror(errno))));
	return (at == n ? 0 :
			  fail_reading(r, xasprintf("it ends too early, at byte %" PRIu64, r->at)));
}

static int
read_begin(struct snapreader *r)
{
	uint8_t begin[BEGIN_LEN];
	struct rd rd;
	uint16_t format, rows;

	if (read_bytes(r, begin, sizeof(begin)) == -1)
		return (-1);
	EVP_DigestUpdate(r->sum, begin, sizeof(begin));
	if (memcmp(begin, SNAPFILE_MAGIC, MAGIC_LEN) != 0)
		return (fail_reading(r, xstrdup("it is no snapshot")));
	rd = rd_init(begin + MAGIC_LEN, sizeof(begin) - MAGIC_LEN);
	format = rd_u16(&rd);
	rows = rd_u16(&rd);
	if (format != SNAPFILE_FORMAT)
		return (fail_reading(r,
		    xasprintf("it is of format %u, this hubleaf reads %d", format,
			SNAPFILE_FORMAT)));
	if (rows < formats.wire_oldest || rows > formats.wire)
		return (fail_reading(r,
		    xasprintf("its rows are of format %u, this hubleaf reads %u to %u", rows,
			formats.wire_oldest, formats.wire)));
	return (0);
}

/* Of the end the sum is not, which is of all before it. */
static int
read_next_piece(struct snapreader *r, uint8_t *kind)
{
	uint8_t begin[PIECE_LEN];
	struct rd rd = rd_init(begin, sizeof(begin));
	uint32_t len, crc;

	if (read_bytes(r, begin, sizeof(begin)) == -1)
		return (-1);
	*kind = rd_u8(&rd);
	len = rd_u32(&rd);
	if (len > SNAPFILE_MAX)
		return (fail_here(r, "a piece is too long"));
	buf_clear(&r->body);
	buf_reserve(&r->body, len + 1);
	if (read_bytes(r, r->body.data, len) == -1)
		return (-1);
	r->body.len = len;
	crc = crc32c(crc32c(0, begin, PIECE_LEN - 4), r->body.data, len);
	if (crc != rd_u32(&rd))
		return (fail_here(r, "a checksum differs"));
	if (*kind == SNAPFILE_END)
		return (0);
	EVP_DigestUpdate(r->sum, begin, sizeof(begin));
	EVP_DigestUpdate(r->sum, r->body.data, len);
	return (0);
}

static int
decode_head(struct snapreader *r, struct rd *rd)
{
	const uint8_t *node = rd_bytes(rd, NODE_ID_LEN);

	if (node != NULL)
		memcpy(r->head.node, node, NODE_ID_LEN);
	r->head.name = rd_str(rd);
	r->head.version = rd_str(rd);
	r->head.taken_ms = rd_u64(rd);
	r->head.tables = rd_u32(rd);
	return (rd_done(rd) ? 0 : -1);
}

static int
decode_table(struct snapreader *r, struct rd *rd)
{
	struct snapfile_table *t = &r->table;
	const uint8_t *text;
	size_t n;

	snapfile_table_clear(t);
	r->tables++;
	t->database = rd_str(rd);
	t->name = rd_str(rd);
	t->primary_key = rd_str(rd);
	text = rd_blob(rd, &n);
	t->rows = rd_u64(rd);
	if (!rd_ok(rd))
		return (-1);
	t->definition = json_loadb((const char *)text, n, 0, NULL);
	t->positions = given_read(rd, &t->n);
	return (rd_done(rd) && json_is_object(t->definition) && t->positions != NULL && t->n > 0 ?
		0 :
		-1);
}

static int
check_rows(struct snapreader *r)
{
	struct rd rd = rd_init(r->rows.data, r->rows.len);
	struct row row = { 0 };
	int rc = 0;

	for (uint32_t i = 0; i < r->n && rc == 0; i++) {
		size_t klen, len;
		const char *key = rd_strn(&rd, &klen);
		const uint8_t *bytes = rd_blob(&rd, &len);

		if (!rd_ok(&rd) || klen > KEY_MAX || key_len((const uint8_t *)key, klen) != klen)
			rc = -1;
		else
			rc = row_decode(&row, bytes, len);
	}
	row_free(&row);
	return (rc == 0 && rd_done(&rd) ? 0 : -1);
}

static int
decode_rows(struct snapreader *r, struct rd *rd)
{
	uint32_t n = rd_u32(rd), len = rd_u32(rd);
	size_t left = rd_left(rd), got;

	if (!rd_ok(rd) || len > SNAPFILE_MAX || r->tables == 0)
		return (-1);
	buf_clear(&r->rows);
	buf_reserve(&r->rows, len + 1);
	got = ZSTD_decompressDCtx(r->zstd, r->rows.data, len, rd_bytes(rd, left), left);
	if (ZSTD_isError(got) || got != len)
		return (-1);
	r->rows.len = len;
	r->n = n;
	r->seen += n;
	return (check_rows(r));
}

static int
decode_end(struct snapreader *r, struct rd *rd)
{
	uint8_t sum[SUM_LEN];
	uint32_t tables = rd_u32(rd);
	uint64_t rows = rd_u64(rd);
	const uint8_t *was = rd_bytes(rd, SUM_LEN);

	EVP_DigestFinal_ex(r->sum, sum, NULL);
	return (rd_done(rd) && tables == r->tables && tables == r->head.tables && rows == r->seen &&
		    memcmp(was, sum, SUM_LEN) == 0 ?
		0 :
		-1);
}

static int
decode_piece(struct snapreader *r, uint8_t kind)
{
	struct rd rd = rd_init(r->body.data, r->body.len);

	if ((kind == SNAPFILE_HEAD) == r->has_begun)
		return (fail_here(r, "a piece is out of place"));
	r->has_begun = 1;
	switch (kind) {
	case SNAPFILE_HEAD:
		return (decode_head(r, &rd) == 0 ? 0 : fail_here(r, "the head cannot be read"));
	case SNAPFILE_TABLE:
		return (decode_table(r, &rd) == 0 ? 0 : fail_here(r, "a table cannot be read"));
	case SNAPFILE_ROWS:
		return (decode_rows(r, &rd) == 0 ? 0 : fail_here(r, "rows cannot be read"));
	case SNAPFILE_END:
		return (decode_end(r, &rd) == 0 ? 0 : fail_here(r, "the sum of all of it differs"));
	default:
		return (fail_here(r, "a piece is of no known kind"));
	}
}

enum snapfile_piece
snapreader_next(struct snapreader *r)
{
	uint8_t kind;

	if (r->fault != NULL || (r->at == 0 && read_begin(r) == -1) ||
	    read_next_piece(r, &kind) == -1 || decode_piece(r, kind) == -1)
		return (SNAPFILE_BAD);
	return ((enum snapfile_piece)kind);
}
