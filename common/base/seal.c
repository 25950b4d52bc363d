#include "config.h"

#include "common/base/seal.h"

#include <assert.h>

#include "common/base/crc32c.h"
#include "common/base/formats.h"
#include "common/base/mem.h"

size_t
seal_begin(struct buf *b)
{
	size_t at = b->len;

	buf_u8(b, formats.wire);
	buf_u32(b, 0);
	return (at);
}

void
seal_end(struct buf *b, size_t at, size_t len)
{
	assert(len >= SEAL_LEN && at + len <= b->len);
	buf_put_u32(b, at + 1, crc32c(0, b->data + at + SEAL_LEN, len - SEAL_LEN));
}

static int
is_known(uint8_t format)
{
	return (format >= formats.wire_oldest && format <= formats.wire);
}

int
seal_open(struct rd *r)
{
	uint8_t format = rd_u8(r);
	uint32_t crc = rd_u32(r);

	return (rd_ok(r) && is_known(format) && crc32c(0, r->p, rd_left(r)) == crc ? 0 : -1);
}

int
seal_damaged(const void *p, size_t n)
{
	struct rd r = rd_init(p, n);

	return (n > 0 && is_known(*(const uint8_t *)p) && seal_open(&r) == -1);
}

char *
seal_fault(const void *p, size_t n)
{
	if (n == 0)
		return (xstrdup("it is empty"));
	if (seal_damaged(p, n))
		return (xstrdup("it was damaged on its way: its checksum is another one"));
	if (is_known(*(const uint8_t *)p))
		return (xstrdup("it makes no sense"));
	return (xasprintf("it is of format %u, and this node knows %u to %u", *(const uint8_t *)p,
	    formats.wire_oldest, formats.wire));
}
