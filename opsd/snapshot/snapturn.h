#ifndef HL_SNAPTURN_H
#define HL_SNAPTURN_H

#include "opsd/cluster/replication.h"

/* Whose turn it is to take a snapshot.  Any thread. */

/* Of this node (replication.h); 0: some of its tables is on its way, or it has none. */
unsigned snapturn_rank(struct replication *rep);
/* How many peers come before this node; *taken_ms: the newest that one of them knows of, if it is newer. */
size_t snapturn_before(struct replication *rep, unsigned rank, uint64_t *taken_ms);

#endif
