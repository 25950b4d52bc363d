#ifndef HL_BULK_H
#define HL_BULK_H

#include <stddef.h>

#include "opsd/store/commit.h"

/*
 * Rows of CSV into a table, on a job's thread: the header names the attributes, each row
 * is a record, and so many are a transaction.  Two of those are on their way while the next is
 * read, no more is in memory.  The counts of a transaction are in the job's row with its rows.
 *
 * A row that cannot be a record ends the job and is named by its line; what was before
 * it is loaded.  A row may have fewer cells than the header: those are not given.  Of one that
 * has more, unless the options are strict, the rest is left out, and the message counts it.
 */
struct bulk;
struct csv_options;
struct job;
struct user;

/* All are borrowed for the life of the bulk. */
struct bulk *bulk_new(struct job *t, struct table *table, enum txn_op op, const struct user *user,
    const struct csv_options *o);
void bulk_free(struct bulk *b);
/* Both: 0, or -1 when the job has failed. */
int bulk_feed(struct bulk *b, const void *p, size_t n);
int bulk_stopped(struct bulk *b); /* not 0: the job has failed, or the node stops */
int bulk_end(struct bulk *b);     /* nothing follows: the job has its message */

#endif
