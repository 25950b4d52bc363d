#ifndef HL_JCBOR_H
#define HL_JCBOR_H

#include <jansson.h>

#include "common/base/buf.h"

/* CBOR (RFC 8949) as trees of JSON and back; the only file that includes <cbor.h>. */

/*
 * Exactly one item, nested at most max_depth deep; new reference, or NULL with *why.
 * Tags are passed over and their values count; undefined, NaN and infinities are
 * null; integers beyond 64 bits with sign become floating-point numbers.  Byte strings, and names
 * that are no text, are refused.
 */
json_t *jcbor_read(const void *p, size_t n, int max_depth, const char **why);

/* Heads of what follows, and values without more. */
void jcbor_array(struct buf *out, size_t n);
void jcbor_array_open(struct buf *out); /* of a length that is not known */
void jcbor_array_close(struct buf *out);
void jcbor_map(struct buf *out, size_t n);
void jcbor_text(struct buf *out, const char *s, size_t n);
void jcbor_integer(struct buf *out, int64_t i);
void jcbor_real(struct buf *out, double d);
void jcbor_bool(struct buf *out, int yes);
void jcbor_null(struct buf *out);

#endif
