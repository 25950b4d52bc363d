#ifndef HL_CONSUME_H
#define HL_CONSUME_H

#include <jansson.h>

/*
 * From the peers' streams into opsd: per peer one consumer that lives in the
 * peer's leaf server, without acknowledgements, read by pulling.  Positions
 * are opsd's; what is in flight is bounded, so whoever applies slowly slows
 * its peers.
 */
struct consume;
struct jsapi;
struct chan;
struct event_base;

/* `changed` runs when consume_state would say something else. */
struct consume *consume_new(struct event_base *base, struct chan *opsd, void (*changed)(void *arg),
    void *arg);
void consume_free(struct consume *c); /* after chan_free */

/* While both the leaf server and opsd are there; each does nothing when done already. */
void consume_start(struct consume *c, struct jsapi *a, const char *node);
void consume_stop(struct consume *c);
void consume_set_batch(struct consume *c, int64_t messages);

/*
 * CONSUME: what to consume, whole.  Unchanged consumers stay.  A peer is told by its id: who was
 * installed anew may be there beside who had its name before, and each is handed all of the stream
 * of that name, of which opsd takes what the peer itself has written.  -1: not in its form.
 */
int consume_want(struct consume *c, const json_t *wanted);
/* opsd is away: it will say again what it wants. */
void consume_forget(struct consume *c);

/* [{"name","id","consuming","error"?}]; new reference. */
json_t *consume_state(const struct consume *c);

#endif
