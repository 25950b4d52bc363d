#ifndef HL_QUEUE_H
#define HL_QUEUE_H

#include "opsd/store/group.h"

/*
 * Rows of tables that are also in a SQLite file (opsd/lite), as far as the file differs.
 * CF_QUEUE: big-endian table id, key -> the row as the file has it (row.h; empty: not
 * at all).  A row without an entry is in the file as it is here.  Entries go into the batch
 * of the rows themselves, so none is missed, whoever writes.  On the commit thread, but for the last.
 */

/* What the file has of the row, appended to out: what was said last, else as it was before this group. */
void queue_file_state(struct group *g, struct group_row *gr, struct buf *out);
/* Whether the file may have it otherwise than it is here. */
int queue_differs(struct group *g, struct group_row *gr);
/* The file now has this of it, bytes as of row_encode. */
void queue_said(struct group_row *gr, const void *state, size_t n);
/* What the group's rows bring about; 1: there are entries that were not there. */
int queue_write(struct group *g);
/* From now on, or no longer, a file has the table: its number. */
void queue_follow(struct group *g, struct table *t, unsigned file);
/* How many entries a table has, counted on the disk. */
int64_t queue_count(struct store *s, uint32_t table);

#endif
