#ifndef HL_CODING_H
#define HL_CODING_H

#include "common/base/buf.h"

/*
 * Content codings of bodies: gzip (RFC 1952) and Zstandard (RFC 8878).  The only file that
 * includes <zlib.h> and <zstd.h>.  No I/O.
 */
enum coding { CODING_NONE, CODING_GZIP, CODING_ZSTD, CODING_UNKNOWN };

#define CODINGS "gzip, zstd, identity"

const char *coding_name(enum coding c); /* "gzip" */
/* A Content-Encoding, or NULL for none. */
enum coding coding_of(const char *header);
/* What an Accept-Encoding (or NULL) wants most of what there is. */
enum coding coding_wanted(const char *header);

/* The whole of a body, appended: 0, -1 broken, 1 it would be more than `max` bytes. */
int coding_read(enum coding c, const void *p, size_t n, size_t max, struct buf *out);

/* An answer, which may come in pieces. */
struct coder;
struct coder *coder_new(enum coding c); /* NULL: out of memory */
void coder_free(struct coder *w);
/* Appends what can be written by now; with `last` all of it.  -1: failure, then and later. */
int coder_add(struct coder *w, const void *p, size_t n, int last, struct buf *out);

#endif
