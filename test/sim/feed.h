#ifndef HL_FEED_H
#define HL_FEED_H

#include <stdint.h>

#include "common/base/buf.h"

/*
 * From opsd's log into the node's stream, as leafd/publish.c does it: windows of frames
 * (made by common/base/window.c) that say what they follow, acknowledged in order; after any doubt
 * the end of the stream says where to go on.
 */
struct machine;

#define FEED_WINDOWS 4 /* in flight */

struct feed_window {
	uint64_t last, end; /* log; stream */
};

struct feed {
	struct machine *m;
	int on; /* leafd has its settings */
	uint64_t session;
	int running, reading;
	uint64_t incarnation, after, published, acked, server;
	uint64_t retry_us;
	struct feed_window windows[FEED_WINDOWS];
	unsigned n;
	struct feed_frame *sent, **sent_tail; /* on the way to the server */
};

void feed_start(struct feed *f); /* once more: it begins anew */
void feed_stop(struct feed *f);
void feed_again(struct feed *f); /* the server came back, perhaps with less */
uint64_t feed_published(void);   /* frames of all of them */

#endif
