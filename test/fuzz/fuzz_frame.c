#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/frame.h"

/* Frames from a peer's stream: what is valid comes out of the writer unchanged. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
rewrite(const uint8_t *data, size_t n)
{
	struct rd		r = rd_init(data, n);
	struct buf		b = { 0 };
	struct log_entry	e;
	struct frame		f;
	size_t			at;

	if (frame_read(&r, &f) == -1)
		abort();
	at = frame_begin(&b, &f);
	while (rd_left(&r) > 0) {
		if (log_entry_read(&r, &e) == -1)
			abort();
		frame_add(&b, at, &e);
	}
	if (b.len != n || memcmp(b.data, data, n) != 0)
		abort();
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rd		r = rd_init(data, n);
	struct log_entry	e;
	struct frame		f;
	volatile uint8_t	last = 0;

	if (frame_valid(data, n))
		rewrite(data, n);
	if (frame_read(&r, &f) == 0)
		while (log_entry_read(&r, &e) == 0)
			if (e.len > 0)
				last = e.payload[e.len - 1];
	(void)last;
	return (0);
}
