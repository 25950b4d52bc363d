#ifndef HL_PEERROW_H
#define HL_PEERROW_H

#include <stddef.h>
#include <stdint.h>

/*
 * Rows of hdb_user and hdb_role as peers bring them: whether they are such as this node makes.
 * A part of a row may be all that comes, as who changes a user sends what changed.  No I/O.
 */
struct row;

/* What is wrong with it, after the names of its table and key; NULL: nothing.  The caller frees. */
char *peerrow_fault(uint32_t table, const uint8_t *key, size_t klen, const struct row *row);

#endif
