#ifndef HL_KEYGEN_H
#define HL_KEYGEN_H

#include "opsd/store/catalog.h"
#include "opsd/store/group.h"

/*
 * Keys for records that come without one: the next number in a table whose keys
 * are numbers, otherwise a UUID.  Numbers are given on the commit thread, one after
 * another.  A table that is replicated gets UUIDs: two nodes that count on their own
 * would give one number twice, and one of the two records would replace the other.
 */
#define KEYGEN_MAX 9007199254740991 /* 2^53 - 1: every client can hold it */

/* Whether the table's next key is a number; any thread. */
int keygen_counts(struct data *data, const struct table *t);
/* The number above all that the table has or had; commit thread only.  0: no more, or a fault. */
int64_t keygen_next(struct group *g, const struct table *t);

/*
 * The key of a record of a SQLite file's table whose key has several columns, out of these: new reference.
 * NULL: its key is no such one, or, with *missing, which the caller frees, the record lacks that column.
 */
json_t *keygen_joined(const struct table *t, const json_t *record, char **missing);

#endif
