#ifndef HL_CHAN_PRIV_H
#define HL_CHAN_PRIV_H

#include <stdint.h>
#include <uthash.h>

#include "common/ipc/chan.h"

/*
 * What chan.c (its life), chan_read.c (what comes), chan_send.c (what goes), chan_call.c (what is
 * answered later) and chan_listen.c (who comes in) share.
 *
 * Callbacks may free or drop the channel: whoever calls one holds it by `busy`, and looks at `dead`
 * or `bev` before going on.
 */
#define CHAN_READ_AHEAD (256u << 10) /* bytes read beyond a frame */

struct bufferevent;
struct chan_call;
struct event;
struct turnout;

enum chan_state { CHAN_DOWN, CHAN_HELLO, CHAN_UP };

struct chan {
	struct chan *prev, *next; /* in *siblings */
	struct chan **siblings;   /* its listener's; NULL: it has none */
	struct event_base *base;
	struct bufferevent *bev;
	struct turnout *out; /* with bev */
	struct event *timer; /* retry, or HELLO that does not come */
	struct chan_call *calls;
	struct chan_deferred *deferred; /* the peer's questions that are not answered yet */
	const struct chan_ops *ops;
	void *arg;
	char *path; /* dialled: where to */
	enum chan_state state;
	enum role me, peer, want;
	uint64_t up_since;
	uint64_t failing_since; /* the first attempt that failed; 0: none since it was up */
	uint32_t next_id;
	unsigned retry_ms;
	unsigned busy; /* its functions on the stack */
	int dead, told;
};

/* chan.c */
void chan_after(struct event *timer, unsigned ms);
const char *chan_who(const struct chan *c); /* the peer, for the log */
void chan_kill(struct chan *c);             /* the owner lets go: no up, no down any more */
void chan_drop(struct chan *c);             /* the peer is gone, or has to go */
void chan_leave(struct chan *c);            /* ends a busy++; the last one frees what is dead */

/* chan_read.c */
void chan_read_cb(struct bufferevent *bev, void *arg);

/* chan_send.c: as chan_send and chan_reply; chan_write goes without asking whether the peer is up. */
/* 0: no, and the body is freed */
int chan_may_send(struct chan *c, uint16_t type, struct buf *body);
void chan_write(struct chan *c, uint16_t type, uint32_t id, struct buf *body);
void chan_send_hello(struct chan *c);

/* chan_call.c */
void chan_on_reply(struct chan *c, struct msg *m);
void chan_end_calls(struct chan *c); /* the peer is gone: ours fail, its own are wanted no more */

#endif
