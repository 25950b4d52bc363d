#ifndef HL_PUBLISH_H
#define HL_PUBLISH_H

#include <stdint.h>

#include "leafd/stream.h"

/*
 * From opsd's log into one of this node's streams.  We are its only publisher, and
 * every message says which sequence it follows, so the server refuses holes
 * and reordering; after any doubt the stream's end says where to go on.
 */
struct publish;
struct jsapi;
struct chan;
struct event_base;

/*
 * It was waited for so long in all for the stream to take something, and it did not answer; told every
 * few seconds while that lasts.  The time without a connection does not count.
 */
typedef void publish_unanswered(uint64_t us, void *arg);
struct publish *publish_new(struct event_base *base, struct chan *opsd, publish_unanswered *cb,
    void *arg);
void publish_free(struct publish *p); /* after chan_free */

/* The node's and the stream's facts; when running it begins anew. */
void publish_set(struct publish *p, const struct stream_opts *o);
/* While both the leaf server and opsd are there; each does nothing when done already. */
void publish_start(struct publish *p, struct jsapi *a);
void publish_stop(struct publish *p);
/* Why the stream cannot be used; NULL: it can, or is not looked at.  Valid until the loop turns. */
const char *publish_fault(const struct publish *p);
/* For how long that is so, also while what is asked is answered with errors; 0: it is not. */
uint64_t publish_failing_us(const struct publish *p);
/* How many copies the stream is to have, as it was looked at last; 0: it was not. */
int64_t publish_copies(const struct publish *p);
/* The stream is not as it should be; it may be worth to look again after a while. */
int publish_is_unlike(const struct publish *p);
void publish_look_again(struct publish *p);
void publish_count_anew(struct publish *p); /* something was done about it: both times begin anew */

#endif
