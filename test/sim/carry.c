#include "config.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/net.h"
#include "test/sim/world.h"

#define BLOB_HEAD 4 /* its length */

/* A question on its way: as hubd (NODE_REQ) and leafd (SERVE) carry them. */
struct asking {
	unsigned refs; /* events that have it */
	struct chan *c;
	uint32_t id;
	uint16_t type;
	char *node;
	struct machine *to; /* who had that name when it came */
	struct buf question;
	uint64_t sent_us;
};

/* One of its answers. */
struct answering {
	struct asking *a;
	struct buf bytes;
};

static uint64_t catchups;

uint64_t
carry_catchups(void)
{
	return (catchups + links_catchups());
}

static void
asking_free(struct asking *a)
{
	if (--a->refs > 0)
		return;
	buf_free(&a->question);
	free(a->node);
	free(a);
}

/* In the form of the reply to PEER_REQ or to CATCHUP. */
static void
answer(struct asking *a, uint16_t status, const uint8_t *p, size_t n)
{
	struct buf b = { 0 };

	buf_u16(&b, status);
	if (a->type == MSG_NODE_REQ)
		buf_u32(&b, (uint32_t)(world_now() - a->sent_us));
	buf_blob(&b, p, n);
	wire_answer(a->c, a->id, &b);
}

static void
late_cb(void *arg)
{
	static const char none[] = "{\"error\":\"no answer\"}";
	struct asking *a = arg;

	if (wire_waits(a->c, a->id)) {
		if (a->type == MSG_NODE_REQ)
			answer(a, 504, (const uint8_t *)none, sizeof(none) - 1);
		else
			answer(a, 504, NULL, 0);
	}
	asking_free(a);
}

static void
back_cb(void *arg)
{
	struct answering *w = arg;
	struct asking *a = w->a;
	struct rd r = rd_init(w->bytes.data, w->bytes.len);
	uint16_t status = a->type == MSG_NODE_REQ ? rd_u16(&r) : 200;
	size_t n;
	const uint8_t *p = rd_blob(&r, &n);

	if (wire_waits(a->c, a->id) && net_meshed(a->to, a->c->m) && rd_done(&r))
		answer(a, status, p, n);
	buf_free(&w->bytes);
	free(w);
	asking_free(a);
}

/* What is sealed comes as it was sent, or is seen not to. */
static void
damage(const struct asking *a, const struct machine *from, const struct machine *to, struct buf *b)
{
	if (a->type == MSG_SERVE && b->len > BLOB_HEAD)
		net_damage(from, to, b->data + BLOB_HEAD, b->len - BLOB_HEAD);
}

static void
answered_cb(struct rd *r, void *arg)
{
	struct asking *a = arg;
	struct answering *w;

	if (r == NULL || net_lost(a->to, a->c->m)) {
		asking_free(a);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	w->a = a;
	buf_add(&w->bytes, r->p, rd_left(r));
	damage(a, a->to, a->c->m, &w->bytes);
	world_at(net_delay(a->to, a->c->m), NULL, back_cb, w, NULL);
}

static void
arrive_cb(void *arg)
{
	struct asking *a = arg;
	struct machine *to = machine_named(a->node), *from = a->c->m;
	struct buf b = { 0 };

	a->to = to;
	if (to == NULL || !machine_alive(to) || !net_meshed(from, to) ||
	    (a->type == MSG_SERVE &&
		(net_pair(from, to)->stalled || net_pair(to, from)->stalled))) {
		asking_free(a);
		return;
	}
	buf_add(&b, a->question.data, a->question.len);
	damage(a, from, to, &b);
	wire_ask(a->type == MSG_NODE_REQ ? &to->hub : &to->leaf, a->type, &b, answered_cb, a);
}

static void
send_once(struct asking *a, const struct machine *to)
{
	a->refs++;
	world_at(net_delay(a->c->m, to), NULL, arrive_cb, a, NULL);
}

void
carry(struct chan *c, uint32_t id, const char *node, uint16_t type, struct buf *body,
    unsigned timeout_ms)
{
	struct machine *to = machine_named(node);
	struct asking *a = xcalloc(1, sizeof(*a));

	catchups += type == MSG_SERVE;
	*a = (struct asking){
		.refs = 1,
		.c = c,
		.id = id,
		.type = type,
		.node = xstrdup(node),
		.sent_us = world_now(),
		.question = *body,
	};
	*body = (struct buf){ 0 };
	world_at((uint64_t)timeout_ms * 1000, NULL, late_cb, a, NULL);
	if (to == NULL || to == c->m || net_lost(c->m, to))
		return;
	send_once(a, to);
	if (net_doubled(c->m, to))
		send_once(a, to);
}
