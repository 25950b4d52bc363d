#ifndef HL_CHAN_H
#define HL_CHAN_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/ipc/proto.h"

/*
 * One peer on a Unix socket, on the loop's thread only.  HELLO is exchanged
 * first; `up` runs when the peer has said who it is, `down` when it is gone.
 * A dialling channel connects again by itself with back-off (50 ms to 2 s).
 * A bad frame, an unknown or forbidden message, or a handler's -1 is logged
 * with its name and drops the peer, never the daemon.  PING is answered here:
 * who answers has a loop that runs.  An accepted peer is
 * valid until its `down` returned; one more of the same role replaces it.
 * All functions may be called from within any callback.
 */
struct chan;
struct chan_deferred;
struct chan_listener;
struct event_base;

struct msg {
	uint16_t type;
	uint32_t id;    /* for chan_reply */
	struct rd body; /* borrowed: valid until the handler returns */
};

struct chan_handler {
	uint16_t type;                                       /* 0 ends the table */
	int (*fn)(struct chan *c, struct msg *m, void *arg); /* -1: bad message */
};

struct chan_ops {
	const struct chan_handler *handlers;
	void (*up)(struct chan *c, enum role peer, void *arg);   /* may be NULL */
	void (*down)(struct chan *c, enum role peer, void *arg); /* may be NULL */
};

/*
 * Bind `path` (an old socket there is removed, mode 0600) and accept peers of
 * our own uid or root.  NULL with errno on failure.
 */
struct chan_listener *chan_listen(struct event_base *base, const char *path, enum role me,
    const struct chan_ops *ops, void *arg);
void chan_listener_free(struct chan_listener *l); /* and its peers; down is not called */

struct chan *chan_dial(struct event_base *base, const char *path, enum role me, enum role peer,
    const struct chan_ops *ops, void *arg);
void chan_free(struct chan *c); /* a dialled one; calls in flight get NULL; down is not called */
/*
 * Over a connected socket, which it takes.  As a peer that a listener accepted:
 * when it is gone it is freed after `down`, or earlier by chan_free.
 */
struct chan *chan_attach(struct event_base *base, int fd, enum role me, const struct chan_ops *ops,
    void *arg);
/* As when the peer goes away: `down` runs, and one that was dialled connects again. */
void chan_hang_up(struct chan *c);

int chan_is_up(const struct chan *c);
/* Body is consumed (left empty); NULL means no body.  Dropped when not up. */
void chan_send(struct chan *c, uint16_t type, struct buf *body);
void chan_reply(struct chan *c, uint32_t id, struct buf *body);
/*
 * Ask; `cb` runs exactly once, with the REPLY's body or with NULL when the
 * peer went away, is not there, or did not answer within timeout_ms (0: no limit).
 * It may run before chan_call returns when the peer is not up.
 */
void chan_call(struct chan *c, uint16_t type, struct buf *body, unsigned timeout_ms,
    void (*cb)(struct rd *body, void *arg), void *arg);
/*
 * A reply that is given later than the handler returns.  Whoever has it ends it, once, by a reply or
 * by dropping it; NULL may be dropped.  When the peer goes away, also if it comes again over the same
 * channel, or the channel is freed, nobody wants it any more: a reply then goes nowhere.  On the
 * loop's thread as all here; others carry it there.
 */
struct chan_deferred *chan_defer(struct chan *c, const struct msg *m);
void chan_deferred_reply(struct chan_deferred *d, struct buf *body); /* body as in chan_reply */
void chan_deferred_drop(struct chan_deferred *d);                    /* without an answer */
int chan_deferred_wanted(const struct chan_deferred *d);

#endif
