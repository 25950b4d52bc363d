#ifndef HL_PUBLISHERS_H
#define HL_PUBLISHERS_H

#include <stdint.h>

#include "leafd/stream.h"

/* What publishes into each of this node's streams (publish.h), as one. */
struct publishers;
struct jsapi;
struct chan;
struct event_base;

/* As publish_unanswered, of that stream; and for how long it could not be used. */
typedef void publishers_unanswered(struct shard s, uint64_t us, uint64_t failing_us, void *arg);
struct publishers *publishers_new(struct event_base *base, struct chan *opsd,
    publishers_unanswered *cb, void *arg);
void publishers_free(struct publishers *p); /* after chan_free */

/* How many streams there are to be (1 to SHARDS_MAX), and what all have alike; shard is not looked at. */
void publishers_set(struct publishers *p, const struct stream_opts *o, unsigned n);
void publishers_start(struct publishers *p, struct jsapi *a);
void publishers_stop(struct publishers *p);

/* Of the first that has one; of the one with the fewest copies; whether any is. */
const char *publishers_fault(const struct publishers *p);
int64_t publishers_copies(const struct publishers *p);
int publishers_unlike(const struct publishers *p);
void publishers_look_again(struct publishers *p);
void publishers_count_anew(struct publishers *p);

#endif
