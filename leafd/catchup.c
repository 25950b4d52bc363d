#include "config.h"

#include "leafd/catchup.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/ipc/chan.h"
#include "common/nats/subject.h"
#include "leafd/jsapi.h"

#define QUESTION_MAX   (256 << 10)
#define SERVING_MAX    4  /* with opsd at a time */
#define WAITING_MAX    64 /* more are dropped: who asks will ask again */
#define SERVE_MS       30000
#define TIMEOUT_MAX_MS 600000

/* A question of opsd to a peer. */
struct catchup_call {
	struct catchup_carrier *p;
	struct jsapi_call *call;
	struct chan_deferred *reply;
	struct catchup_call *prev, *next;
};

/* A peer's question; p is NULL when its answer is not wanted any more. */
struct catchup_serving {
	struct catchup_carrier *p;
	char *reply;
	struct buf question;
	struct catchup_serving *prev, *next;
};

struct catchup_carrier {
	struct chan *opsd;
	struct jsapi *a; /* NULL: stopped */
	struct nats_sub *sub;
	struct catchup_call *questions;
	struct catchup_serving *active, *waiting;
	unsigned nactive, nwaiting;
};

static void serve_next(struct catchup_carrier *);

/* Ours to a peer */

static void
answer_opsd(struct chan_deferred *reply, uint16_t status, const void *data, size_t len)
{
	struct buf b = { 0 };

	buf_u16(&b, status);
	buf_blob(&b, data, len);
	chan_deferred_reply(reply, &b);
}

static void
question_free(struct catchup_call *q)
{
	jsapi_cancel(&q->call);
	DL_DELETE(q->p->questions, q);
	free(q);
}

static void
catchup_answer_cb(const struct nats_msg *m, void *arg)
{
	struct catchup_call *q = arg;

	if (m == NULL || m->status != NULL)
		answer_opsd(q->reply, 504, NULL, 0);
	else
		answer_opsd(q->reply, 200, m->data, m->len);
	question_free(q);
}

static void
ask_peer(struct catchup_carrier *p, const struct msg *m, const char *node, uint32_t timeout_ms,
    const void *data, size_t len)
{
	struct catchup_call *q = xcalloc(1, sizeof(*q));
	char *subject = subject_catchup(jsapi_names(p->a), node);

	q->p = p;
	q->reply = chan_defer(p->opsd, m);
	DL_APPEND(p->questions, q);
	jsapi_ask_raw(p->a, &q->call, subject, data, len,
	    timeout_ms < TIMEOUT_MAX_MS ? timeout_ms : TIMEOUT_MAX_MS, catchup_answer_cb, q);
	free(subject);
}

int
catchup_ask(struct catchup_carrier *p, struct msg *m)
{
	char *node = rd_str(&m->body);
	uint32_t timeout_ms = rd_u32(&m->body);
	size_t len = 0;
	const uint8_t *data = rd_blob(&m->body, &len);

	if (!rd_done(&m->body)) {
		free(node);
		return (-1);
	}
	if (p->a == NULL || !node_name_ok(node, strlen(node)))
		answer_opsd(chan_defer(p->opsd, m), 504, NULL, 0);
	else
		ask_peer(p, m, node, timeout_ms, data, len);
	free(node);
	return (0);
}

/* Peers' to us */

static void
serving_free(struct catchup_serving *s)
{
	free(s->reply);
	buf_free(&s->question);
	free(s);
}

static void
on_served(struct rd *body, void *arg)
{
	struct catchup_serving *s = arg;
	struct catchup_carrier *p = s->p;
	const uint8_t *data = NULL;
	size_t len = 0;

	if (p == NULL) {
		serving_free(s);
		return;
	}
	DL_DELETE(p->active, s);
	p->nactive--;
	if (body != NULL)
		data = rd_blob(body, &len);
	/* Without an answer who asked runs into its time-out. */
	if (body != NULL && !rd_done(body))
		log_warnx("catch-up: broken answer from opsd");
	else if (body != NULL && nats_reply(jsapi_nats(p->a), s->reply, data, len) == -1)
		log_debug("catch-up: an answer of %zu bytes did not go out", len);
	serving_free(s);
	serve_next(p);
}

static void
serve_next(struct catchup_carrier *p)
{
	struct catchup_serving *s;

	/* While opsd is going away each call fails at once. */
	while (p->a != NULL && chan_is_up(p->opsd) && p->nactive < SERVING_MAX &&
	    (s = p->waiting) != NULL) {
		DL_DELETE(p->waiting, s);
		p->nwaiting--;
		DL_APPEND(p->active, s);
		p->nactive++;
		chan_call(p->opsd, MSG_SERVE, &s->question, SERVE_MS, on_served, s);
	}
}

static void
catchup_question_cb(const struct nats_msg *m, void *arg)
{
	struct catchup_carrier *p = arg;
	struct catchup_serving *s;

	if (!nats_is_inbox(m->reply) || m->len > QUESTION_MAX || p->nwaiting >= WAITING_MAX) {
		log_debug("catch-up: a question of %zu bytes is dropped", m->len);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->p = p;
	s->reply = xstrdup(m->reply);
	buf_blob(&s->question, m->data, m->len);
	DL_APPEND(p->waiting, s);
	p->nwaiting++;
	serve_next(p);
}

static void
drop_serving(struct catchup_carrier *p)
{
	struct catchup_serving *s, *tmp;

	DL_FOREACH_SAFE(p->waiting, s, tmp) {
		DL_DELETE(p->waiting, s);
		serving_free(s);
	}
	DL_FOREACH_SAFE(p->active, s, tmp) {
		DL_DELETE(p->active, s);
		s->p = NULL; /* on_served frees it */
	}
	p->nwaiting = p->nactive = 0;
}

/* The whole */

struct catchup_carrier *
catchup_new(struct chan *opsd)
{
	struct catchup_carrier *p = xcalloc(1, sizeof(*p));

	p->opsd = opsd;
	return (p);
}

void
catchup_free(struct catchup_carrier *p)
{
	if (p == NULL)
		return;
	catchup_stop(p);
	free(p);
}

void
catchup_start(struct catchup_carrier *p, struct jsapi *a, const char *node)
{
	char *subject;

	if (p->a != NULL)
		return;
	p->a = a;
	subject = subject_catchup(jsapi_names(a), node);
	p->sub = nats_subscribe(jsapi_nats(a), subject, catchup_question_cb, p);
	free(subject);
}

void
catchup_stop(struct catchup_carrier *p)
{
	struct catchup_call *q, *tmp;

	if (p->a == NULL)
		return;
	nats_unsubscribe(p->sub);
	p->sub = NULL;
	drop_serving(p);
	DL_FOREACH_SAFE(p->questions, q, tmp) {
		answer_opsd(q->reply, 504, NULL, 0);
		question_free(q);
	}
	p->a = NULL;
}
