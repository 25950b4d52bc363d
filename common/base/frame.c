#include "config.h"

#include "common/base/frame.h"

#include <assert.h>
#include <zstd.h>

#include "common/base/seal.h"

/* Where the head's fields lie. */
enum {
	FRAME_AT_FLAGS = SEAL_LEN,
	FRAME_AT_LAST = FRAME_AT_FLAGS + 1 + NODE_ID_LEN + 8 + 4 + 8,
	FRAME_AT_MARK = FRAME_AT_LAST + 8,
	FRAME_AT_COUNT = FRAME_AT_MARK + 8,
	FRAME_HEAD = FRAME_AT_COUNT + 4,
	FRAME_ENTRY_MIN = 5 * 8 + 4 + 4,
};

#define PACK_MIN   256 /* bytes of entries: of fewer, little is saved */
#define PACK_LEVEL 1

void
log_entry_write(struct buf *b, const struct log_entry *e)
{
	buf_u64(b, e->seq);
	buf_u64(b, e->mark);
	buf_u64(b, e->prev);
	buf_u64(b, e->prev_mark);
	buf_u64(b, e->ms);
	buf_u32(b, e->table);
	buf_blob(b, e->payload, e->len);
}

int
log_entry_read(struct rd *r, struct log_entry *e)
{
	size_t n;

	e->seq = rd_u64(r);
	e->mark = rd_u64(r);
	e->prev = rd_u64(r);
	e->prev_mark = rd_u64(r);
	e->ms = rd_u64(r);
	e->table = rd_u32(r);
	e->payload = rd_blob(r, &n);
	e->len = (uint32_t)n;
	return (rd_ok(r) ? 0 : -1);
}

enum log_step
log_step(uint64_t seq, uint64_t mark, const struct log_entry *e)
{
	if (e->seq == seq)
		return (e->mark == mark ? LOG_SEEN : LOG_OTHER);
	if (e->seq < seq)
		return (LOG_SEEN);
	if (e->prev == seq)
		return (e->prev_mark == mark ? LOG_NEXT : LOG_OTHER);
	return (e->prev < seq ? LOG_OTHER : LOG_GAP);
}

size_t
frame_begin(struct buf *b, const struct frame *f)
{
	size_t at = seal_begin(b);

	buf_u8(b, f->flags);
	buf_add(b, f->node, NODE_ID_LEN);
	buf_u64(b, f->incarnation);
	buf_u32(b, f->table);
	buf_u64(b, f->window);
	buf_u64(b, 0);
	buf_u64(b, 0);
	buf_u32(b, 0);
	return (at);
}

void
frame_add(struct buf *b, size_t at, const struct log_entry *e)
{
	struct rd r;

	assert(at + FRAME_HEAD <= b->len);
	r = rd_init(b->data + at + FRAME_AT_COUNT, 4);
	buf_put_u32(b, at + FRAME_AT_COUNT, rd_u32(&r) + 1);
	buf_put_u64(b, at + FRAME_AT_LAST, e->seq);
	buf_put_u64(b, at + FRAME_AT_MARK, e->mark);
	log_entry_write(b, e);
}

void
frame_end(struct buf *b, size_t at, size_t len, uint8_t flags)
{
	assert(len >= FRAME_HEAD && at + len <= b->len);
	b->data[at + FRAME_AT_FLAGS] = flags;
	seal_end(b, at, len);
}

int
frame_read(struct rd *r, struct frame *f)
{
	const uint8_t *node;
	size_t i, entries;

	if (seal_open(r) == -1)
		return (-1);
	*f = (struct frame){ .flags = rd_u8(r) };
	node = rd_bytes(r, NODE_ID_LEN);
	f->incarnation = rd_u64(r);
	f->table = rd_u32(r);
	f->window = rd_u64(r);
	f->last = rd_u64(r);
	f->mark = rd_u64(r);
	f->count = rd_u32(r);
	if ((f->flags & FRAME_PACKED) != 0)
		f->plain = rd_u32(r);
	if (!rd_ok(r) || (f->flags & ~(FRAME_WINDOW_END | FRAME_PACKED)) != 0 ||
	    f->plain > FRAME_PLAIN_MAX)
		return (-1);
	for (i = 0; i < NODE_ID_LEN; i++)
		f->node[i] = node[i];
	entries = (f->flags & FRAME_PACKED) != 0 ? f->plain : rd_left(r);
	return (f->count <= entries / FRAME_ENTRY_MIN ? 0 : -1);
}

/* r, after the head of a packed one, is then over its entries in `room`. */
static int
unpack_entries(struct rd *r, const struct frame *f, struct buf *room)
{
	size_t len = rd_left(r), n;
	const uint8_t *p = rd_bytes(r, len);

	if (room == NULL || ZSTD_getFrameContentSize(p, len) != f->plain)
		return (-1);
	buf_clear(room);
	buf_reserve(room, f->plain);
	n = ZSTD_decompress(room->data, f->plain, p, len);
	if (ZSTD_isError(n) || n != f->plain)
		return (-1);
	room->len = n;
	*r = rd_init(room->data, room->len);
	return (0);
}

int
frame_open(struct rd *r, struct frame *f, struct buf *room)
{
	struct log_entry e;
	struct rd entries;
	uint64_t before = 0, mark = 0;
	uint32_t i;

	if (frame_read(r, f) == -1 || f->count == 0 || f->last > f->window)
		return (-1);
	if ((f->flags & FRAME_PACKED) != 0 && unpack_entries(r, f, room) == -1)
		return (-1);
	entries = *r;
	for (i = 0; i < f->count; i++) {
		if (log_entry_read(&entries, &e) == -1 || e.table != f->table || e.seq <= e.prev)
			return (-1);
		if (i > 0 && log_step(before, mark, &e) != LOG_NEXT)
			return (-1);
		before = e.seq;
		mark = e.mark;
	}
	return (rd_done(&entries) && before == f->last && mark == f->mark ? 0 : -1);
}

/* ---- packed ---- */

int
frame_pack(struct buf *out, const void *frame, size_t n)
{
	const uint8_t *p = frame;
	size_t plain = n - FRAME_HEAD, at = out->len, most = plain - plain / 8, len;

	assert(n >= FRAME_HEAD);
	if (plain < PACK_MIN || plain > FRAME_PLAIN_MAX)
		return (0);
	buf_reserve(out, FRAME_HEAD + 4 + most);
	len = ZSTD_compress(out->data + at + FRAME_HEAD + 4, most, p + FRAME_HEAD, plain,
	    PACK_LEVEL);
	if (ZSTD_isError(len))
		return (0); /* it does not fit */
	buf_add(out, p, FRAME_HEAD);
	buf_u32(out, (uint32_t)plain);
	out->len += len;
	frame_end(out, at, out->len - at, p[FRAME_AT_FLAGS] | FRAME_PACKED);
	return (1);
}

size_t
frame_cost(const void *frame, size_t n)
{
	const uint8_t *p = frame;
	struct rd r;

	if (n < FRAME_HEAD + 4 || (p[FRAME_AT_FLAGS] & FRAME_PACKED) == 0)
		return (n);
	r = rd_init(p + FRAME_HEAD, 4);
	return (n + rd_u32(&r));
}
