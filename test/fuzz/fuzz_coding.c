#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "opsd/http/coding.h"

/*
 * The first byte is the coding, the rest a body in it: broken, too long, or read, and then
 * what is written of it in either coding is read as the same.
 */
#define MOST 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
write_and_read(enum coding c, const struct buf *text)
{
	struct coder *w = coder_new(c);
	struct buf out = { 0 }, back = { 0 };
	size_t half = text->len / 2;

	if (w == NULL || coder_add(w, text->data, half, 0, &out) == -1 ||
	    coder_add(w, text->data + half, text->len - half, 1, &out) == -1 ||
	    coding_read(c, out.data, out.len, text->len, &back) != 0)
		abort();
	if (back.len != text->len || memcmp(back.data, text->data, text->len) != 0)
		abort();
	coder_free(w);
	buf_free(&out);
	buf_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf text = { 0 };
	int rc;

	if (n == 0)
		return (0);
	rc = coding_read(data[0] & 1 ? CODING_ZSTD : CODING_GZIP, data + 1, n - 1, MOST, &text);
	if ((rc == 1) != (text.len > MOST))
		abort();
	if (rc == 0 && text.len > 0) {
		write_and_read(CODING_GZIP, &text);
		write_and_read(CODING_ZSTD, &text);
	}
	buf_free(&text);
	return (0);
}
