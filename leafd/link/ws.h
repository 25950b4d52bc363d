#ifndef HL_WS_H
#define HL_WS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * One WebSocket (RFC 6455) over a bufferevent, plain or TLS, as server or as client: the upgrade,
 * then binary messages both ways.  Frames are libwslay's.  What comes is believed in nothing: sizes
 * are looked at before memory is taken, and memory grows with what is there.  On the loop's thread;
 * all functions may be called from within callbacks.
 */
struct bufferevent;
struct ws;

/* RFC 6455, 7.4.1 */
enum ws_code {
	WS_NORMAL = 1000,
	WS_GOING_AWAY = 1001,
	WS_NOT_UNDERSTOOD = 1002,
	WS_NOT_BINARY = 1003,
	WS_ABNORMAL = 1006, /* it was not closed, it ended; never sent */
	WS_REFUSED = 1008,
	WS_TOO_BIG = 1009,
};

struct ws_ops {
	void (*open)(struct ws *w, void *arg); /* the upgrade is done */
	/*
	 * m is opts.headroom bytes that are free, then the message.  Who wants its memory takes it
	 * (buf_take).
	 */
	void (*message)(struct ws *w, struct buf *m, void *arg);
	void (*pong)(struct ws *w, uint64_t us, void *arg); /* the way there and back */
	void (*drained)(struct ws *w, void *arg);           /* all is written; may be NULL */
	/* It has ended, or could not begin; nothing runs after it.  Whoever has it frees it. */
	void (*closed)(struct ws *w, unsigned code, const char *why, void *arg);
};

struct ws_opts {
	const char *path;     /* of the request, borrowed */
	const char *protocol; /* the one subprotocol there is, borrowed */
	const char *host;     /* client: what the request says, host and port, used at once */
	size_t headroom;
	size_t max;      /* bytes of a message that comes */
	size_t max_head; /* bytes of the upgrade's head */
};

/* Both take bev, whose callbacks become theirs; a client's request goes as soon as bev writes. */
struct ws *ws_server(struct bufferevent *bev, const struct ws_opts *o, const struct ws_ops *ops,
    void *arg);
struct ws *ws_client(struct bufferevent *bev, const struct ws_opts *o, const struct ws_ops *ops,
    void *arg);
void ws_free(struct ws *w); /* and the connection, at once; NULL does nothing */
/* The same, and what is queued with a last word is tried to be written; `closed` does not run. */
void ws_part(struct ws *w, unsigned code, const char *why);

void ws_set_max(struct ws *w, size_t max);
/* No message comes and nothing is read until it goes on; the end is not seen either. */
void ws_pause(struct ws *w, int on);
/* One message of two parts; goes with all else that is sent in this turn of the loop. */
void ws_send(struct ws *w, const void *head, size_t nhead, const void *p, size_t n);
void ws_ping(struct ws *w);
/* Says so to the other, which has two seconds to agree; then `closed` runs, with what is given here. */
void ws_close(struct ws *w, unsigned code, const char *why);

size_t ws_queued(const struct ws *w);     /* bytes not yet written */
uint64_t ws_heard_us(const struct ws *w); /* when something came last (mono_us) */

#endif
