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

/* A question that goes out, after whom it is for. */
void carrier_call_write(struct buf *b, const char *verb, const json_t *question,
    unsigned timeout_ms);
/* One that came with a message. */
struct carrier_asked {
	char *verb;
	json_t *question;           /* NULL: it is none */
	struct carrier_reply reply; /* u16 status, blob */
};
/*
 * From where the message is read to: a verb, and a blob of JSON.  -1: it has something else,
 * and there is nothing to clear.
 */
int carrier_call_read(struct carrier_asked *q, struct chan *ch, struct msg *m);
void carrier_call_clear(struct carrier_asked *q);
/* How one for rows and log (catchup.h) is answered: a blob alone. */
struct carrier_reply carrier_call_serve(struct chan *ch, const struct msg *m);

#endif
