#ifndef HL_ORIGIN_H
#define HL_ORIGIN_H

#include <stddef.h>

#include "common/base/frame.h"
#include "opsd/store/group.h"

/*
 * Tables of ours that were made because a peer has them.  Such a one began empty: what was written
 * here is in our log from its first entry on, and all else came from peers that it has cursors of.
 * Whoever has what those have needs nothing of it but our log, so that a first copy is not copied
 * back.
 * CF_META "O" + big-endian id of our table -> u8 format, u64 incarnation of our log, u64 ms then.
 */
struct replication;
struct table;

struct origins;
struct origins *origins_load(struct replication *rep, char **err); /* NULL with *err */
void origins_free(struct origins *all);                            /* NULL is ignored */

/* It was made in this batch.  Commit thread, as the next. */
void origin_note(struct group *g, const struct table *t);
/* A peer that it may have rows of is known no more by a cursor. */
void origin_forget(struct group *g, const char *database, const char *name);

/* Any thread.  The ids of those peers, one after the other, which the caller frees; NULL: it is not such a table. */
uint8_t *origin_nodes(struct replication *rep, const struct table *t, size_t *n);

#endif
