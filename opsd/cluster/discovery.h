#ifndef HL_DISCOVERY_H
#define HL_DISCOVERY_H

#include <jansson.h>
#include <stdint.h>

#include "opsd/cluster/replication.h"

/*
 * Full members link with all others that are, without being told: what the roster says of them is
 * enough.  Any thread.
 */
int discovery_links(struct replication *rep, const uint8_t *id); /* both are full */
/*
 * A full member that this node itself has introduced, while nobody is left with whom it replicates: an
 * old backup was restored here, of before that one joined.
 */
int discovery_returns(struct replication *rep, const uint8_t *id);
/* Adds the URLs of those that are, to an array. */
void discovery_dials(struct replication *rep, json_t *list);
/*
 * When one of the two was introduced last, whose subscriptions with each other from before that do
 * not count any more; in milliseconds, 0: never.
 */
uint64_t discovery_since(struct replication *rep, const uint8_t *id);

#endif
