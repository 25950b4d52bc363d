#include "config.h"

#include "hubd/request.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/nats/nats.h"
#include "common/nats/subject.h"

#define SERVING_MAX   256   /* questions of peers that opsd has not answered yet */
#define SERVING_MS    60000 /* whoever asked has given up by then */
#define ASKING_MAX_MS 600000
#define AGAIN_MS      100 /* when nobody listens there yet: a link may be about to come up */
#define VERB_MAX      64

/* A peer's question at opsd. */
struct request_served {
	struct requests *r;
	char *reply;
	struct nats *leaf; /* NULL: closed meanwhile */
	struct request_served *prev, *next;
};

/* opsd's question at a peer. */
struct request_asked {
	struct requests *r;
	struct chan_deferred *reply;
	uint64_t sent, until; /* mono_us; the last time, and when to give up */
	char *subject;
	struct buf question;
	struct event *again;
	struct request_asked *prev, *next;
};

struct requests {
	struct event_base *base;
	struct chan *ops;
	struct nats *leaf;
	struct nats_sub *sub;
	struct request_served *served;
	unsigned nserved;
	struct request_asked *asked;
};

struct requests *
requests_new(struct event_base *base)
{
	struct requests *r = xcalloc(1, sizeof(*r));

	r->base = base;
	return (r);
}

/* Nothing is left by then: chan_free and requests_set_leaf(NULL) ended it all. */
void
requests_free(struct requests *r)
{
	free(r);
}

/* What peers ask us */

static void
publish_answer(struct nats *leaf, const char *reply, unsigned status, const void *json, size_t len)
{
	struct buf b = { 0 };

	buf_addf(&b, "{\"status\":%u,\"body\":", status);
	buf_add(&b, json, len);
	buf_u8(&b, '}');
	if (nats_reply(leaf, reply, b.data, b.len) == -1 && nats_is_up(leaf)) {
		static const char too_large[] =
		    "{\"status\":500,\"body\":{\"error\":\"the answer is too large\"}}";

		(void)nats_reply(leaf, reply, too_large, sizeof(too_large) - 1);
	}
	buf_free(&b);
}

static void
publish_error(struct nats *leaf, const char *reply, unsigned status, const char *error)
{
	json_t *body = json_pack("{s:s}", "error", error);
	char *text = json_dumps(body, JSON_COMPACT);

	if (text != NULL)
		publish_answer(leaf, reply, status, text, strlen(text));
	free(text);
	json_decref(body);
}

static void
request_served_cb(struct rd *body, void *arg)
{
	struct request_served *s = arg;
	struct requests *r = s->r;
	uint16_t status;
	const uint8_t *json;
	size_t len;

	DL_DELETE(r->served, s);
	r->nserved--;
	if (s->leaf != NULL && body == NULL)
		publish_error(s->leaf, s->reply, 503, "the node is not ready");
	else if (s->leaf != NULL) {
		status = rd_u16(body);
		json = rd_blob(body, &len);
		if (rd_done(body))
			publish_answer(s->leaf, s->reply, status, json, len);
		else
			log_warnx("request: opsd gave a broken answer");
	}
	free(s->reply);
	free(s);
}

/* The last token; NULL when no verb of ours looks like that. */
static const char *
verb_of(const char *subject)
{
	const char *verb = strrchr(subject, '.');

	if (verb == NULL || strlen(++verb) > VERB_MAX || strchr(verb, '%') != NULL)
		return (NULL);
	return (verb);
}

static void
request_arrived_cb(const struct nats_msg *m, void *arg)
{
	struct requests *r = arg;
	struct request_served *s;
	struct buf b = { 0 };
	const char *verb = verb_of(m->subject);

	if (!nats_is_inbox(m->reply))
		return;
	if (verb == NULL || m->len > PROTO_MAX_BODY / 2) {
		publish_error(r->leaf, m->reply, 400, "no such question");
		return;
	}
	if (r->ops == NULL || r->nserved >= SERVING_MAX) {
		publish_error(r->leaf, m->reply, 503,
		    r->ops == NULL ? "the node is not ready" : "the node is asked too much");
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->r = r;
	s->reply = xstrdup(m->reply);
	s->leaf = r->leaf;
	DL_APPEND(r->served, s);
	r->nserved++;
	buf_str(&b, verb);
	buf_blob(&b, m->data, m->len);
	chan_call(r->ops, MSG_NODE_REQ, &b, SERVING_MS, request_served_cb, s);
}

/* What opsd asks */

static void
reply_to_opsd(struct chan_deferred *reply, unsigned status, uint64_t us, const char *json)
{
	struct buf b = { 0 };

	buf_u16(&b, (uint16_t)status);
	buf_u32(&b, us > UINT32_MAX ? UINT32_MAX : (uint32_t)us);
	buf_blob(&b, json, strlen(json));
	chan_deferred_reply(reply, &b);
}

/* {"status":200,"body":...}; -1: not that. */
static int
pass_answer(const struct request_asked *a, uint64_t us, const struct nats_msg *m)
{
	json_t *root = json_loadb((const char *)m->data, m->len, 0, NULL);
	json_t *body = json_object_get(root, "body");
	json_int_t status = json_integer_value(json_object_get(root, "status"));
	char *text = NULL;

	if (body != NULL && status >= 100 && status <= 599)
		text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text != NULL)
		reply_to_opsd(a->reply, (unsigned)status, us, text);
	json_decref(root);
	free(text);
	return (text != NULL ? 0 : -1);
}

static void
asked_free(struct request_asked *a)
{
	DL_DELETE(a->r->asked, a);
	if (a->again != NULL)
		event_free(a->again);
	buf_free(&a->question);
	free(a->subject);
	free(a);
}

static void ask_node(struct request_asked *a);

static void
request_again_cb(evutil_socket_t fd, short what, void *arg)
{
	ask_node(arg);
}

/* That nobody listens there is known at once; somebody may a moment later, so ask again. */
static int
ask_again(struct request_asked *a)
{
	static const struct timeval tv = { .tv_usec = AGAIN_MS * 1000 };

	if (!chan_deferred_wanted(a->reply) || mono_us() + AGAIN_MS * 1000 >= a->until)
		return (0);
	if (a->again == NULL)
		a->again = evtimer_new(a->r->base, request_again_cb, a);
	return (a->again != NULL && evtimer_add(a->again, &tv) == 0);
}

static void
request_answered_cb(const struct nats_msg *m, void *arg)
{
	struct request_asked *a = arg;
	uint64_t us = mono_us() - a->sent;

	if (m == NULL && ask_again(a))
		return;
	if (m == NULL)
		reply_to_opsd(a->reply, 504, us, "{\"error\":\"no answer\"}");
	else if (pass_answer(a, us, m) == -1)
		reply_to_opsd(a->reply, 502, us, "{\"error\":\"the answer makes no sense\"}");
	asked_free(a);
}

static void
ask_node(struct request_asked *a)
{
	uint64_t now = mono_us();

	a->sent = now;
	nats_request(a->r->leaf, a->subject, a->question.data, a->question.len,
	    now < a->until ? (unsigned)((a->until - now) / 1000) + 1 : 1, request_answered_cb, a);
}

static void
begin_asking(struct requests *r, struct chan_deferred *reply, const char *node, const char *verb,
    unsigned timeout_ms, const void *json, size_t len)
{
	struct request_asked *a = xcalloc(1, sizeof(*a));

	a->r = r;
	a->reply = reply;
	a->until = mono_us() + (uint64_t)timeout_ms * 1000;
	a->subject = subject_req(nats_names(r->leaf), node, verb);
	buf_add(&a->question, json, len);
	DL_APPEND(r->asked, a);
	ask_node(a);
}

int
requests_on_peer_req(struct requests *r, struct chan *c, struct msg *m)
{
	char *node = rd_str(&m->body);
	char *verb = rd_str(&m->body);
	unsigned timeout_ms = rd_u32(&m->body);
	size_t len;
	const uint8_t *json = rd_blob(&m->body, &len);
	int rc = -1;

	if (rd_done(&m->body)) {
		rc = 0;
		if (timeout_ms > ASKING_MAX_MS)
			timeout_ms = ASKING_MAX_MS;
		if (!node_name_ok(node, strlen(node)) || strlen(verb) > VERB_MAX)
			reply_to_opsd(chan_defer(c, m), 400, 0,
			    "{\"error\":\"no node is called like that\"}");
		else if (r->leaf == NULL)
			reply_to_opsd(chan_defer(c, m), 503, 0, "null");
		else
			begin_asking(r, chan_defer(c, m), node, verb, timeout_ms, json, len);
	}
	free(node);
	free(verb);
	return (rc);
}

void
requests_set_ops(struct requests *r, struct chan *ops)
{
	r->ops = ops;
}

/* The connection is about to be closed, which ends its requests silently. */
static void
give_up(struct requests *r)
{
	struct request_asked *a;

	while ((a = r->asked) != NULL) {
		reply_to_opsd(a->reply, 503, mono_us() - a->sent, "null");
		asked_free(a);
	}
}

void
requests_set_leaf(struct requests *r, struct nats *leaf, const char *node)
{
	struct request_served *s;
	char *subject;

	DL_FOREACH(r->served, s)
		s->leaf = NULL;
	give_up(r);
	nats_unsubscribe(r->sub);
	r->sub = NULL;
	r->leaf = leaf;
	if (leaf == NULL)
		return;
	subject = subject_req(nats_names(leaf), node, "*");
	r->sub = nats_subscribe(leaf, subject, request_arrived_cb, r);
	free(subject);
}
