#ifndef HL_ROUTEFLOW_H
#define HL_ROUTEFLOW_H

#include "opsd/cluster/peer.h"
#include "opsd/cluster/replication.h"

/* What this node's route to a peer lets flow of all databases, and since when. */
struct routeflow {
	int sends, receives; /* both, without a route */
	uint64_t start_ms;   /* the route's, else replication.startTime; 0: all */
};

struct routeflow routeflow_to(struct replication *rep, const struct peer *p);
/* Since when a table comes that the subscription, as seen from here, brings for the first time; 0: all of it. */
uint64_t routeflow_start(struct replication *rep, const struct peer *p,
    const struct subscription *s);
/*
 * The subscription for all databases, if there is one, lets no more flow than the route does; of
 * nothing it ends.  Whether it is another one now.
 */
int routeflow_narrow(struct group *g, struct peer *p);

#endif
