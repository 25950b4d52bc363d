#ifndef HL_FIRSTCOPY_H
#define HL_FIRSTCOPY_H

#include "opsd/cluster/cursor.h"
#include "opsd/cluster/given.h"
#include "opsd/store/group.h"

/*
 * A table that several peers have is copied from one of them, the first that is met, and not from
 * each: with its rows come its own positions in the logs of the others (given.h), and the cursors of
 * those go on there.  Until the rows have come all the same, such a cursor leans on the copy.  Of
 * whom no position came with it, the table is copied after that, one peer at a time.  A copy that
 * does not get further for a while holds nobody up.
 *
 * A position covers what is in its log.  One counts only if whoever gives it has all of that
 * peer's table up to there, in rows that were on the disk before ours were read.
 */
struct replication;
struct table;

/* Into an answer with the first rows of ours: our positions, as given_write.  Before these are read; any thread. */
void firstcopy_positions(struct replication *rep, const struct table *t, struct buf *out);

/* These on the commit thread; `t` is ours. */

/* They came with the first rows of what the cursor copies, which are merged in this batch. */
void firstcopy_give(struct group *g, struct cursor *cur, const struct table *t,
    struct rd *positions);
/* A copy begins, which may wait for another one, or for none. */
void firstcopy_begun(struct group *g, struct cursor *cur);
void firstcopy_ended(struct group *g, struct cursor *cur);
/* It has no cursor any more. */
void firstcopy_gone(struct group *g, const uint8_t *peer, const char *database, const char *name);

/*
 * A snapshot is a copy that is not any peer's: what it brings comes with positions of all nodes, and
 * the cursors that wait go on there (replication.h: holds).  These are for who restores it.
 */

/* Whether a cursor waits to copy the table; *from_ms: since when it needs rows, 0: all. */
int firstcopy_waits(struct group *g, const char *database, const char *name, uint64_t *from_ms);
/*
 * All rows of the snapshot that changed since from_ms are merged, in earlier batches or this one; with
 * the positions they came from `taker`.
 */
void firstcopy_restored(struct group *g, const struct table *t, const uint8_t *taker,
    const struct given_position *positions, uint32_t n, uint64_t from_ms);
/* Nothing holds its copies any more. */
void firstcopy_turn(struct group *g, const char *database, const char *name);

/*
 * What this node had removed by itself counts again (group_recall): of no peer all is here, so that
 * no position of ours in its log counts for others.
 */
void firstcopy_recalled(struct group *g, const char *database, const char *name);

/* Several times a second, on the loop's thread: whether copies that others wait for get further. */
void firstcopy_tick(struct replication *rep);

#endif
