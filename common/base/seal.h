#ifndef HL_SEAL_H
#define HL_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * What begins all bytes between nodes: u8 format (formats.h), u32 CRC-32C of all that
 * follows.  Nothing of them is looked at before both are right.
 */
#define SEAL_LEN 5

size_t seal_begin(struct buf *b); /* gives where it began */
/* it is `len` bytes, which do not change any more */
void seal_end(struct buf *b, size_t at, size_t len);
int seal_open(struct rd *r); /* r, over all of it, is left after the seal; -1: it is broken */
int seal_damaged(const void *p, size_t n); /* of a known format, but other bytes than were sealed */
/* What is wrong with bytes that could not be read, in words; the caller frees. */
char *seal_fault(const void *p, size_t n);

#endif
