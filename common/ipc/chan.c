#include "config.h"

#include "common/ipc/chan_priv.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/turnout.h"
#include "common/ipc/usock.h"

/* The life of a channel: to connect, to be there, to lose the peer. */

#define CHAN_RETRY_MIN_MS 50
#define CHAN_RETRY_MAX_MS 2000
#define CHAN_STABLE_US    1000000 /* up for so long: the next retry is quick */
#define CHAN_HELLO_MS     10000
#define CHAN_QUIET_US     3000000 /* all start at once: for so long, nobody there is nothing to tell */

static void chan_retry(struct chan *);

void
chan_after(struct event *timer, unsigned ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	event_add(timer, &tv);
}

/* What is queued is worth one attempt: a last acknowledgement saves work later. */
static void
chan_close(struct chan *c)
{
	struct evbuffer *out;

	event_del(c->timer);
	if (c->bev == NULL)
		return;
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	turnout_pass(c->out);
	turnout_free(c->out);
	c->out = NULL;
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

void
chan_leave(struct chan *c)
{
	if (--c->busy == 0 && c->dead)
		chan_destroy(c);
}

static void
chan_unlist(struct chan *c)
{
	if (c->siblings == NULL)
		return;
	DL_DELETE(*c->siblings, c);
	c->siblings = NULL;
}

void
chan_kill(struct chan *c)
{
	c->busy++;
	c->dead = 1;
	c->state = CHAN_DOWN;
	chan_unlist(c);
	chan_end_calls(c);
	chan_leave(c);
}

void
chan_drop(struct chan *c)
{
	enum role peer = c->peer;
	int was_up = c->state == CHAN_UP;

	if (c->dead)
		return;
	c->busy++;
	c->state = CHAN_DOWN;
	chan_close(c);
	if (was_up && mono_us() - c->up_since > CHAN_STABLE_US)
		c->retry_ms = CHAN_RETRY_MIN_MS;
	chan_end_calls(c);
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

const char *
chan_who(const struct chan *c)
{
	enum role role = c->peer != ROLE_ANY ? c->peer : c->want;

	return (role != ROLE_ANY ? role_name(role) : "peer");
}

static void
chan_event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct chan *c = arg;
	const char *why = "closed the connection";

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
	static const struct turnout_ops plain;

	evutil_make_socket_nonblocking(fd);
	c->bev = bufferevent_socket_new(c->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		fatalx("no buffer event");
	c->out = turnout_new(c->bev, &plain, NULL);
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
	int fd = usock_connect(path, SOCK_NONBLOCK);

	if (fd == -1 || usock_trusted(fd))
		return (fd);
	close(fd);
	errno = EPERM;
	return (-1);
}

/* errno says what fails; once, when it has failed for long. */
static void
tell_failure(struct chan *c)
{
	if (c->failing_since == 0)
		c->failing_since = mono_us();
	if (c->told || mono_us() - c->failing_since < CHAN_QUIET_US)
		return;
	log_warn("%s: cannot connect to %s, trying again", chan_who(c), c->path);
	c->told = 1;
}

static void
chan_try(struct chan *c)
{
	int fd = chan_connect(c->path);

	if (fd != -1) {
		chan_start(c, fd);
		return;
	}
	tell_failure(c);
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
	struct chan *c = arg;

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
	struct chan *c = xcalloc(1, sizeof *c);

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
chan_dial(struct event_base *base, const char *path, enum role me, enum role peer,
    const struct chan_ops *ops, void *arg)
{
	struct chan *c = chan_new(base, me, ops, arg);

	c->want = peer;
	c->path = xstrdup(path);
	chan_try(c);
	return (c);
}

struct chan *
chan_attach(struct event_base *base, int fd, enum role me, const struct chan_ops *ops, void *arg)
{
	struct chan *c = chan_new(base, me, ops, arg);

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

int
chan_is_up(const struct chan *c)
{
	return (c != NULL && c->state == CHAN_UP);
}
