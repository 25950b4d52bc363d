#ifndef HL_RENEWING_H
#define HL_RENEWING_H

#include <jansson.h>
#include <stdint.h>

#include "opsd/cluster/carrier.h"
#include "opsd/cluster/replication.h"

/*
 * The certificate that another node has signed for this one is replaced in the last third of its
 * time: over its links this node asks whoever has signed it, and when half of that time is over,
 * any other as well (question "sign").  The key stays the same, so everybody who has pinned it
 * knows the node again.  Links stay; the new certificate is shown from the next one on.
 *
 *   ask: {"id","csr"}    answer: {"id","certificate"}
 */
struct renewing;

/* ---- on the loop's thread ---- */

struct renewing *renewing_new(struct replication *rep);
void renewing_free(struct renewing *r); /* once the workers have ended; NULL is ignored */
void renewing_tick(struct renewing *r); /* several times a second */
/* A question "sign" of that node; `who` as in incoming_question. */
void renewing_asked(struct replication *rep, const uint8_t *who, const json_t *question,
    struct carrier_reply reply);

#endif
