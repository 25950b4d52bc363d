#include "config.h"

#include "common/base/turnout.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"

struct turnout {
	struct bufferevent *bev;
	const struct turnout_ops *ops;
	void *arg;
	struct evbuffer *out;
	struct event *turn; /* before the loop's next */
	int due;
};

static void
turnout_added_cb(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
	struct turnout *t = arg;

	if (info->n_added == 0 || t->due)
		return;
	t->due = 1;
	event_active(t->turn, EV_TIMEOUT, 0);
}

void
turnout_pass(struct turnout *t)
{
	if (bufferevent_write_buffer(t->bev, t->out) == -1)
		fatalx("no memory to send");
}

static void
write_now(struct turnout *t)
{
	if (t->ops->write != NULL)
		t->ops->write(t->bev, t->out);
	else
		evbuffer_write(t->out, bufferevent_getfd(t->bev));
}

/* What fails here fails there again, and is told by its event. */
static void
turnout_turn_cb(evutil_socket_t fd, short what, void *arg)
{
	struct turnout *t = arg;

	t->due = 0;
	if ((bufferevent_get_enabled(t->bev) & EV_WRITE) != 0 &&
	    evbuffer_get_length(bufferevent_get_output(t->bev)) == 0)
		write_now(t);
	if (evbuffer_get_length(t->out) > 0)
		turnout_pass(t);
	else if (turnout_queued(t) == 0 && t->ops->sent != NULL)
		t->ops->sent(t->arg); /* may free t */
}

struct turnout *
turnout_new(struct bufferevent *bev, const struct turnout_ops *ops, void *arg)
{
	struct turnout *t = xcalloc(1, sizeof(*t));

	t->bev = bev;
	t->ops = ops;
	t->arg = arg;
	t->out = evbuffer_new();
	t->turn = evtimer_new(bufferevent_get_base(bev), turnout_turn_cb, t);
	if (t->out == NULL || t->turn == NULL ||
	    evbuffer_add_cb(t->out, turnout_added_cb, t) == NULL)
		fatalx("no memory to send");
	return (t);
}

void
turnout_free(struct turnout *t)
{
	if (t == NULL)
		return;
	event_free(t->turn);
	evbuffer_free(t->out);
	free(t);
}

struct evbuffer *
turnout_buffer(struct turnout *t)
{
	return (t->out);
}

size_t
turnout_queued(const struct turnout *t)
{
	return (evbuffer_get_length(t->out) + evbuffer_get_length(bufferevent_get_output(t->bev)));
}
