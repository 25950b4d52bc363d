#ifndef HL_WITHDRAWN_H
#define HL_WITHDRAWN_H

#include <jansson.h>
#include <stdint.h>

#include "opsd/cluster/carrier.h"
#include "opsd/cluster/replication.h"

/*
 * A node that has just joined, by a call that failed in the end, takes it back over its link (question
 * "withdraw"): its certificate is good for nothing any more, and if it had been with nobody before, it
 * is no member any more, for all.
 *
 *   ask: {"id","serial","leaves":bool}    answer: {"id"}
 */

/* On the loop's thread; `who` as in incoming_question. */
void withdrawn_asked(struct replication *rep, const uint8_t *who, const json_t *question,
    struct carrier_reply reply);

#endif
