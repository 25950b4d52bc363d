#include "config.h"

#include "test/sim/loop.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/post.h"
#include "test/sim/machine.h"
#include "test/sim/world.h"

struct posted {
	void (*fn)(void *arg);
	void *arg;
	struct posted *next;
};

/* What event_new gives for something without a file. */
struct timer {
	struct machine *m;
	event_callback_fn cb;
	void *arg;
	int repeats, armed;
	uint64_t every_us;
	unsigned turn; /* which arming */
	struct timer *next;
};

struct ringing {
	struct timer *t;
	unsigned turn;
};

void __wrap_post(struct post *p, void (*fn)(void *arg), void *arg);
struct event *__real_event_new(struct event_base *b, evutil_socket_t fd, short what,
    event_callback_fn cb, void *arg);
struct event *__wrap_event_new(struct event_base *b, evutil_socket_t fd, short what,
    event_callback_fn cb, void *arg);
int __real_event_add(struct event *e, const struct timeval *tv);
int __wrap_event_add(struct event *e, const struct timeval *tv);
int __real_event_del(struct event *e);
int __wrap_event_del(struct event *e);
void __real_event_free(struct event *e);
void __wrap_event_free(struct event *e);
int __wrap_event_base_loop(struct event_base *b, int flags);

void
loop_init(struct loop *l)
{
	*l = (struct loop){ .tail = &l->head };
	l->tail = &l->head;
}

void
loop_drain(struct machine *m)
{
	struct machine *was = machine_enter(m);
	struct posted *list, *p;

	while ((list = m->loop.head) != NULL) {
		m->loop.head = NULL;
		m->loop.tail = &m->loop.head;
		while ((p = list) != NULL) {
			list = p->next;
			p->fn(p->arg);
			free(p);
		}
	}
	machine_enter(was);
}

static void
turn_cb(void *arg)
{
	struct machine *m = arg;

	m->loop.turning = 0;
	loop_drain(m);
}

void
__wrap_post(struct post *post, void (*fn)(void *arg), void *arg)
{
	struct machine *m = machine_here();
	struct posted *p = xmalloc(sizeof(*p));

	(void)post;
	*p = (struct posted){ fn, arg, NULL };
	*m->loop.tail = p;
	m->loop.tail = &p->next;
	if (m->loop.turning)
		return;
	m->loop.turning = 1;
	world_at(world_between(5, 300), m, turn_cb, m, NULL);
}

int
__wrap_event_base_loop(struct event_base *b, int flags)
{
	(void)b;
	(void)flags;
	loop_drain(machine_here());
	return (0);
}

/* ---- timers ---- */

static struct timer *
timer_of(struct event *e)
{
	struct machine *m = machine_here();
	struct timer *t = m != NULL ? m->loop.timers : NULL;

	while (t != NULL && t != (struct timer *)(void *)e)
		t = t->next;
	return (t);
}

struct event *
__wrap_event_new(struct event_base *b, evutil_socket_t fd, short what, event_callback_fn cb,
    void *arg)
{
	struct machine *m = machine_here();
	struct timer *t;

	if (fd != -1)
		return (__real_event_new(b, fd, what, cb, arg));
	t = xcalloc(1, sizeof(*t));
	t->m = m;
	t->cb = cb;
	t->arg = arg;
	t->repeats = (what & EV_PERSIST) != 0;
	t->next = m->loop.timers;
	m->loop.timers = t;
	return ((struct event *)(void *)t);
}

static void ring_cb(void *arg);

static void
ring_after(struct timer *t)
{
	struct ringing *r = xmalloc(sizeof(*r));

	*r = (struct ringing){ t, t->turn };
	world_at(t->every_us, t->m, ring_cb, r, free);
}

static void
ring_cb(void *arg)
{
	struct ringing *r = arg;
	struct timer *t = r->t;
	int now = t->armed && t->turn == r->turn;

	free(r);
	if (!now)
		return;
	if (t->repeats)
		ring_after(t);
	else
		t->armed = 0;
	t->cb(-1, EV_TIMEOUT, t->arg);
}

int
__wrap_event_add(struct event *e, const struct timeval *tv)
{
	struct timer *t = timer_of(e);

	if (t == NULL)
		return (__real_event_add(e, tv));
	t->armed = 1;
	t->turn++;
	t->every_us = (uint64_t)tv->tv_sec * 1000000 + (uint64_t)tv->tv_usec;
	ring_after(t);
	return (0);
}

int
__wrap_event_del(struct event *e)
{
	struct timer *t = timer_of(e);

	if (t == NULL)
		return (__real_event_del(e));
	t->armed = 0;
	return (0);
}

/* Its events may still come in this life of the machine: it is let go with the loop. */
void
__wrap_event_free(struct event *e)
{
	struct timer *t = timer_of(e);

	if (t == NULL)
		__real_event_free(e);
	else
		t->armed = 0;
}
