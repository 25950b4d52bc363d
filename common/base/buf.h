#ifndef HL_BUF_H
#define HL_BUF_H

#include <stddef.h>
#include <stdint.h>

/*
 * Bytes out and bytes in.  Little-endian fields of fixed width.  No I/O.
 * A struct buf grows; zero-initialised is empty and valid.
 */
struct buf {
	uint8_t *data;
	size_t len, cap;
};

void buf_free(struct buf *b);                  /* leaves it empty and valid */
void buf_clear(struct buf *b);                 /* len = 0, keeps the memory */
void buf_reserve(struct buf *b, size_t more);  /* room for `more` bytes after len */
uint8_t *buf_take(struct buf *b, size_t *len); /* the caller frees; b is empty after */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_be32(struct buf *b, uint32_t v); /* for keys that must sort */
void buf_be64(struct buf *b, uint64_t v);
void buf_str(struct buf *b, const char *s); /* u16 length + bytes; at most 65535 */
void buf_strn(struct buf *b, const void *p, size_t n);
void buf_blob(struct buf *b, const void *p, size_t n); /* u32 length + bytes */
/* Overwrite at `at`, which must have been written before. */
void buf_put_u32(struct buf *b, size_t at, uint32_t v);
void buf_put_u64(struct buf *b, size_t at, uint64_t v);

/*
 * A reader over borrowed bytes.  It remembers its first failure: read all
 * the fields, then ask rd_done() once.  After a failure every read gives 0,
 * an empty string or NULL.
 */
struct rd {
	const uint8_t *p, *end;
	int bad;
};

struct rd rd_init(const void *p, size_t n);
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
uint32_t rd_be32(struct rd *r);
uint64_t rd_be64(struct rd *r);
const uint8_t *rd_bytes(struct rd *r, size_t n); /* borrowed; NULL on failure */
const char *rd_strn(struct rd *r, size_t *n);    /* borrowed, not NUL-terminated */
char *rd_str(struct rd *r); /* xmalloc'ed, NUL-terminated; fails on an inner NUL */
const uint8_t *rd_blob(struct rd *r, size_t *n); /* borrowed */
size_t rd_left(const struct rd *r);
int rd_ok(const struct rd *r);   /* nothing missing so far */
int rd_done(const struct rd *r); /* nothing missing, nothing left over */

#endif
