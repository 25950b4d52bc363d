#include "config.h"

#include "common/ipc/chan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <uthash.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/sockwatch.h"
#include "common/ipc/usock.h"

#define CHAN_RETRY_MIN_MS	50
#define CHAN_RETRY_MAX_MS	2000
#define CHAN_STABLE_US		1000000		/* up for so long: the next retry is quick */
#define CHAN_HELLO_MS		10000
#define CHAN_HELLO_MAX		1024
#define CHAN_READ_AHEAD		(256u << 10)	/* bytes read beyond a frame */
#define CHAN_COPY_MAX		1024		/* longer bodies are sent from where they are */

enum chan_state { CHAN_DOWN, CHAN_HELLO, CHAN_UP };

struct chan_call {
	UT_hash_handle	 hh;
	struct chan	*chan;
	struct event	*timer;
	void		(*cb)(struct rd *body, void *arg);
	void		*arg;
	uint32_t	 id;
};

struct chan {
	struct chan			*prev, *next;	/* of its listener */
	struct chan_listener		*listener;
	struct event_base		*base;
	struct bufferevent		*bev;
	struct event			*timer;		/* retry, or HELLO that does not come */
	struct chan_call		*calls;
	const struct chan_ops		*ops;
	void				*arg;
	char				*path;		/* dialled: where to */
	enum chan_state			 state;
	enum role			 me, peer, want;
	uint64_t			 up_since;
	uint32_t			 next_id;
	unsigned			 retry_ms;
	unsigned			 busy;		/* its functions on the stack */
	int				 dead, told;
};

struct chan_listener {
	struct event_base		*base;
	struct evconnlistener		*lev;
	struct event			*pause;
	struct sockwatch		*watch;
	struct chan			*chans;
	const struct chan_ops		*ops;
	void				*arg;
	char				*path;
	enum role			 me;
	dev_t				 dev;
	ino_t				 ino;
};

static void chan_retry(struct chan *);

static void
chan_after(struct event *timer, unsigned ms)
{
	struct timeval	tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	event_add(timer, &tv);
}

/* What is queued is worth one attempt: a last acknowledgement saves work later. */
static void
chan_close(struct chan *c)
{
	struct evbuffer	*out;

	event_del(c->timer);
	if (c->bev == NULL)
		return;
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	out = bufferevent_get_output(c->bev);
	if (evbuffer_get_length(out) > 0) {
		evbuffer_unfreeze(out, 1);
		evbuffer_write(out, bufferevent_getfd(c->bev));
	}
	bufferevent_free(c->bev);
	c->bev = NULL;
}

static void
chan_destroy(struct chan *c)
{
	chan_close(c);
	event_free(c->timer);
	free(c->path);
	free(c);
}

static void
chan_leave(struct chan *c)
{
	if (--c->busy == 0 && c->dead)
		chan_destroy(c);
}

static void
chan_call_end(struct chan_call *call, struct rd *body)
{
	void	(*cb)(struct rd *, void *) = call->cb;
	void	*arg = call->arg;

	HASH_DEL(call->chan->calls, call);
	if (call->timer != NULL)
		event_free(call->timer);
	free(call);
	cb(body, arg);
}

static void
chan_fail_calls(struct chan *c)
{
	while (c->calls != NULL)
		chan_call_end(c->calls, NULL);
}

static void
chan_unlist(struct chan *c)
{
	if (c->listener == NULL)
		return;
	DL_DELETE(c->listener->chans, c);
	c->listener = NULL;
}

/* The owner lets go: no up, no down any more. */
static void
chan_kill(struct chan *c)
{
	c->busy++;
	c->dead = 1;
	c->state = CHAN_DOWN;
	chan_unlist(c);
	chan_fail_calls(c);
	chan_leave(c);
}

/* The peer is gone, or has to go. */
static void
chan_drop(struct chan *c)
{
	enum role	peer = c->peer;
	int		was_up = c->state == CHAN_UP;

	if (c->dead)
		return;
	c->busy++;
	c->state = CHAN_DOWN;
	chan_close(c);
	if (was_up && mono_us() - c->up_since > CHAN_STABLE_US)
		c->retry_ms = CHAN_RETRY_MIN_MS;
	chan_fail_calls(c);
	if (was_up && !c->dead && c->ops->down != NULL)
		c->ops->down(c, peer, c->arg);
	if (!c->dead) {
		c->peer = ROLE_ANY;
		if (c->path != NULL) {
			chan_retry(c);
		} else {
			chan_unlist(c);
			c->dead = 1;
		}
	}
	chan_leave(c);
}

static const char *
chan_who(const struct chan *c)
{
	enum role	role = c->peer != ROLE_ANY ? c->peer : c->want;

	return (role != ROLE_ANY ? role_name(role) : "peer");
}

static void
chan_free_body(const void *data, size_t len, void *arg)
{
	free(arg);
}

static void
chan_write(struct chan *c, uint16_t type, uint32_t id, struct buf *body)
{
	struct evbuffer	*out = bufferevent_get_output(c->bev);
	struct buf	 head = { 0 };
	uint8_t		*data;
	size_t		 n = body != NULL ? body->len : 0;
	int		 r = 0;

	buf_u32(&head, (uint32_t)n);
	buf_u16(&head, type);
	buf_u32(&head, id);
	r |= evbuffer_add(out, head.data, head.len);
	if (n > CHAN_COPY_MAX) {
		data = buf_take(body, NULL);
		r |= evbuffer_add_reference(out, data, n, chan_free_body, data);
	} else if (n > 0) {
		r |= evbuffer_add(out, body->data, n);
	}
	if (r != 0)
		fatalx("%s: no memory to send", chan_who(c));
	buf_free(&head);
	if (body != NULL)
		buf_free(body);
}

/* 0 and the body dropped when it cannot go. */
static int
chan_may_send(struct chan *c, uint16_t type, struct buf *body)
{
	if (chan_is_up(c) && (body == NULL || body->len <= PROTO_MAX_BODY)) {
		assert(proto_allowed(type, c->me, c->peer));
		return (1);
	}
	if (chan_is_up(c))
		log_warnx("%s: %s of %zu bytes is too large, not sent", chan_who(c),
		    proto_name(type), body->len);
	if (body != NULL)
		buf_free(body);
	return (0);
}

static void
chan_send_hello(struct chan *c)
{
	struct buf	b = { 0 };

	buf_u16(&b, PROTO_MAJOR);
	buf_u16(&b, PROTO_MINOR);
	buf_u8(&b, (uint8_t)c->me);
	buf_str(&b, PACKAGE_VERSION);
	chan_write(c, MSG_HELLO, 0, &b);
}

/* One peer a role: after a crash the new one may come before the old one's end is seen. */
static void
chan_replace_older(struct chan *c)
{
	struct chan	*old;

	for (;;) {
		if (c->listener == NULL)
			return;
		DL_FOREACH(c->listener->chans, old)
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
	const char	*build;
	size_t		 n;
	unsigned	 major = rd_u16(r);
	uint8_t		 role;

	if (rd_ok(r) && major != PROTO_MAJOR) {
		log_warnx("%s: speaks version %u of the protocol, we speak %d", chan_who(c),
		    major, PROTO_MAJOR);
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
	if (c->ops->up != NULL)
		c->ops->up(c, c->peer, c->arg);
	return (0);
}

static void
chan_on_reply(struct chan *c, struct msg *m)
{
	struct chan_call	*call;

	HASH_FIND(hh, c->calls, &m->id, sizeof m->id, call);
	if (call != NULL)
		chan_call_end(call, &m->body);
	else
		log_debug("%s: reply %u came too late", chan_who(c), m->id);
}

static int
chan_dispatch(struct chan *c, struct msg *m)
{
	const struct chan_handler	*h;
	size_t				 len = rd_left(&m->body);
	const char			*name = proto_name(m->type), *fault = "unexpected";

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
	struct evbuffer	*in = bufferevent_get_input(bev);
	struct msg	 m;
	struct rd	 r;
	uint8_t		 head[PROTO_HEAD];
	uint8_t		*body = NULL;
	size_t		 len, need = PROTO_HEAD;
	int		 result;

	if (evbuffer_copyout(in, head, sizeof head) == sizeof head) {
		r = rd_init(head, sizeof head);
		len = rd_u32(&r);
		m.type = rd_u16(&r);
		m.id = rd_u32(&r);
		if (len > (c->state == CHAN_UP ? PROTO_MAX_BODY : CHAN_HELLO_MAX)) {
			log_warnx("%s: message %u of %zu bytes is too large, closing",
			    chan_who(c), m.type, len);
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

static void
chan_read_cb(struct bufferevent *bev, void *arg)
{
	struct chan	*c = arg;
	int		 r;

	c->busy++;
	while (!c->dead && c->bev == bev && (r = chan_next(c, bev)) != 0) {
		if (r == -1) {
			chan_drop(c);
			break;
		}
	}
	chan_leave(c);
}

static void
chan_event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct chan	*c = arg;
	const char	*why = "closed the connection";

	if (c->dead || c->bev != bev || (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		return;
	if (what & BEV_EVENT_ERROR)
		why = strerror(errno);
	if (c->state == CHAN_UP)
		log_info("%s: %s", chan_who(c), why);
	chan_drop(c);
}

static void
chan_start(struct chan *c, int fd)
{
	evutil_make_socket_nonblocking(fd);
	c->bev = bufferevent_socket_new(c->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		fatalx("no buffer event");
	c->state = CHAN_HELLO;
	bufferevent_setcb(c->bev, chan_read_cb, NULL, chan_event_cb, c);
	bufferevent_setwatermark(c->bev, EV_READ, PROTO_HEAD, PROTO_HEAD + CHAN_READ_AHEAD);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	chan_after(c->timer, CHAN_HELLO_MS);
	chan_send_hello(c);
}

static int
chan_connect(const char *path)
{
	int	fd = usock_connect(path, SOCK_NONBLOCK);

	if (fd == -1 || usock_trusted(fd))
		return (fd);
	close(fd);
	errno = EPERM;
	return (-1);
}

static void
chan_try(struct chan *c)
{
	int	fd = chan_connect(c->path);

	if (fd != -1) {
		chan_start(c, fd);
		return;
	}
	if (!c->told)
		log_warn("%s: cannot connect to %s, trying again", chan_who(c), c->path);
	c->told = 1;
	chan_retry(c);
}

static void
chan_retry(struct chan *c)
{
	chan_after(c->timer, c->retry_ms);
	c->retry_ms *= 2;
	if (c->retry_ms > CHAN_RETRY_MAX_MS)
		c->retry_ms = CHAN_RETRY_MAX_MS;
}

static void
chan_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct chan	*c = arg;

	if (c->state == CHAN_HELLO) {
		log_warnx("%s: no HELLO, closing", chan_who(c));
		chan_drop(c);
	} else if (c->state == CHAN_DOWN && !c->dead && c->path != NULL) {
		chan_try(c);
	}
}

static struct chan *
chan_new(struct event_base *base, enum role me, const struct chan_ops *ops, void *arg)
{
	struct chan	*c = xcalloc(1, sizeof *c);

	c->base = base;
	c->ops = ops;
	c->arg = arg;
	c->me = me;
	c->retry_ms = CHAN_RETRY_MIN_MS;
	if ((c->timer = evtimer_new(base, chan_timer_cb, c)) == NULL)
		fatalx("no timer");
	return (c);
}

struct chan *
chan_dial(struct event_base *base, const char *path, enum role me,
    enum role peer, const struct chan_ops *ops, void *arg)
{
	struct chan	*c = chan_new(base, me, ops, arg);

	c->want = peer;
	c->path = xstrdup(path);
	chan_try(c);
	return (c);
}

struct chan *
chan_attach(struct event_base *base, int fd, enum role me,
    const struct chan_ops *ops, void *arg)
{
	struct chan	*c = chan_new(base, me, ops, arg);

	chan_start(c, fd);
	return (c);
}

void
chan_free(struct chan *c)
{
	if (c != NULL && !c->dead)
		chan_kill(c);
}

void
chan_hang_up(struct chan *c)
{
	chan_drop(c);
}

static void
chan_accept_cb(struct evconnlistener *lev, evutil_socket_t fd, struct sockaddr *sa,
    int salen, void *arg)
{
	struct chan_listener	*l = arg;
	struct chan		*c;

	if (!usock_trusted(fd)) {
		close(fd);
		return;
	}
	c = chan_attach(l->base, fd, l->me, l->ops, l->arg);
	c->listener = l;
	DL_APPEND(l->chans, c);
}

/* Out of descriptors: let those who are there go on for a moment. */
static void
chan_accept_error_cb(struct evconnlistener *lev, void *arg)
{
	struct chan_listener	*l = arg;

	log_warn("%s: cannot accept", l->path);
	evconnlistener_disable(lev);
	chan_after(l->pause, 1000);
}

static void
chan_pause_cb(evutil_socket_t fd, short what, void *arg)
{
	struct chan_listener	*l = arg;

	evconnlistener_enable(l->lev);
}

/* On the socket of l->path, which it takes; -1 with errno, and all stays as it is. */
static int
chan_listen_on(struct chan_listener *l, int fd)
{
	struct evconnlistener	*lev = evconnlistener_new(l->base, chan_accept_cb, l,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 64, fd);
	struct stat		 st = { 0 };
	int			 saved = errno;

	if (lev == NULL) {
		close(fd);
		errno = saved;
		return (-1);
	}
	if (l->lev != NULL)
		evconnlistener_free(l->lev);
	l->lev = lev;
	evconnlistener_set_error_cb(lev, chan_accept_error_cb);
	if (lstat(l->path, &st) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	return (0);
}

static void
chan_bound_cb(int fd, void *arg)
{
	struct chan_listener	*l = arg;

	if (chan_listen_on(l, fd) == -1)
		log_warn("%s", l->path);
}

struct chan_listener *
chan_listen(struct event_base *base, const char *path, enum role me,
    const struct chan_ops *ops, void *arg)
{
	struct chan_listener	*l;
	int			 fd, saved;

	if ((fd = usock_bind(path, 0600)) == -1)
		return (NULL);
	l = xcalloc(1, sizeof *l);
	l->base = base;
	l->ops = ops;
	l->arg = arg;
	l->me = me;
	l->path = xstrdup(path);
	l->pause = evtimer_new(base, chan_pause_cb, l);
	if (l->pause != NULL && chan_listen_on(l, fd) == 0) {
		l->watch = sockwatch_new(base, path, 0600, chan_bound_cb, l);
		return (l);
	}
	saved = errno;
	chan_listener_free(l);
	errno = saved;
	return (NULL);
}

void
chan_listener_free(struct chan_listener *l)
{
	struct stat	st;

	if (l == NULL)
		return;
	while (l->chans != NULL)
		chan_kill(l->chans);
	/* Not another daemon's that has bound it since. */
	if (lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	if (l->lev != NULL)
		evconnlistener_free(l->lev);
	if (l->pause != NULL)
		event_free(l->pause);
	sockwatch_free(l->watch);
	free(l->path);
	free(l);
}

int
chan_is_up(const struct chan *c)
{
	return (c != NULL && c->state == CHAN_UP);
}

void
chan_send(struct chan *c, uint16_t type, struct buf *body)
{
	if (chan_may_send(c, type, body))
		chan_write(c, type, 0, body);
}

void
chan_reply(struct chan *c, uint32_t id, struct buf *body)
{
	if (chan_may_send(c, MSG_REPLY, body))
		chan_write(c, MSG_REPLY, id, body);
}

static void
chan_call_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	struct chan_call	*call = arg;
	struct chan		*c = call->chan;

	c->busy++;
	chan_call_end(call, NULL);
	chan_leave(c);
}

void
chan_call(struct chan *c, uint16_t type, struct buf *body, unsigned timeout_ms,
    void (*cb)(struct rd *body, void *arg), void *arg)
{
	struct chan_call	*call;

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

size_t
chan_queued(const struct chan *c)
{
	if (c == NULL || c->bev == NULL)
		return (0);
	return (evbuffer_get_length(bufferevent_get_output(c->bev)));
}
