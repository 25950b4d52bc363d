#include "config.h"

#include "common/ipc/chan_priv.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"

/* What the peer sends: frames, its HELLO first, then messages for the handlers. */

#define CHAN_HELLO_MAX 1024

/* One peer a role: after a crash the new one may come before the old one's end is seen. */
static void
chan_replace_older(struct chan *c)
{
	struct chan *old;

	for (;;) {
		if (c->siblings == NULL)
			return;
		DL_FOREACH(*c->siblings, old)
			if (old != c && old->state == CHAN_UP && old->peer == c->peer)
				break;
		if (old == NULL)
			return;
		log_info("%s: came anew, the older connection is closed", chan_who(c));
		chan_drop(old);
	}
}

static int
chan_hello_read(struct chan *c, struct rd *r)
{
	const char *build;
	size_t n;
	unsigned major = rd_u16(r);
	uint8_t role;

	if (rd_ok(r) && major != PROTO_MAJOR) {
		log_warnx("%s: speaks version %u of the protocol, we speak %d", chan_who(c), major,
		    PROTO_MAJOR);
		return (-1);
	}
	rd_u16(r);
	role = rd_u8(r);
	build = rd_strn(r, &n);
	/* A later minor version may say more. */
	if (!rd_ok(r) || role == ROLE_ANY || role > ROLE_LEAFD) {
		log_warnx("%s: bad HELLO", chan_who(c));
		return (-1);
	}
	if (c->want != ROLE_ANY && role != c->want) {
		log_warnx("%s: %s answers there", chan_who(c), role_name(role));
		return (-1);
	}
	c->peer = role;
	log_info("%s: connected, version %.*s", chan_who(c), (int)(n < 64 ? n : 64), build);
	return (0);
}

static int
chan_on_hello(struct chan *c, struct rd *r)
{
	if (chan_hello_read(c, r) == -1)
		return (-1);
	chan_replace_older(c);
	if (c->dead)
		return (0);
	event_del(c->timer);
	c->state = CHAN_UP;
	c->up_since = mono_us();
	c->told = 0;
	c->failing_since = 0;
	if (c->ops->up != NULL)
		c->ops->up(c, c->peer, c->arg);
	return (0);
}

static int
chan_dispatch(struct chan *c, struct msg *m)
{
	const struct chan_handler *h;
	size_t len = rd_left(&m->body);
	const char *name = proto_name(m->type), *fault = "unexpected";

	if (c->state == CHAN_HELLO) {
		if (m->type == MSG_HELLO)
			return (chan_on_hello(c, &m->body));
		log_warnx("%s: message %u before HELLO, closing", chan_who(c), m->type);
		return (-1);
	}
	if (m->type == MSG_REPLY) {
		chan_on_reply(c, m);
		return (0);
	}
	if (m->type == MSG_PING && len == 0 && proto_allowed(m->type, c->peer, c->me)) {
		chan_reply(c, m->id, NULL);
		return (0);
	}
	if (m->type != MSG_HELLO && proto_allowed(m->type, c->peer, c->me)) {
		for (h = c->ops->handlers; h != NULL && h->type != 0; h++) {
			if (h->type != m->type)
				continue;
			if (h->fn(c, m, c->arg) == 0)
				return (0);
			fault = "bad";
			break;
		}
	}
	if (!c->dead)
		log_warnx("%s: %s %s (%u, %zu bytes), closing", chan_who(c), fault,
		    name != NULL ? name : "message", m->type, len);
	return (-1);
}

/* One frame: 1 done, 0 not all of it is here, -1 drop the peer. */
static int
chan_next(struct chan *c, struct bufferevent *bev)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct msg m;
	struct rd r;
	uint8_t head[PROTO_HEAD];
	uint8_t *body = NULL;
	size_t len, need = PROTO_HEAD;
	int result;

	if (evbuffer_copyout(in, head, sizeof head) == sizeof head) {
		r = rd_init(head, sizeof head);
		len = rd_u32(&r);
		m.type = rd_u16(&r);
		m.id = rd_u32(&r);
		if (len > (c->state == CHAN_UP ? PROTO_MAX_BODY : CHAN_HELLO_MAX)) {
			log_warnx("%s: message %u of %zu bytes is too large, closing", chan_who(c),
			    m.type, len);
			return (-1);
		}
		need = PROTO_HEAD + len;
	}
	/* Reading stops there: memory is bounded by one frame and a little. */
	bufferevent_setwatermark(bev, EV_READ, need, need + CHAN_READ_AHEAD);
	if (need == PROTO_HEAD ? evbuffer_get_length(in) < PROTO_HEAD :
				 evbuffer_get_length(in) < need)
		return (0);
	evbuffer_drain(in, PROTO_HEAD);
	if (need > PROTO_HEAD && (body = evbuffer_pullup(in, (ssize_t)(need - PROTO_HEAD))) == NULL)
		fatalx("%s: no memory to receive", chan_who(c));
	m.body = rd_init(body, need - PROTO_HEAD);
	result = chan_dispatch(c, &m) == 0 ? 1 : -1;
	/* A handler may have freed or dropped c; then there is no more to read. */
	if (c->dead || c->bev != bev)
		return (0);
	evbuffer_drain(in, need - PROTO_HEAD);
	return (result);
}

void
chan_read_cb(struct bufferevent *bev, void *arg)
{
	struct chan *c = arg;
	int r;

	c->busy++;
	while (!c->dead && c->bev == bev && (r = chan_next(c, bev)) != 0) {
		if (r == -1) {
			chan_drop(c);
			break;
		}
	}
	chan_leave(c);
}
