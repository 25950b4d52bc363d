#ifndef HL_PACKED_H
#define HL_PACKED_H

#include "common/base/buf.h"

/*
 * MessagePack, one piece after the other.  Writing is msgpack-c's.  Reading is our own: its
 * reader allocates what a broken length claims and ends at 32 levels, and a search would build
 * a tree only to print it.  No I/O.
 */
enum packed_kind {
	PACKED_NIL,
	PACKED_FALSE,
	PACKED_TRUE,
	PACKED_INTEGER,
	PACKED_REAL,
	PACKED_TEXT,
	PACKED_ARRAY,
	PACKED_MAP,
};

struct packed {
	enum packed_kind kind;
	int64_t i;
	double d;
	const char *s; /* PACKED_TEXT */
	uint32_t n;    /* length, items or pairs */
	int foreign;   /* value_pack does not make it */
};

/* All return -1 for what is broken, no bytes, no extensions. */
int packed_any(struct rd *r, struct packed *t);
int packed_next(struct rd *r, struct packed *t); /* of what value_pack makes */
/* A name in an object: no NUL, as JSON objects here cannot hold one. */
int packed_name(struct rd *r, struct packed *t);

#endif
