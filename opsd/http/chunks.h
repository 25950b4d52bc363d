#ifndef HL_CHUNKS_H
#define HL_CHUNKS_H

#include <stdint.h>

struct evbuffer;

/* A body in chunks, as it arrives.  Zero-initialised is at its beginning. */
struct chunks {
	enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER, CHUNK_OVER } state;
	uint64_t left;     /* of this chunk */
	unsigned trailers; /* lines after the last one */
};

/* Moves what is there from `in` to `body`: 1 when the body is complete, 0 when not, -1 broken. */
int chunks_read(struct chunks *c, struct evbuffer *in, struct evbuffer *body);

#endif
