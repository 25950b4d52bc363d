#ifndef HL_WINDOW_H
#define HL_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/frame.h"

/*
 * One answer to LOG_READ on its way into the stream: its entries grouped by
 * table, order kept within each, as frames.  The last frame has
 * FRAME_WINDOW_END.  No I/O.
 */
struct window_table {
	uint32_t id;
	char *database, *name;
};

struct window_frame {
	size_t at, len; /* in window.bytes */
	size_t plain;   /* bytes of it that is not packed */
	unsigned table; /* index in window.tables */
};

struct window {
	uint64_t incarnation;
	uint64_t last; /* greatest log sequence, 0 without entries */
	uint64_t ms;   /* when that entry was committed */
	struct buf bytes;
	struct window_frame *frames;
	size_t nframes;
	struct window_table *tables;
	unsigned ntables;
};

/*
 * From log data (frame.h).  A frame grows up to frame_max bytes, unless one
 * entry alone is larger.  -1 when the data is broken; w is then empty.
 */
int window_build(struct window *w, const void *data, size_t n, const uint8_t node[NODE_ID_LEN],
    size_t frame_max);
void window_pack(struct window *w); /* its frames, where that saves something */
void window_free(struct window *w); /* leaves it empty */

#endif
