#include "config.h"

#include "leafd/link/ws.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/turnout.h"
#include "common/tls/tlslink.h"
#include "leafd/link/ws_priv.h"

#define WS_CLOSE_S 2
#define WS_LAST    (16u << 10)

/* A connection that has something unread takes with it what was said last, as TLS does of a refusal. */
static void
read_away(evutil_socket_t fd)
{
	char away[4096];
	int i;

	for (i = 0; i < 16 && recv(fd, away, sizeof(away), MSG_DONTWAIT) > 0; i++)
		continue;
	shutdown(fd, SHUT_WR);
}

static void
ws_destroy(struct ws *w)
{
	turnout_free(w->out);
	bufferevent_free(w->bev);
	wslay_frame_context_free(w->frames);
	event_free(w->timer);
	event_free(w->again);
	buf_free(&w->message);
	free(w->why);
	free(w);
}

static void
ws_leave(struct ws *w)
{
	if (--w->busy == 0 && w->freed)
		ws_destroy(w);
}

/* The end, once. */
static void
ws_end(struct ws *w, unsigned code, const char *why)
{
	if (w->state == WS_CLOSED || w->freed)
		return;
	w->state = WS_CLOSED;
	bufferevent_disable(w->bev, EV_READ | EV_WRITE);
	event_del(w->timer);
	event_del(w->again);
	if (w->why == NULL) {
		w->code = code;
		w->why = xstrdup(why);
	}
	w->ops->closed(w, w->code, w->why, w->arg);
}

/* All is said; what is left is to write it. */
static int
is_over(const struct ws *w)
{
	return (w->state == WS_CLOSING && (w->heard_bye || w->frames == NULL) && ws_queued(w) == 0);
}

/* From now on only an end is waited for. */
void
ws_begin_close(struct ws *w, unsigned code, const char *why)
{
	const struct timeval wait = { WS_CLOSE_S, 0 };

	if (w->why == NULL) {
		w->code = code;
		w->why = xstrdup(why);
	}
	w->state = WS_CLOSING;
	w->paused = 0;
	bufferevent_setwatermark(w->bev, EV_READ, 0, WS_IO);
	bufferevent_enable(w->bev, EV_READ);
	evtimer_add(w->timer, &wait);
}

void
ws_close(struct ws *w, unsigned code, const char *why)
{
	if (w->state == WS_OPEN) {
		ws_frames_bye(w, code, why);
		ws_begin_close(w, code, why);
	} else if (w->state == WS_SHAKING)
		ws_end(w, code, why);
}

/* The upgrade */

static void
begin_frames(struct ws *w)
{
	ws_frames_begin(w);
	w->state = WS_OPEN;
	bufferevent_setwatermark(w->bev, EV_READ, 0, WS_IO);
	w->ops->open(w, w->arg);
}

static void
on_head(struct ws *w, const char *head)
{
	char *text = NULL;
	int status = 101;

	if (w->client)
		text = ws_shake_check(head, w->o.protocol, w->accept);
	else {
		status = ws_shake_serve(head, w->o.path, w->o.protocol, &text);
		evbuffer_add(bufferevent_get_output(w->bev), text, strlen(text));
	}
	if (w->client && text != NULL)
		ws_end(w, WS_NOT_UNDERSTOOD, text);
	else if (status != 101)
		ws_begin_close(w, WS_NOT_UNDERSTOOD, "the request is no upgrade to a link");
	else
		begin_frames(w);
	free(text);
}

static void
read_head(struct ws *w)
{
	struct evbuffer *in = bufferevent_get_input(w->bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	size_t n = end.pos < 0 ? evbuffer_get_length(in) : (size_t)end.pos + 4;
	char *head;

	if (n > w->o.max_head) {
		ws_end(w, WS_TOO_BIG, "the head of the upgrade is too long");
		return;
	}
	if (end.pos < 0)
		return;
	head = xcalloc(1, n + 1);
	evbuffer_remove(in, head, n);
	if (strlen(head) != n)
		ws_end(w, WS_NOT_UNDERSTOOD, "the head of the upgrade has a NUL");
	else
		on_head(w, head);
	free(head);
}

/* The connection */

static void
ws_input(struct ws *w)
{
	struct evbuffer *in = bufferevent_get_input(w->bev);

	w->busy++;
	if (w->state == WS_SHAKING && !w->paused)
		read_head(w);
	ws_frames_read(w);
	if (!w->freed && (w->heard_bye || (w->state == WS_CLOSING && w->frames == NULL)))
		evbuffer_drain(in, evbuffer_get_length(in));
	if (!w->freed && is_over(w))
		ws_end(w, w->code, w->why);
	ws_leave(w);
}

static void
ws_read_cb(struct bufferevent *bev, void *arg)
{
	struct ws *w = arg;

	w->heard_us = mono_us();
	ws_input(w);
}

static void
ws_again_cb(evutil_socket_t fd, short what, void *arg)
{
	ws_input(arg);
}

static void
ws_sent_cb(void *arg)
{
	struct ws *w = arg;

	w->busy++;
	if (is_over(w))
		ws_end(w, w->code, w->why);
	else if (w->state == WS_OPEN && w->ops->drained != NULL)
		w->ops->drained(w, w->arg);
	ws_leave(w);
}

static void
ws_write_cb(struct bufferevent *bev, void *arg)
{
	ws_sent_cb(arg);
}

static void
ws_event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct ws *w = arg;
	char *why;

	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		return;
	w->busy++;
	why = tlslink_fault(bev, what & BEV_EVENT_ERROR ? errno : 0);
	read_away(bufferevent_getfd(bev));
	ws_end(w, WS_ABNORMAL, why);
	free(why);
	ws_leave(w);
}

static void
ws_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct ws *w = arg;

	w->busy++;
	ws_end(w, w->code, w->why);
	ws_leave(w);
}

static const struct turnout_ops turnout_ops = {
	.write = tlslink_flush,
	.sent = ws_sent_cb,
};

static struct ws *
ws_new(struct bufferevent *bev, const struct ws_opts *o, const struct ws_ops *ops, void *arg)
{
	struct event_base *base = bufferevent_get_base(bev);
	struct ws *w = xcalloc(1, sizeof(*w));

	w->bev = bev;
	w->out = turnout_new(bev, &turnout_ops, w);
	w->o = *o;
	w->ops = ops;
	w->arg = arg;
	w->heard_us = mono_us();
	w->timer = evtimer_new(base, ws_timer_cb, w);
	w->again = evtimer_new(base, ws_again_cb, w);
	if (w->timer == NULL || w->again == NULL)
		fatalx("link: no timer");
	bufferevent_set_max_single_read(bev, WS_IO);
	bufferevent_set_max_single_write(bev, WS_IO);
	bufferevent_setcb(bev, ws_read_cb, ws_write_cb, ws_event_cb, w);
	bufferevent_setwatermark(bev, EV_READ, 0, o->max_head + 1);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	return (w);
}

struct ws *
ws_server(struct bufferevent *bev, const struct ws_opts *o, const struct ws_ops *ops, void *arg)
{
	return (ws_new(bev, o, ops, arg));
}

struct ws *
ws_client(struct bufferevent *bev, const struct ws_opts *o, const struct ws_ops *ops, void *arg)
{
	struct ws *w = ws_new(bev, o, ops, arg);
	char *text = ws_shake_ask(o->host, o->path, o->protocol, w->accept);

	w->client = 1;
	evbuffer_add(bufferevent_get_output(bev), text, strlen(text));
	free(text);
	return (w);
}

void
ws_free(struct ws *w)
{
	if (w == NULL)
		return;
	w->busy++;
	w->freed = 1;
	bufferevent_disable(w->bev, EV_READ | EV_WRITE);
	event_del(w->timer);
	event_del(w->again);
	ws_leave(w);
}

void
ws_part(struct ws *w, unsigned code, const char *why)
{
	struct evbuffer *out = bufferevent_get_output(w->bev);

	if (w->state == WS_OPEN) {
		ws_frames_bye(w, code, why);
		bufferevent_disable(w->bev, EV_READ | EV_WRITE);
		turnout_pass(w->out);
		evbuffer_unfreeze(out, 1);
		if (ws_queued(w) <= WS_LAST)
			tlslink_write(w->bev, evbuffer_pullup(out, -1), ws_queued(w));
		read_away(bufferevent_getfd(w->bev));
	}
	ws_free(w);
}

void
ws_set_max(struct ws *w, size_t max)
{
	w->o.max = max;
}

void
ws_pause(struct ws *w, int on)
{
	if (w->paused == on || (w->state != WS_SHAKING && w->state != WS_OPEN))
		return;
	w->paused = on;
	if (on) {
		bufferevent_disable(w->bev, EV_READ);
		event_del(w->again);
	} else {
		bufferevent_enable(w->bev, EV_READ);
		event_active(w->again, EV_TIMEOUT, 0);
	}
}

size_t
ws_queued(const struct ws *w)
{
	return (turnout_queued(w->out));
}

uint64_t
ws_heard_us(const struct ws *w)
{
	return (w->heard_us);
}
