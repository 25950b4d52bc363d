#include "config.h"

#include "common/ipc/chan_priv.h"

#include <event2/event.h>
#include <stdlib.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/base/mem.h"

/* Questions that a reply is awaited for: ours, and the peer's that are answered later. */

struct chan_call {
	UT_hash_handle hh;
	struct chan *chan;
	struct event *timer;
	void (*cb)(struct rd *body, void *arg);
	void *arg;
	uint32_t id;
};

struct chan_deferred {
	struct chan_deferred *prev, *next; /* of its channel */
	struct chan *chan;                 /* NULL: who asked is gone */
	uint32_t id;
};

static void
chan_call_end(struct chan_call *call, struct rd *body)
{
	void (*cb)(struct rd *, void *) = call->cb;
	void *arg = call->arg;

	HASH_DEL(call->chan->calls, call);
	if (call->timer != NULL)
		event_free(call->timer);
	free(call);
	cb(body, arg);
}

void
chan_end_calls(struct chan *c)
{
	struct chan_deferred *d;

	while ((d = c->deferred) != NULL) {
		DL_DELETE(c->deferred, d);
		d->chan = NULL;
	}
	while (c->calls != NULL)
		chan_call_end(c->calls, NULL);
}

void
chan_on_reply(struct chan *c, struct msg *m)
{
	struct chan_call *call;

	HASH_FIND(hh, c->calls, &m->id, sizeof m->id, call);
	if (call != NULL)
		chan_call_end(call, &m->body);
	else
		log_debug("%s: reply %u came too late", chan_who(c), m->id);
}

static void
chan_call_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	struct chan_call *call = arg;
	struct chan *c = call->chan;

	c->busy++;
	chan_call_end(call, NULL);
	chan_leave(c);
}

void
chan_call(struct chan *c, uint16_t type, struct buf *body, unsigned timeout_ms,
    void (*cb)(struct rd *body, void *arg), void *arg)
{
	struct chan_call *call;

	if (!chan_may_send(c, type, body)) {
		cb(NULL, arg);
		return;
	}
	call = xcalloc(1, sizeof *call);
	call->chan = c;
	call->cb = cb;
	call->arg = arg;
	if (++c->next_id == 0)
		c->next_id = 1;
	call->id = c->next_id;
	HASH_ADD(hh, c->calls, id, sizeof call->id, call);
	if (timeout_ms > 0) {
		if ((call->timer = evtimer_new(c->base, chan_call_timeout_cb, call)) == NULL)
			fatalx("no timer");
		chan_after(call->timer, timeout_ms);
	}
	chan_write(c, type, call->id, body);
}

struct chan_deferred *
chan_defer(struct chan *c, const struct msg *m)
{
	struct chan_deferred *d = xcalloc(1, sizeof *d);

	d->id = m->id;
	if (c->state == CHAN_UP) {
		d->chan = c;
		DL_APPEND(c->deferred, d);
	}
	return (d);
}

int
chan_deferred_wanted(const struct chan_deferred *d)
{
	return (d->chan != NULL);
}

void
chan_deferred_drop(struct chan_deferred *d)
{
	if (d == NULL)
		return;
	if (d->chan != NULL)
		DL_DELETE(d->chan->deferred, d);
	free(d);
}

void
chan_deferred_reply(struct chan_deferred *d, struct buf *body)
{
	struct chan *c = d->chan;
	uint32_t id = d->id;

	chan_deferred_drop(d);
	if (c != NULL)
		chan_reply(c, id, body);
	else if (body != NULL)
		buf_free(body);
}
