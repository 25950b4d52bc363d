#ifndef HL_CARRIER_CALL_H
#define HL_CARRIER_CALL_H

#include "common/ipc/chan.h"
#include "opsd/cluster/carrier.h"

/* Questions that a daemon carries, for all carriers that go over one. */

/*
 * Takes the bytes.  The daemon's reply is u16 status, u32 round trip in microseconds if `timed`,
 * and a blob, or nothing (504); ch NULL: 503 at once.  who: the node that answers, or NULL.
 */
void carrier_call(struct chan *ch, enum msg_type type, struct buf *b, unsigned timeout_ms,
    int timed, const uint8_t *who, carrier_answered *cb, void *arg);

/* How a question that came with a message is answered: u16 status, blob. */
struct carrier_reply carrier_call_reply(struct chan *ch, const struct msg *m);
/* A blob alone, for rows and log (catchup.h). */
struct carrier_reply carrier_call_serve(struct chan *ch, const struct msg *m);

#endif
