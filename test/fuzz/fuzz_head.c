#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "common/base/mem.h"
#include "opsd/http/chunks.h"
#include "opsd/http/head.h"

/* A request as conn.c takes it apart: a head, then maybe a body in chunks. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
chunks(const uint8_t *data, size_t n)
{
	struct evbuffer *in = evbuffer_new(), *body = evbuffer_new();
	struct chunks c = { 0 };
	int rc;

	evbuffer_add(in, data, n);
	rc = chunks_read(&c, in, body);
	if (evbuffer_get_length(body) + evbuffer_get_length(in) > n ||
	    (rc == 1) != (c.state == CHUNK_OVER))
		abort();
	evbuffer_free(in);
	evbuffer_free(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *end = n >= 4 ? memmem(data, n, "\r\n\r\n", 4) : NULL;
	size_t len = end != NULL ? (size_t)(end - data) + 4 : n;
	char *text = xmalloc(len + 1);
	struct head h;
	const char *why = NULL;
	size_t i;

	memcpy(text, data, len);
	if (head_read(&h, text, len, &why) == 0) {
		if (h.path[0] == '\0' || h.method[0] == '\0' || (h.chunked && h.length > 0))
			abort();
		for (i = 0; i < h.n; i++)
			if (strpbrk(h.headers[i].value, "\r\n") != NULL ||
			    head_find(&h, h.headers[i].name) == NULL)
				abort();
		if (h.chunked)
			chunks(data + len, n - len);
	} else if (why == NULL)
		abort();
	head_free(&h);
	return (0);
}
