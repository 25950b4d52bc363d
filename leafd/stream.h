#ifndef HL_STREAM_H
#define HL_STREAM_H

#include <stdint.h>

#include "common/base/frame.h"
#include "common/base/shard.h"

/*
 * A stream of this node, on its own leaf server or on external ones: for all tables, subjects
 * hl.txn.<node>.>, or for a part of them (shard.h), so that what nats-server keeps does not grow
 * with tables.
 */
struct jsapi;

struct stream_opts {
	const char *node;
	uint8_t node_id[NODE_ID_LEN];
	struct shard shard;
	int alone; /* those that it had under other names, or another number of them, are deleted */
	int64_t max_age;     /* seconds */
	int64_t max_bytes;   /* of all of the node's together */
	int64_t max_msgs;    /* of one table; 0: no limit */
	int64_t max_entries; /* messages in all; 0: no limit */
	int64_t copies;      /* on so many servers; on fewer where there are not as many */
	int compress;        /* its messages */
};

/* Where the stream ends. */
struct stream_tail {
	uint64_t seq;          /* the stream's last sequence */
	uint64_t incarnation;  /* of the newest frame; 0: no frame of ours */
	uint64_t window;       /* the last window that is there to its end */
	uint64_t last;         /* greatest log sequence seen at the end */
	uint64_t newest, mark; /* the last entry of the newest frame */
	int64_t copies;        /* so many there are to be */
	int refused;           /* a change of its configuration was */
	int alone;             /* and other streams of the node were looked for */
};

struct stream;

/*
 * Makes the stream, or sets its limits if they differ, then reads back from
 * its end to the last whole window; `cb` runs once: with the tail, or with
 * NULL and why not.  Whoever has an answer frees the stream; to free it before
 * is to hear nothing more.
 */
struct stream *stream_find_tail(struct jsapi *a, const struct stream_opts *o,
    void (*cb)(const struct stream_tail *t, const char *why, void *arg), void *arg);
void stream_free(struct stream *s);

#endif
