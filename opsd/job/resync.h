#ifndef HL_RESYNC_H
#define HL_RESYNC_H

#include <jansson.h>

#include "opsd/cluster/nodes.h"
#include "opsd/job/job.h"

/*
 * A table compared with that of a peer, range by range of its keys: what differs is copied
 * and merged, and what this node removed alone may come again.  What only this node has is
 * counted and stays.  It may end at any point and be begun again.
 */
struct resync;

/* To be run as a job; NULL: the table is being compared with that peer already. */
struct resync *resync_new(struct replication *rep, const struct peer *p, const char *database,
    const char *table, const char *user);
void resync_free(void *resync);
void resync_run(struct job *t, void *resync);
/* Those of a peer that run or wait: [{"schema","database","table","records","copied","only_here"}]. */
json_t *resyncs_of(const uint8_t *peer);

#endif
