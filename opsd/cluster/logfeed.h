#ifndef HL_LOGFEED_H
#define HL_LOGFEED_H

#include "common/base/shard.h"
#include "opsd/cluster/outlet.h"
#include "opsd/cluster/replication.h"

/*
 * This node's log on its way into its streams: what was given, what was passed over as
 * nobody gets it (outlet.h) or as it is for another of them, what each has.  How many there
 * are leafd says, with the first that it asks about: then all begin where all of before were.
 * On the loop's thread.
 */
struct logfeed;

struct logfeed *logfeed_new(struct replication *rep, struct outlet *outlet);
void logfeed_free(struct logfeed *f);

/* Whether it is one of those that there are. */
int logfeed_has(const struct logfeed *f, struct shard s);

/* What a stream ends with; all 0: it is empty. */
struct logfeed_end {
	uint64_t incarnation;
	uint64_t window, last; /* the last whole window, the greatest entry in it */
	uint64_t seq, mark;    /* the last entry of the newest frame */
};

/*
 * Where it goes on.  A stream that has what the log has not begins a new incarnation
 * first.  `cb` runs once, perhaps before this returns.
 */
void logfeed_tail(struct logfeed *f, struct shard s, const struct logfeed_end *end,
    void (*cb)(void *arg, uint64_t incarnation, uint64_t after), void *arg);
/*
 * Log data (frame.h) after an entry, about so many bytes.  1: into `out`; 0: there is
 * nothing; -1: there may be, ask again.
 */
int logfeed_read(struct logfeed *f, struct shard s, uint64_t after, uint32_t max, struct buf *out);
/* Everything up to `seq` is in the stream, where it will be found again. */
void logfeed_acked(struct logfeed *f, struct shard s, uint64_t incarnation, uint64_t seq);

#endif
