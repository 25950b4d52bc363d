#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "test/sim/grants.h"
#include "test/sim/links_priv.h"
#include "test/sim/membership.h"
#include "test/sim/net.h"
#include "test/sim/rosters.h"
#include "test/sim/world.h"

/* What goes over a link: in order, and all of it, until the link ends. */

#define FRAMES_MAX 6 /* not GOT; leafd counts bytes, and logs are short here */
#define HELD_US    100000
#define SILENCE_US 15000000

struct lane_message {
	struct buf bytes; /* with LINK_HEADROOM */
	struct lane_message *prev, *next;
};

/* A question of our opsd. */
struct lane_asked {
	uint32_t id;
	uint16_t type;
	uint64_t sent_us;
	struct lane_asked *prev, *next;
};

static uint64_t frames, catchups;

uint64_t
links_frames(void)
{
	return (frames);
}

uint64_t
links_catchups(void)
{
	return (catchups);
}

static void take(struct lane *l, struct buf *m);

/* ---- the way ---- */

static void
message_free(struct lane *l, struct lane_message *msg)
{
	DL_DELETE(l->queue, msg);
	buf_free(&msg->bytes);
	free(msg);
}

static int
gets_through(const struct lane *l)
{
	return (net_open(l->m, l->peer) && !net_pair(l->m, l->peer)->stalled);
}

static void pump(struct lane *l);

/* All but READY wait for that of the other. */
static void
pump_after(struct lane *l, uint64_t us)
{
	if (l->pumping || l->queue == NULL ||
	    (!l->k.other_ready && l->queue->bytes.data[LINK_HEADROOM] > LINK_READY))
		return;
	l->pumping = 1;
	lane_later(l, us, pump);
}

static void
wait_for_way(struct lane *l)
{
	if (l->blocked_us == 0)
		l->blocked_us = world_now();
	if (world_now() - l->blocked_us > SILENCE_US)
		lane_end(l, 1, "nothing arrived for 15 s");
	else
		pump_after(l, HELD_US);
}

static void
pump(struct lane *l)
{
	struct lane *other = lane_other(l);
	struct lane_message *msg = l->queue;
	struct machine *was;

	l->pumping = 0;
	if (msg == NULL)
		return;
	/* A READY with which the other is let in comes before the other has asked, perhaps. */
	if (!gets_through(l) || (other != NULL && other->k.state < LINK_ADMITTED)) {
		wait_for_way(l);
		return;
	}
	l->blocked_us = 0;
	if (other == NULL) {
		lane_end(l, 1, "it was reset");
		return;
	}
	was = machine_enter(other->m);
	take(other, &msg->bytes);
	machine_enter(was);
	message_free(l, msg);
	pump_after(l, world_between(10, net_delay(l->m, l->peer)));
}

void
link_send(struct peerlink *k, const struct buf *head, const void *p, size_t n)
{
	static const uint8_t room[LINK_HEADROOM];
	struct lane *l = (struct lane *)k;
	struct lane_message *msg;

	if (k->state == LINK_ENDED)
		return;
	frames += head->data[0] == LINK_FRAME;
	if (head->data[0] == LINK_FRAME)
		rosters_gives(l->m, l->peer);
	msg = xcalloc(1, sizeof(*msg));
	buf_add(&msg->bytes, room, sizeof(room));
	buf_add(&msg->bytes, head->data, head->len);
	buf_add(&msg->bytes, p, n);
	DL_APPEND(l->queue, msg);
	pump_after(l, net_delay(l->m, l->peer));
}

/* ---- what link_out.c and link_in.c need of the rest of leafd ---- */

int
links_up(const struct links *ls)
{
	return (ls->told && ls->spec != NULL && ls->spec->on && chan_is_up(ls->opsd));
}

uint32_t
links_share(const struct links *ls)
{
	(void)ls; /* there are few */
	return (LINK_CREDIT);
}

size_t
ws_queued(const struct ws *w)
{
	const struct lane *l = (const struct lane *)(const void *)w;

	return (l->k.out.frames >= FRAMES_MAX ? LINK_QUEUE + 1 : 0);
}

static void
turn(struct lane *l)
{
	link_in_turn(&l->k);
}

void
link_turn(struct peerlink *k)
{
	lane_later((struct lane *)k, world_between(5, 500), turn);
}

/* ---- questions of our opsd ---- */

static void
answer(struct lane *l, struct lane_asked *a, uint16_t status, const void *p, size_t n)
{
	struct buf b = { 0 };

	buf_u16(&b, status);
	if (a->type == MSG_LINK_ASK)
		buf_u32(&b, (uint32_t)(world_now() - a->sent_us));
	if (p == NULL && a->type == MSG_LINK_ASK)
		buf_blob(&b, "null", 4);
	else
		buf_blob(&b, p, n);
	DL_DELETE(l->asked, a);
	wire_answer(&l->m->leaf, a->id, &b);
	free(a);
}

static struct lane_asked *
asked_find(const struct lane *l, uint32_t id)
{
	struct lane_asked *a;

	DL_FOREACH(l->asked, a)
		if (a->id == id)
			break;
	return (a);
}

struct late {
	uint64_t serial;
	uint32_t id;
};

static void
late_cb(void *arg)
{
	struct late *t = arg;
	struct lane *l = lane_find(t->serial);
	struct lane_asked *a = l != NULL ? asked_find(l, t->id) : NULL;

	if (a != NULL)
		answer(l, a, 504, NULL, 0);
	free(t);
}

static void
refuse(struct machine *m, uint32_t id, uint16_t type)
{
	struct buf b = { 0 };

	buf_u16(&b, 503);
	if (type == MSG_LINK_ASK)
		buf_u32(&b, 0);
	buf_blob(&b, "null", type == MSG_LINK_ASK ? 4 : 0);
	wire_answer(&m->leaf, id, &b);
}

void
lane_ask(struct machine *m, struct lane *l, uint32_t id, uint16_t type, struct rd *r)
{
	struct lane_asked *a;
	struct late *t;
	struct buf head = { 0 };
	char *verb = type == MSG_LINK_ASK ? rd_str(r) : NULL;
	unsigned timeout_ms = rd_u32(r);

	/* Who is out, and does not know, asks in vain. */
	catchups += type == MSG_LINK_PULL && (!membership_on() || membership_has(m));
	if (l == NULL) {
		refuse(m, id, type);
		free(verb);
		return;
	}
	a = xcalloc(1, sizeof(*a));
	*a = (struct lane_asked){ .id = id, .type = type, .sent_us = world_now() };
	DL_APPEND(l->asked, a);
	t = xcalloc(1, sizeof(*t));
	*t = (struct late){ l->serial, id };
	world_at((uint64_t)timeout_ms * 1000, NULL, late_cb, t, NULL);
	buf_u8(&head, type == MSG_LINK_ASK ? LINK_ASK : LINK_PULL);
	buf_u32(&head, id);
	if (verb != NULL)
		buf_str(&head, verb);
	link_send(&l->k, &head, r->p, rd_left(r));
	buf_free(&head);
	free(verb);
}

static int
take_answer(struct lane *l, struct rd *r)
{
	struct lane_asked *a = asked_find(l, rd_u32(r));
	uint16_t status = rd_u16(r);
	size_t n;
	const uint8_t *p = rd_blob(r, &n);

	if (!rd_done(r))
		return (-1);
	if (a != NULL)
		answer(l, a, status, p, n);
	return (0);
}

/* ---- the other's ---- */

struct serving {
	uint64_t serial;
	uint32_t id;
	uint8_t type;
	struct buf question; /* for rows or log */
};

static void
served_cb(struct rd *body, void *arg)
{
	struct serving *s = arg;
	struct lane *l = lane_find(s->serial);
	uint16_t status = body == NULL ? 503 : s->type == LINK_ASK ? rd_u16(body) : 200;
	struct buf head = { 0 };
	size_t n = 0;
	const uint8_t *p = body != NULL ? rd_blob(body, &n) : NULL;

	if (l != NULL) {
		grants_answer(l->m, l->peer, s->question.data, s->question.len, p, n);
		if (s->type == LINK_PULL && n > 0)
			rosters_gives(l->m, l->peer);
		buf_u8(&head, s->type == LINK_ASK ? LINK_ANSWER : LINK_PULLED);
		buf_u32(&head, s->id);
		buf_u16(&head, status);
		buf_blob(&head, n == 0 && s->type == LINK_ASK ? "null" : (const char *)p,
		    n == 0 && s->type == LINK_ASK ? 4 : n);
		link_send(&l->k, &head, NULL, 0);
		buf_free(&head);
	}
	buf_free(&s->question);
	free(s);
}

/* The question itself is a blob. */
static void
keep_question(struct serving *s, struct rd r)
{
	size_t n;
	const uint8_t *p = rd_blob(&r, &n);

	if (s->type == LINK_PULL && rd_ok(&r))
		buf_add(&s->question, p, n);
}

static int
take_question(struct lane *l, uint8_t type, struct rd *r)
{
	struct serving *s = xcalloc(1, sizeof(*s));
	struct buf b = { 0 };

	*s = (struct serving){ .serial = l->serial, .id = rd_u32(r), .type = type };
	keep_question(s, *r);
	buf_add(&b, l->k.hello.id, NODE_ID_LEN);
	buf_add(&b, r->p, rd_left(r));
	wire_ask(&l->m->leaf, type == LINK_ASK ? MSG_LINK_REQ : MSG_LINK_SERVE, &b, served_cb, s);
	return (0);
}

/* ---- messages ---- */

static void
take_ready(struct lane *l)
{
	l->k.other_ready = 1;
	lane_judge(l, 0);
	pump_after(l, net_delay(l->m, l->peer));
}

static int
take_one(struct lane *l, uint8_t type, struct rd *r, struct buf *m)
{
	switch (type) {
	case LINK_READY:
		take_ready(l);
		return (0);
	case LINK_ASK:
	case LINK_PULL:
		return (take_question(l, type, r));
	case LINK_ANSWER:
	case LINK_PULLED:
		return (take_answer(l, r));
	case LINK_WANT:
		return (link_out_want(&l->k, r));
	case LINK_GOT:
		return (link_out_got(&l->k, r));
	case LINK_SHARE:
		return (link_out_share(&l->k, r));
	case LINK_BEGIN:
		return (link_in_begin(&l->k, r));
	case LINK_FRAME:
		grants_frame(l->peer, l->m, r->p, rd_left(r));
		return (link_in_frame(&l->k, m));
	}
	return (-1);
}

static void
take(struct lane *l, struct buf *m)
{
	struct rd r = rd_init(m->data + LINK_HEADROOM, m->len - LINK_HEADROOM);
	uint8_t type = rd_u8(&r);

	if (l->k.state == LINK_ADMITTED && take_one(l, type, &r, m) == -1)
		world_fail("%s: a message of kind %u from %s is not understood", l->m->name, type,
		    l->peer->name);
}

void
lane_let_go(struct lane *l)
{
	link_out_forget(&l->k);
	link_in_end(&l->k);
	while (l->asked != NULL)
		answer(l, l->asked, 503, NULL, 0);
	while (l->queue != NULL)
		message_free(l, l->queue);
}
