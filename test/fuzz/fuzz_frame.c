#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/frame.h"
#include "test/fuzz/sealed.h"

/*
 * Frames from a peer's stream, as they come and with the seal put right: what is valid comes
 * out of the writer unchanged.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
rewrite(const uint8_t *data, size_t n)
{
	struct rd r = rd_init(data, n);
	struct buf b = { 0 };
	struct log_entry e;
	struct frame f;
	size_t at;

	if (frame_read(&r, &f) == -1)
		abort();
	at = frame_begin(&b, &f);
	while (rd_left(&r) > 0) {
		if (log_entry_read(&r, &e) == -1)
			abort();
		frame_add(&b, at, &e);
	}
	frame_end(&b, at, b.len - at, f.flags);
	if (b.len != n || memcmp(b.data, data, n) != 0)
		abort();
	buf_free(&b);
}

static void
look(const uint8_t *data, size_t n)
{
	struct rd r = rd_init(data, n), whole = r;
	struct log_entry e;
	struct frame f;
	volatile uint8_t last = 0;

	if (frame_open(&whole, &f) == 0)
		rewrite(data, n);
	if (frame_read(&r, &f) == 0)
		while (log_entry_read(&r, &e) == 0)
			if (e.len > 0)
				last = e.payload[e.len - 1];
	(void)last;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *right = sealed(data, n);

	look(data, n);
	if (right != NULL)
		look(right, n);
	free(right);
	return (0);
}
