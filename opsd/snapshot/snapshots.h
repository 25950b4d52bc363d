#ifndef HL_SNAPSHOTS_H
#define HL_SNAPSHOTS_H

#include <jansson.h>

#include "opsd/cluster/replication.h"

/*
 * Snapshots of this node, with a thread of their own: when one is taken and by whom, where it is kept, and
 * what is restored from one.
 *
 * It is taken by one of the nodes that have all of their tables, the first by rank (2: everything, 1: what
 * they subscribe to) and then by id; the next one takes it when that one does not within the same time
 * again.  Two at once do no harm.  Of all that are there the newest two stay.
 */
#define SNAPSHOTS_KEPT 2

struct snapshots;
struct snapshots *snapshots_start(struct replication *rep, char **err); /* NULL with *err */
void snapshots_quiet(struct snapshots *s); /* calls in flight end, and no more begin; on the loop */
void snapshots_stop(struct snapshots *s);  /* waits for what it is at */
void snapshots_free(struct snapshots *s);  /* once nobody commits any more */

/* For cluster_status: what it is at, the last one, what went wrong; NULL: they are off.  Any thread. */
json_t *snapshots_status(struct snapshots *s);

/* For metrics.  0: they are off.  Any thread. */
struct snapshots_view {
	uint64_t newest_ms, newest_bytes; /* that is known here, 0: none; bytes 0: not known */
	uint64_t taken, failed;           /* by this node since it started */
	uint64_t restored_tables, restored_rows;
};
int snapshots_view(struct snapshots *s, struct snapshots_view *v);

#endif
