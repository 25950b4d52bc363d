#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/frame.h"
#include "test/fuzz/sealed.h"

/*
 * Frames from a peer's stream, as they come and with the seal put right: what is valid comes
 * out of the writer unchanged; what is valid and packed, as what can be packed again to the same.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The entries that r is over, in a frame that is not packed. */
static void
rewrite(struct buf *b, const struct frame *f, struct rd r)
{
	struct log_entry e;
	size_t at = frame_begin(b, f);

	while (rd_left(&r) > 0) {
		if (log_entry_read(&r, &e) == -1)
			abort();
		frame_add(b, at, &e);
	}
	frame_end(b, at, b->len - at, f->flags & (uint8_t)~FRAME_PACKED);
}

static void
pack_again(const struct buf *plain, const struct frame *f)
{
	struct buf out = { 0 }, room = { 0 };
	struct frame g;
	struct rd r;

	if (frame_pack(&out, plain->data, plain->len)) {
		r = rd_init(out.data, out.len);
		if (frame_open(&r, &g, &room) == -1 || g.last != f->last || g.count != f->count)
			abort();
	}
	buf_free(&out);
	buf_free(&room);
}

static void
look_at_valid(const struct frame *f, struct rd entries, const uint8_t *data, size_t n)
{
	struct buf b = { 0 };

	rewrite(&b, f, entries);
	if ((f->flags & FRAME_PACKED) == 0 && (b.len != n || memcmp(b.data, data, n) != 0))
		abort();
	pack_again(&b, f);
	buf_free(&b);
}

static void
look(const uint8_t *data, size_t n)
{
	struct rd r = rd_init(data, n), whole = r;
	struct buf room = { 0 };
	struct log_entry e;
	struct frame f;
	volatile uint8_t last = 0;

	if (frame_open(&whole, &f, &room) == 0)
		look_at_valid(&f, whole, data, n);
	buf_free(&room);
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
