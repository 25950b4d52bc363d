#include "config.h"

#include "opsd/cluster/carrier_nats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/carrier_nats_priv.h"

#define PURGE_MS 30000

/* ---- who is there ---- */

static int
nats_reaches(void *arg, const char *node, const char *hex)
{
	struct carrier_nats *n = arg;
	const json_t *mesh = daemons_lock_mesh(n->daemons);
	const json_t *nodes = json_object_get(mesh, "nodes"), *ids = json_object_get(mesh, "ids");
	const json_t *name;
	size_t i;
	int yes = 0;

	json_array_foreach(nodes, i, name)
		if (strcmp(json_string_value(name), node) == 0) {
			const char *id = json_string_value(json_array_get(ids, i));

			yes = hex == NULL || id == NULL || id[0] == '\0' || strcmp(id, hex) == 0;
			break;
		}
	daemons_unlock_mesh(n->daemons);
	return (yes);
}

/* ---- questions to nodes ---- */

struct nats_asked {
	carrier_answered *cb;
	void *arg;
};

static void
refuse_call(carrier_answered *cb, void *arg, uint16_t status)
{
	cb(&(struct carrier_answer){ .status = status }, arg);
}

static struct nats_asked *
asked_new(carrier_answered *cb, void *arg)
{
	struct nats_asked *q = xcalloc(1, sizeof(*q));

	*q = (struct nats_asked){ cb, arg };
	return (q);
}

/* PEER_REQ's answer: status, round trip, JSON. */
static void
node_answered(struct rd *body, void *arg)
{
	struct nats_asked *q = arg;
	struct carrier_answer a = { .status = 504 };

	if (body != NULL) {
		a.status = rd_u16(body);
		a.us = rd_u32(body);
		a.body = rd_blob(body, &a.n);
		if (!rd_done(body))
			a = (struct carrier_answer){ .status = 504 };
	}
	q->cb(&a, q->arg);
	free(q);
}

static void
nats_ask(void *arg, const char *node, const char *verb, const json_t *question, unsigned timeout_ms,
    carrier_answered *cb, void *cb_arg)
{
	struct carrier_nats *n = arg;
	struct chan *hub = daemons_hub(n->daemons);
	struct buf b = { 0 };
	char *text;

	if (hub == NULL) {
		refuse_call(cb, cb_arg, 503);
		return;
	}
	text = json_dumps(question, JSON_COMPACT);
	buf_str(&b, node);
	buf_str(&b, verb);
	buf_u32(&b, timeout_ms);
	buf_blob(&b, text, strlen(text));
	free(text);
	chan_call(hub, MSG_PEER_REQ, &b, timeout_ms + 1000, node_answered, asked_new(cb, cb_arg));
}

/* PULL's: status, bytes. */
static void
leaf_answered(struct rd *body, void *arg)
{
	struct nats_asked *q = arg;
	struct carrier_answer a = { .status = 504 };

	if (body != NULL) {
		a.status = rd_u16(body);
		a.body = rd_blob(body, &a.n);
		if (!rd_done(body))
			a = (struct carrier_answer){ .status = 504 };
	}
	q->cb(&a, q->arg);
	free(q);
}

static int
nats_can_pull(void *arg)
{
	return (daemons_leaf(((struct carrier_nats *)arg)->daemons) != NULL);
}

static void
nats_pull(void *arg, const char *node, const struct buf *question, unsigned timeout_ms,
    carrier_answered *cb, void *cb_arg)
{
	struct carrier_nats *n = arg;
	struct chan *leaf = daemons_leaf(n->daemons);
	struct buf b = { 0 };

	if (leaf == NULL) {
		refuse_call(cb, cb_arg, 503);
		return;
	}
	buf_str(&b, node);
	buf_u32(&b, timeout_ms);
	buf_blob(&b, question->data, question->len);
	chan_call(leaf, MSG_PULL, &b, timeout_ms + 2000, leaf_answered, asked_new(cb, cb_arg));
}

/* NETWORK's: JSON. */
static void
network_answered(struct rd *body, void *arg)
{
	struct nats_asked *q = arg;
	struct carrier_answer a = { .status = 503 };

	if (body != NULL) {
		a.status = 200;
		a.body = rd_blob(body, &a.n);
	}
	q->cb(&a, q->arg);
	free(q);
}

static void
nats_network(void *arg, unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct carrier_nats *n = arg;
	struct chan *hub = daemons_hub(n->daemons);
	struct buf b = { 0 };

	if (hub == NULL) {
		refuse_call(cb, cb_arg, 503);
		return;
	}
	buf_u32(&b, timeout_ms);
	chan_call(hub, MSG_NETWORK, &b, timeout_ms + 2000, network_answered, asked_new(cb, cb_arg));
}

/* ---- what the stream has no more ---- */

/* STREAM_PURGE's: status, messages. */
static void
purge_answered(struct rd *body, void *arg)
{
	struct nats_asked *q = arg;
	struct carrier_answer a = { .status = body != NULL ? rd_u16(body) : 503 };
	char text[24];

	a.n = (size_t)snprintf(text, sizeof(text), "%llu",
	    body != NULL ? (unsigned long long)rd_u64(body) : 0);
	a.body = text;
	q->cb(&a, q->arg);
	free(q);
}

void
carrier_nats_purge(void *arg, const char *database, const char *table, uint64_t upto,
    carrier_answered *cb, void *cb_arg)
{
	struct carrier_nats *n = arg;
	struct chan *leaf = daemons_leaf(n->daemons);
	struct buf b = { 0 };

	if (leaf == NULL) {
		refuse_call(cb, cb_arg, 503);
		return;
	}
	buf_str(&b, database);
	buf_str(&b, table);
	buf_u64(&b, upto);
	chan_call(leaf, MSG_STREAM_PURGE, &b, PURGE_MS, purge_answered, asked_new(cb, cb_arg));
}

/* ---- questions from nodes ---- */

static void
node_reply(void *arg, uint16_t status, const void *body, size_t n)
{
	struct buf b = { 0 };

	buf_u16(&b, status);
	buf_blob(&b, body, n);
	chan_deferred_reply(arg, &b);
}

static int
on_node_req(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_nats *n = daemons_owner(arg);
	char *verb = rd_str(&m->body);
	size_t len;
	const uint8_t *p = rd_blob(&m->body, &len);
	json_t *question;

	if (!rd_done(&m->body) || verb == NULL) {
		free(verb);
		return (-1);
	}
	question = json_loadb((const char *)p, len, 0, NULL);
	cluster_asked(n->c, NULL, verb, question,
	    (struct carrier_reply){ node_reply, chan_defer(ch, m) });
	json_decref(question);
	free(verb);
	return (0);
}

static void
serve_reply(void *arg, uint16_t status, const void *body, size_t n)
{
	struct buf b = { 0 };

	buf_blob(&b, body, n);
	chan_deferred_reply(arg, &b);
}

static int
on_serve(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_nats *n = daemons_owner(arg);
	size_t len;
	const uint8_t *p = rd_blob(&m->body, &len);

	if (!rd_done(&m->body))
		return (-1);
	cluster_serve(n->c, NULL, p, len, (struct carrier_reply){ serve_reply, chan_defer(ch, m) });
	return (0);
}

/* ---- frames in ---- */

struct applying {
	struct chan_deferred *reply;
	uint64_t seq;
};

static void
applied_reply(void *arg, uint16_t status, const void *body, size_t n)
{
	struct applying *a = arg;
	struct buf b = { 0 };

	buf_u64(&b, a->seq);
	chan_deferred_reply(a->reply, &b);
	free(a);
}

static int
on_apply(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_nats *n = daemons_owner(arg);
	const uint8_t *peer = rd_bytes(&m->body, NODE_ID_LEN), *p;
	uint64_t seq = rd_u64(&m->body);
	struct applying *a;
	size_t len;

	p = rd_blob(&m->body, &len);
	if (!rd_done(&m->body))
		return (-1);
	a = xcalloc(1, sizeof(*a));
	*a = (struct applying){ chan_defer(ch, m), seq };
	cluster_frame(n->c, peer, seq, p, len, (struct carrier_reply){ applied_reply, a });
	return (0);
}

/* ---- life ---- */

static void
daemons_changed(void *arg)
{
	struct carrier_nats *n = arg;

	cluster_changed(n->c);
}

static void
leaf_changed(void *arg)
{
	carrier_nats_forget(arg);
}

static const struct chan_handler handlers[] = {
	{ MSG_LOG_TAIL, carrier_nats_log_tail },
	{ MSG_LOG_READ, carrier_nats_log_read },
	{ MSG_LOG_ACK, carrier_nats_log_ack },
	{ MSG_APPLY, on_apply },
	{ MSG_SERVE, on_serve },
	{ MSG_NODE_REQ, on_node_req },
	{ 0, NULL },
};

const struct carrier_ops carrier_nats_ops = {
	"nats",
	nats_reaches,
	nats_ask,
	nats_can_pull,
	nats_pull,
	carrier_nats_logged,
	carrier_nats_changed,
	carrier_nats_purge,
	nats_network,
};

struct carrier_nats *
carrier_nats_start(struct cluster *c, struct replication *rep, struct outlet *outlet, char **err)
{
	struct carrier_nats *n = xcalloc(1, sizeof(*n));
	struct daemons_above above = { handlers, daemons_changed, leaf_changed, n };

	n->c = c;
	n->rep = rep;
	n->outlet = outlet;
	n->feed = logfeed_new(rep, outlet);
	n->daemons = daemons_start(rep, &above, err);
	if (n->daemons == NULL) {
		carrier_nats_stop(n);
		return (NULL);
	}
	return (n);
}

struct daemons *
carrier_nats_daemons(struct carrier_nats *n)
{
	return (n->daemons);
}

void
carrier_nats_quiet(struct carrier_nats *n)
{
	daemons_quiet(n->daemons);
}

void
carrier_nats_stop(struct carrier_nats *n)
{
	if (n == NULL)
		return;
	daemons_stop(n->daemons);
	logfeed_free(n->feed);
	free(n->wanted_sent);
	free(n);
}
