#ifndef HL_TURNOUT_H
#define HL_TURNOUT_H

#include <stddef.h>

struct bufferevent;
struct evbuffer;

/*
 * What goes out over a bufferevent: all that one turn of the loop adds is written at its end, at once,
 * as far as the socket takes it.  The bufferevent, which would first ask whether the socket is
 * writable, gets only the rest, and what cannot be written.  On the loop's thread.
 */
struct turnout;

struct turnout_ops {
	/* Takes from `out` what can be written now; NULL: by the socket. */
	void (*write)(struct bufferevent *bev, struct evbuffer *out);
	/* After a write: nothing waits any more; may be NULL. */
	void (*sent)(void *arg);
};

/* For as long as it is there, only by it is anything added; `bev` is borrowed. */
struct turnout *turnout_new(struct bufferevent *bev, const struct turnout_ops *ops, void *arg);
void turnout_free(struct turnout *t); /* what waits is lost; NULL is ignored */

struct evbuffer *turnout_buffer(struct turnout *t); /* where to add */
size_t turnout_queued(const struct turnout *t);     /* with the bufferevent's */
void turnout_pass(struct turnout *t);               /* all is the bufferevent's from now on */

#endif
