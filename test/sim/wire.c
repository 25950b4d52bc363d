#include "config.h"

#include "test/sim/wire.h"

#include <stdlib.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/mesh.h"
#include "test/sim/reader.h"
#include "test/sim/world.h"

#define WINDOW_MAX 4096

struct wire_call {
	uint32_t id;
	int ours; /* the daemon's */
	void (*cb)(struct rd *body, void *arg);
	void *arg;
	struct wire_call *prev, *next;
};

struct chan_deferred {
	struct chan *c;
	uint32_t id;
};

static struct {
	const struct chan_ops *ops;
	void *arg;
} ends[MACHINES_MAX];

struct chan_listener *__wrap_chan_listen(struct event_base *base, const char *path, enum role me,
    const struct chan_ops *ops, void *arg);
void __wrap_chan_listener_free(struct chan_listener *l);
void __wrap_chan_send(struct chan *c, uint16_t type, struct buf *body);
void __wrap_chan_reply(struct chan *c, uint32_t id, struct buf *body);
struct chan_deferred *__wrap_chan_defer(struct chan *c, const struct msg *m);
void __wrap_chan_deferred_reply(struct chan_deferred *d, struct buf *body);
void __wrap_chan_deferred_drop(struct chan_deferred *d);
int __wrap_chan_deferred_wanted(const struct chan_deferred *d);
void __wrap_chan_call(struct chan *c, uint16_t type, struct buf *body, unsigned timeout_ms,
    void (*cb)(struct rd *body, void *arg), void *arg);
void __wrap_chan_hang_up(struct chan *c);
int __wrap_chan_is_up(const struct chan *c);

static uint32_t
call_new(struct chan *c, int ours, void (*cb)(struct rd *body, void *arg), void *arg)
{
	struct wire_call *call = xcalloc(1, sizeof(*call));

	*call = (struct wire_call){ .id = ++c->last_id, .ours = ours, .cb = cb, .arg = arg };
	DL_APPEND(c->calls, call);
	return (call->id);
}

static struct wire_call *
call_find(const struct chan *c, uint32_t id, int ours)
{
	struct wire_call *call;

	DL_FOREACH(c->calls, call)
		if (call->id == id && call->ours == ours)
			break;
	return (call);
}

static void
call_end(struct chan *c, struct wire_call *call, struct buf *body)
{
	struct rd r = rd_init(body != NULL ? body->data : NULL, body != NULL ? body->len : 0);
	void (*cb)(struct rd *, void *) = call->cb;
	void *arg = call->arg;

	DL_DELETE(c->calls, call);
	free(call);
	cb(body != NULL ? &r : NULL, arg);
}

/* Whoever waits on the one side hears that nothing will come. */
static void
end_calls(struct chan *c, int ours)
{
	struct wire_call *call, *tmp;

	DL_FOREACH_SAFE(c->calls, call, tmp)
		if (call->ours == ours)
			call_end(c, call, NULL);
}

/* ---- opsd's side ---- */

struct chan_listener *
__wrap_chan_listen(struct event_base *base, const char *path, enum role me,
    const struct chan_ops *ops, void *arg)
{
	struct machine *m = machine_here();

	(void)base;
	(void)path;
	(void)me;
	ends[m->index].ops = ops;
	ends[m->index].arg = arg;
	return ((struct chan_listener *)(void *)m);
}

void
__wrap_chan_listener_free(struct chan_listener *l)
{
	struct machine *m = (struct machine *)(void *)l;

	end_calls(&m->hub, 0);
	end_calls(&m->leaf, 0);
}

static void
deliver(struct chan *c, uint32_t id, uint16_t type, struct buf *body)
{
	if (c->m->dead || !c->up)
		return;
	if (c->role == ROLE_HUBD)
		mesh_take(c->m, id, type, body);
	else
		reader_take(c->m, id, type, body);
}

/* Windows are small, that there are many. */
static void
wire_shorten(struct buf *read)
{
	uint32_t max = (uint32_t)world_between(1, WINDOW_MAX);

	read->len -= sizeof(max);
	buf_u32(read, max);
}

/* ---- leafd's own code, that of links, has the other end (role ROLE_OPSD) ---- */

struct end_call {
	struct machine *m;
	unsigned turn;
	uint16_t type;
	struct buf body;
	void (*cb)(struct rd *body, void *arg); /* NULL: no answer is wanted */
	void *arg;
};

static void
end_call_cb(void *arg)
{
	struct end_call *k = arg;
	struct chan *c = &k->m->leaf;
	int there = c->up && c->turn == k->turn && !k->m->dead;

	if (there && k->cb != NULL)
		wire_ask(c, k->type, &k->body, k->cb, k->arg);
	else if (there)
		wire_tell(c, k->type, &k->body);
	else if (k->cb != NULL)
		k->cb(NULL, k->arg);
	buf_free(&k->body);
	free(k);
}

/* In order, a little later. */
static void
end_call(struct chan *end, uint16_t type, struct buf *body, void (*cb)(struct rd *body, void *arg),
    void *arg)
{
	struct end_call *k = xcalloc(1, sizeof(*k));
	uint64_t at = world_now() + world_between(5, 200);

	*k = (struct end_call){ end->m, end->m->leaf.turn, type, *body, cb, arg };
	*body = (struct buf){ 0 };
	if (type == MSG_LINK_READ)
		wire_shorten(&k->body);
	end->said_us = at > end->said_us ? at : end->said_us + 1;
	world_at(end->said_us - world_now(), NULL, end_call_cb, k, NULL);
}

void
__wrap_chan_send(struct chan *c, uint16_t type, struct buf *body)
{
	struct buf none = { 0 };

	if (c->role == ROLE_OPSD) {
		end_call(c, type, body, NULL, NULL);
		return;
	}
	deliver(c, 0, type, body != NULL ? body : &none);
	if (body != NULL)
		buf_free(body);
}

void
__wrap_chan_call(struct chan *c, uint16_t type, struct buf *body, unsigned timeout_ms,
    void (*cb)(struct rd *body, void *arg), void *arg)
{
	struct buf none = { 0 };
	uint32_t id;

	(void)timeout_ms; /* the models always answer */
	if (c->role == ROLE_OPSD) {
		end_call(c, type, body, cb, arg);
		return;
	}
	id = call_new(c, 0, cb, arg);
	if (type == MSG_PING)
		wire_answer(c, id, &none);
	else if (c->m->dead || !c->up)
		call_end(c, call_find(c, id, 0), NULL);
	else
		deliver(c, id, type, body);
	if (body != NULL)
		buf_free(body);
}

void
__wrap_chan_reply(struct chan *c, uint32_t id, struct buf *body)
{
	__wrap_chan_deferred_reply(__wrap_chan_defer(c, &(struct msg){ .id = id }), body);
}

struct chan_deferred *
__wrap_chan_defer(struct chan *c, const struct msg *m)
{
	struct chan_deferred *d = xmalloc(sizeof(*d));

	*d = (struct chan_deferred){ c, m->id };
	return (d);
}

void
__wrap_chan_deferred_reply(struct chan_deferred *d, struct buf *body)
{
	struct wire_call *call = call_find(d->c, d->id, 1);
	struct buf none = { 0 };

	if (call != NULL && !d->c->m->dead)
		call_end(d->c, call, body != NULL ? body : &none);
	if (body != NULL)
		buf_free(body);
	free(d);
}

void
__wrap_chan_deferred_drop(struct chan_deferred *d)
{
	struct wire_call *call = d != NULL ? call_find(d->c, d->id, 1) : NULL;

	if (call != NULL)
		call_end(d->c, call, NULL);
	free(d);
}

int
__wrap_chan_deferred_wanted(const struct chan_deferred *d)
{
	return (call_find(d->c, d->id, 1) != NULL);
}

void
__wrap_chan_hang_up(struct chan *c)
{
	world_fail("%s: opsd hangs up on %s", c->m->name, role_name(c->role));
}

int
__wrap_chan_is_up(const struct chan *c)
{
	if (c->role == ROLE_OPSD)
		return (c->m->leaf.up && !c->m->dead);
	return (c->up);
}

/* ---- the daemon's side ---- */

void
wire_init(struct chan *c, struct machine *m, enum role role)
{
	*c = (struct chan){ .m = m, .role = role };
}

struct coming {
	struct chan *c;
	unsigned turn;
};

static void
up_cb(void *arg)
{
	struct coming *k = arg;
	struct chan *c = k->c;

	if (!c->up && c->turn == k->turn && !c->m->dead) {
		c->up = 1;
		ends[c->m->index].ops->up(c, c->role, ends[c->m->index].arg);
		if (c->role == ROLE_HUBD)
			mesh_changed(c->m);
	}
	free(k);
}

void
wire_up(struct chan *c)
{
	struct coming *k = xmalloc(sizeof(*k));

	*k = (struct coming){ c, ++c->turn };
	world_at(world_between(1000, 400000), c->m, up_cb, k, free);
}

static void
lose(struct chan *c)
{
	c->turn++;
	if (!c->up)
		return;
	c->up = 0;
	if (c->role == ROLE_LEAFD) {
		feed_stop(&c->m->feed);
		reader_forget(c->m);
	}
	end_calls(c, 1);
}

void
wire_down(struct chan *c)
{
	lose(c);
	if (c->role == ROLE_LEAFD)
		links_opsd_gone(c->m);
	end_calls(c, 0);
}

void
wire_restart(struct chan *c)
{
	struct machine *was = machine_enter(c->m);
	int had = c->up;

	lose(c);
	if (c->role == ROLE_LEAFD)
		links_leafd_gone(c->m);
	if (had) {
		end_calls(c, 0);
		ends[c->m->index].ops->down(c, c->role, ends[c->m->index].arg);
	}
	if (c->m->up)
		wire_up(c);
	machine_enter(was);
}

void
wire_answer(struct chan *c, uint32_t id, struct buf *body)
{
	struct wire_call *call = call_find(c, id, 0);
	struct machine *was = machine_enter(c->m);

	if (call != NULL)
		call_end(c, call, body);
	buf_free(body);
	machine_enter(was);
}

int
wire_waits(const struct chan *c, uint32_t id)
{
	return (call_find(c, id, 0) != NULL);
}

static void
handle(struct chan *c, uint16_t type, uint32_t id, struct buf *body)
{
	const struct chan_handler *h = ends[c->m->index].ops->handlers;
	struct machine *was = machine_enter(c->m);
	struct msg msg = { type, id, rd_init(body->data, body->len) };

	while (h->type != 0 && h->type != type)
		h++;
	if (h->type == 0 || h->fn(c, &msg, ends[c->m->index].arg) == -1)
		world_fail("%s: opsd does not take %s", c->m->name, proto_name(type));
	buf_free(body);
	machine_enter(was);
}

void
wire_tell(struct chan *c, uint16_t type, struct buf *body)
{
	if (c->up && !c->m->dead)
		handle(c, type, 0, body);
	else
		buf_free(body);
}

void
wire_ask(struct chan *c, uint16_t type, struct buf *body, void (*cb)(struct rd *r, void *arg),
    void *arg)
{
	uint32_t id = call_new(c, 1, cb, arg);

	if (c->up && !c->m->dead)
		handle(c, type, id, body);
	else {
		call_end(c, call_find(c, id, 1), NULL);
		buf_free(body);
	}
}
