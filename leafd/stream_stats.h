#ifndef HL_STREAM_STATS_H
#define HL_STREAM_STATS_H

#include <jansson.h>

/* How large this node's streams are, asked of the leaf server now and then. */
struct stream_stats;
struct jsapi;

struct stream_stats *stream_stats_new(void);
void stream_stats_free(struct stream_stats *m);

/* While both the leaf server and opsd are there; each does nothing when done already. */
/* The node has so many of them. */
void stream_stats_start(struct stream_stats *m, struct jsapi *a, const char *node,
    unsigned streams);
void stream_stats_stop(struct stream_stats *m);

/* Ask, if the last answer is some seconds old. */
void stream_stats_now(struct stream_stats *m);
/* {"messages","bytes","shards"?}, or null while it is not known; new reference. */
json_t *stream_stats_json(const struct stream_stats *m);

#endif
