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

struct carrier_nats *carrier_nats_start(struct cluster *c, struct replication *rep,
    struct outlet *outlet, char **err);
struct daemons *carrier_nats_daemons(struct carrier_nats *n);
void carrier_nats_quiet(struct carrier_nats *n); /* calls in flight end */
void carrier_nats_stop(struct carrier_nats *n);

#endif
