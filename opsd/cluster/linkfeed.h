#ifndef HL_LINKFEED_H
#define HL_LINKFEED_H

#include "common/base/buf.h"
#include "opsd/cluster/replication.h"

/*
 * This node's log for one node that is linked: what that may have by what is subscribed at
 * the time of reading.  On the loop's thread.
 */
struct linkfeed;

/* It has had everything of the log up to now, or gets it by other ways. */
struct linkfeed *linkfeed_new(struct replication *rep, const uint8_t *id);
void linkfeed_free(struct linkfeed *f); /* NULL is ignored */

/*
 * It goes on after a position of an incarnation; when the log has no such position any more, from
 * where it was when the feed was made.
 */
void linkfeed_begin(struct linkfeed *f, uint64_t incarnation, uint64_t after);
/*
 * Log data (frame.h) of what comes next, about so many bytes.  1: into `out`, which is empty; 0: there
 * is nothing; -1: there may be, ask again.
 */
int linkfeed_read(struct linkfeed *f, uint32_t max, struct buf *out);
int linkfeed_is_behind(const struct linkfeed *f); /* there is more of the log */

#endif
