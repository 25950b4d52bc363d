#ifndef HL_CARRIER_NATS_H
#define HL_CARRIER_NATS_H

#include "opsd/cluster/carrier.h"
#include "opsd/cluster/daemons.h"
#include "opsd/cluster/logfeed.h"

/*
 * Peers over NATS (carrier.h): JSON questions by hubd, everything else by leafd, which
 * publishes this node's log to its stream and consumes the peers' streams.
 */
struct carrier_nats;

extern const struct carrier_ops carrier_nats_ops; /* with a struct carrier_nats */

struct carrier_nats *carrier_nats_new(struct cluster *c, struct replication *rep,
    struct outlet *outlet);
struct daemons_above carrier_nats_above(struct carrier_nats *n); /* for daemons_start */
void carrier_nats_free(struct carrier_nats *n);                  /* after the daemons' end */

#endif
