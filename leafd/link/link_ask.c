#include "config.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "leafd/link/link_priv.h"

/* Questions over a link: opsd's to the other, and the other's to opsd. */

#define SERVING_MAX    8          /* with opsd at a time, of one link */
#define WAITING_MAX    256        /* more are refused, */
#define WAITING_BYTES  (8u << 20) /* and more than so much */
#define VERB_MAX       64
#define QUESTION_MAX   (1u << 20)
#define TIMEOUT_MAX_MS 600000

struct link_call {
	UT_hash_handle hh;
	struct peerlink *link;
	uint32_t id;
	uint8_t type;
	struct chan_deferred *reply;
	struct event *timer;
	uint64_t sent_us;
};

/* link is NULL when its answer is not wanted any more. */
struct link_serving {
	struct link_serving *prev, *next;
	struct peerlink *link;
	uint32_t id;
	uint8_t type;
	struct buf body; /* for opsd, while it waits */
};

/* Ours */

/* LINK_ASK's reply, or LINK_PULL's. */
static struct buf
reply_of(uint8_t type, uint16_t status, uint64_t us, const void *p, size_t n)
{
	struct buf b = { 0 };

	buf_reserve(&b, n + 10);
	buf_u16(&b, status);
	if (type == LINK_ASK)
		buf_u32(&b, us < UINT32_MAX ? (uint32_t)us : UINT32_MAX);
	if (p == NULL && type == LINK_ASK)
		buf_blob(&b, "null", 4);
	else
		buf_blob(&b, p, n);
	return (b);
}

void
link_ask_refuse(struct chan *opsd, const struct msg *m, uint8_t type, uint16_t status)
{
	struct buf b = reply_of(type, status, 0, NULL, 0);

	chan_reply(opsd, m->id, &b);
}

static void
call_end(struct link_call *c, uint16_t status, const void *p, size_t n)
{
	struct buf b = reply_of(c->type, status, mono_us() - c->sent_us, p, n);

	HASH_DEL(c->link->calls, c);
	event_free(c->timer);
	chan_deferred_reply(c->reply, &b);
	free(c);
}

static void
link_call_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	call_end(arg, 504, NULL, 0);
}

static struct link_call *
call_begin(struct peerlink *k, const struct msg *m, uint8_t type, uint32_t timeout_ms)
{
	uint32_t ms = timeout_ms < TIMEOUT_MAX_MS ? timeout_ms : TIMEOUT_MAX_MS;
	const struct timeval wait = { ms / 1000, (ms % 1000) * 1000 };
	struct link_call *c = xcalloc(1, sizeof(*c));

	c->link = k;
	c->type = type;
	c->id = ++k->last_call;
	c->sent_us = mono_us();
	c->reply = chan_defer(k->ls->opsd, m);
	if ((c->timer = evtimer_new(k->ls->base, link_call_timeout_cb, c)) == NULL)
		fatalx("link: no timer");
	evtimer_add(c->timer, &wait);
	HASH_ADD(hh, k->calls, id, sizeof(c->id), c);
	return (c);
}

void
link_ask_call(struct peerlink *k, const struct msg *m, uint8_t type, uint32_t timeout_ms,
    const char *verb, const void *p, size_t n)
{
	struct buf head = { 0 };

	if (n + strlen(verb) + 16 > k->hello.max) {
		link_ask_refuse(k->ls->opsd, m, type, 413);
		return;
	}
	buf_u8(&head, type);
	buf_u32(&head, call_begin(k, m, type, timeout_ms)->id);
	if (type == LINK_ASK)
		buf_str(&head, verb);
	buf_u32(&head, (uint32_t)n);
	link_send(k, &head, p, n);
	buf_free(&head);
}

int
link_ask_answered(struct peerlink *k, uint8_t type, struct rd *r)
{
	uint32_t id = rd_u32(r);
	uint16_t status = rd_u16(r);
	size_t n = 0;
	const uint8_t *p = rd_blob(r, &n);
	struct link_call *c;

	if (!rd_done(r))
		return (-1);
	HASH_FIND(hh, k->calls, &id, sizeof(id), c);
	/* One that came too late is nobody's. */
	if (c == NULL)
		return (0);
	if (c->type != (type == LINK_ANSWER ? LINK_ASK : LINK_PULL))
		return (-1);
	call_end(c, status, p != NULL ? p : (const uint8_t *)"", n);
	return (0);
}

/* The other's */

static void
send_answer(struct peerlink *k, uint8_t type, uint32_t id, uint16_t status, const void *p, size_t n)
{
	struct buf head = { 0 };

	if (n + 16 > k->hello.max) {
		status = 413;
		n = 0;
	}
	if (n == 0 && type == LINK_ASK) {
		p = "null";
		n = 4;
	}
	buf_u8(&head, type == LINK_ASK ? LINK_ANSWER : LINK_PULLED);
	buf_u32(&head, id);
	buf_u16(&head, status);
	buf_u32(&head, (uint32_t)n);
	link_send(k, &head, p, n);
	buf_free(&head);
}

static void
serving_drop(struct link_serving *s)
{
	buf_free(&s->body);
	free(s);
}

static void
pass_answer(struct peerlink *k, const struct link_serving *s, struct rd *body)
{
	uint16_t status = s->type == LINK_ASK && body != NULL ? rd_u16(body) : 200;
	size_t n = 0;
	const uint8_t *p = body != NULL ? rd_blob(body, &n) : NULL;

	if (body == NULL || !rd_done(body))
		send_answer(k, s->type, s->id, 503, NULL, 0);
	else
		send_answer(k, s->type, s->id, status, p, n);
}

static void
on_link_served(struct rd *body, void *arg)
{
	struct link_serving *s = arg;
	struct peerlink *k = s->link;

	if (k != NULL) {
		DL_DELETE(k->active, s);
		k->nactive--;
		pass_answer(k, s, body);
	}
	serving_drop(s);
	/* While opsd is going away each call fails at once. */
	if (k != NULL && body != NULL)
		link_ask_more(k);
}

void
link_ask_more(struct peerlink *k)
{
	struct link_serving *s;

	while (k->state == LINK_ADMITTED && (s = k->waiting) != NULL && k->nactive < SERVING_MAX &&
	    ws_queued(k->ws) < LINK_QUEUE) {
		DL_DELETE(k->waiting, s);
		k->nwaiting--;
		k->waiting_bytes -= s->body.len;
		DL_APPEND(k->active, s);
		k->nactive++;
		chan_call(k->ls->opsd, s->type == LINK_ASK ? MSG_LINK_REQ : MSG_LINK_SERVE,
		    &s->body, 0, on_link_served, s);
	}
}

/* Who asks on and on, and reads no answer, is not kept. */
static int
refuse_asker(struct peerlink *k, uint8_t type, uint32_t id)
{
	if (ws_queued(k->ws) > 2 * LINK_QUEUE)
		return (-1);
	send_answer(k, type, id, 503, NULL, 0);
	return (0);
}

int
link_ask_take(struct peerlink *k, uint8_t type, struct rd *r)
{
	uint32_t id = rd_u32(r);
	size_t nverb = 0, n = 0;
	const char *verb = type == LINK_ASK ? rd_strn(r, &nverb) : NULL;
	const uint8_t *p = rd_blob(r, &n);
	struct link_serving *s;

	if (!rd_done(r) || nverb > VERB_MAX || n > QUESTION_MAX)
		return (-1);
	if (!links_up(k->ls) || k->nwaiting >= WAITING_MAX || k->waiting_bytes + n > WAITING_BYTES)
		return (refuse_asker(k, type, id));
	s = xcalloc(1, sizeof(*s));
	s->link = k;
	s->id = id;
	s->type = type;
	buf_add(&s->body, k->hello.id, NODE_ID_LEN);
	if (type == LINK_ASK)
		buf_strn(&s->body, verb, nverb);
	buf_blob(&s->body, p, n);
	DL_APPEND(k->waiting, s);
	k->nwaiting++;
	k->waiting_bytes += s->body.len;
	link_ask_more(k);
	return (0);
}

void
link_ask_end(struct peerlink *k)
{
	struct link_serving *s, *tmp;

	while (k->calls != NULL)
		call_end(k->calls, 503, NULL, 0);
	DL_FOREACH_SAFE(k->waiting, s, tmp) {
		DL_DELETE(k->waiting, s);
		serving_drop(s);
	}
	DL_FOREACH_SAFE(k->active, s, tmp) {
		DL_DELETE(k->active, s);
		s->link = NULL; /* on_link_served frees it */
	}
	k->nwaiting = k->nactive = 0;
	k->waiting_bytes = 0;
}
