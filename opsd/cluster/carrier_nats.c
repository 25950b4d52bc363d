#include "config.h"

#include "opsd/cluster/carrier_nats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/carrier_call.h"
#include "opsd/cluster/carrier_nats_priv.h"

#define PURGE_MS 30000

/* ---- who is there ---- */

/* Which as far as is known has the id: hubs may not have said it yet. */
static int
may_be(const char *hex, const uint8_t *id)
{
	uint8_t said[NODE_ID_LEN];

	return (id == NULL || node_id_read(hex, said) == -1 || memcmp(said, id, NODE_ID_LEN) == 0);
}

static int
nats_reaches(void *arg, const struct carrier_node *node)
{
	struct carrier_nats *n = arg;
	const json_t *mesh = daemons_lock_mesh(n->rep->daemons);
	const json_t *nodes = json_object_get(mesh, "nodes"), *ids = json_object_get(mesh, "ids");
	const json_t *name;
	size_t i;
	int yes = 0;

	json_array_foreach(nodes, i, name)
		if (strcmp(json_string_value(name), node->name) == 0) {
			yes = may_be(json_string_value(json_array_get(ids, i)), node->id);
			break;
		}
	daemons_unlock_mesh(n->rep->daemons);
	return (yes);
}

/* ---- questions to nodes ---- */

struct nats_call {
	carrier_answered *cb;
	void *arg;
};

/* Takes the bytes. */
static void
start_call(struct chan *ch, enum msg_type type, struct buf *b, unsigned timeout_ms,
    void (*answered)(struct rd *body, void *arg), carrier_answered *cb, void *cb_arg)
{
	struct nats_call *call;

	if (ch == NULL) {
		buf_free(b);
		cb(&(struct carrier_answer){ .status = 503 }, cb_arg);
		return;
	}
	call = xcalloc(1, sizeof(*call));
	*call = (struct nats_call){ cb, cb_arg };
	chan_call(ch, type, b, timeout_ms, answered, call);
}

static void
end_call(struct nats_call *call, const struct carrier_answer *a)
{
	call->cb(a, call->arg);
	free(call);
}

/* A status, of a node the round trip, and what was answered. */
static void
nats_ask(void *arg, const struct carrier_node *node, const char *verb, const json_t *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct carrier_nats *n = arg;
	struct buf b = { 0 };

	buf_str(&b, node->name);
	carrier_call_write(&b, verb, question, timeout_ms);
	carrier_call(daemons_hub(n->rep->daemons), MSG_PEER_REQ, &b, timeout_ms + 1000, 1, NULL, cb,
	    cb_arg);
}

static int
nats_can_catch_up(void *arg)
{
	return (daemons_leaf(((struct carrier_nats *)arg)->rep->daemons) != NULL);
}

static void
nats_catch_up(void *arg, const struct carrier_node *node, const struct buf *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct carrier_nats *n = arg;
	struct buf b = { 0 };

	buf_str(&b, node->name);
	buf_u32(&b, timeout_ms);
	buf_blob(&b, question->data, question->len);
	carrier_call(daemons_leaf(n->rep->daemons), MSG_CATCHUP, &b, timeout_ms + 2000, 0, NULL, cb,
	    cb_arg);
}

static void
network_answered(struct rd *body, void *call)
{
	struct carrier_answer a = { .status = 503 };

	if (body != NULL) {
		a.status = 200;
		a.body = rd_blob(body, &a.n);
	}
	end_call(call, &a);
}

static void
nats_network(void *arg, unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct carrier_nats *n = arg;
	struct buf b = { 0 };

	buf_u32(&b, timeout_ms);
	start_call(daemons_hub(n->rep->daemons), MSG_NETWORK, &b, timeout_ms + 2000,
	    network_answered, cb, cb_arg);
}

/* ---- what the stream has no more ---- */

static void
purge_answered(struct rd *body, void *call)
{
	struct carrier_answer a = { .status = body != NULL ? rd_u16(body) : 503 };
	char text[24];

	a.n = (size_t)snprintf(text, sizeof(text), "%llu",
	    body != NULL ? (unsigned long long)rd_u64(body) : 0);
	a.body = text;
	end_call(call, &a);
}

void
carrier_nats_purge(void *arg, const char *database, const char *table, uint64_t upto,
    carrier_answered *cb, void *cb_arg)
{
	struct carrier_nats *n = arg;
	struct buf b = { 0 };

	buf_str(&b, database);
	buf_str(&b, table);
	buf_u64(&b, upto);
	start_call(daemons_leaf(n->rep->daemons), MSG_STREAM_PURGE, &b, PURGE_MS, purge_answered,
	    cb, cb_arg);
}

/* ---- questions from nodes ---- */

static int
on_node_req(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_nats *n = daemons_rep(arg)->nats;
	struct carrier_asked q;

	if (carrier_call_read(&q, ch, m) == -1)
		return (-1);
	incoming_question(n->c, NULL, q.verb, q.question, q.reply);
	carrier_call_clear(&q);
	return (0);
}

static int
on_serve(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_nats *n = daemons_rep(arg)->nats;
	size_t len;
	const uint8_t *p = rd_blob(&m->body, &len);

	if (!rd_done(&m->body))
		return (-1);
	incoming_catchup(n->c, NULL, p, len, carrier_call_serve(ch, m));
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
	struct carrier_nats *n = daemons_rep(arg)->nats;
	const uint8_t *peer = rd_bytes(&m->body, NODE_ID_LEN), *p;
	struct shard s = shard_read(&m->body);
	uint64_t seq = rd_u64(&m->body);
	struct applying *a;
	size_t len;

	p = rd_blob(&m->body, &len);
	if (!rd_done(&m->body) || s.n == 0)
		return (-1);
	a = xcalloc(1, sizeof(*a));
	*a = (struct applying){ chan_defer(ch, m), seq };
	incoming_frame(n->c, peer, s, seq, p, len, (struct carrier_reply){ applied_reply, a });
	return (0);
}

/* ---- life ---- */

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
	nats_can_catch_up,
	nats_catch_up,
	carrier_nats_logged,
	carrier_nats_changed,
	carrier_nats_purge,
	nats_network,
};

struct carrier_nats *
carrier_nats_new(struct cluster *c, struct replication *rep, struct outlet *outlet)
{
	struct carrier_nats *n = xcalloc(1, sizeof(*n));

	n->c = c;
	n->rep = rep;
	n->outlet = outlet;
	n->feed = logfeed_new(rep, outlet);
	return (n);
}

struct daemons_above
carrier_nats_above(struct carrier_nats *n)
{
	return ((struct daemons_above){ handlers, leaf_changed, n });
}

void
carrier_nats_free(struct carrier_nats *n)
{
	if (n == NULL)
		return;
	logfeed_free(n->feed);
	free(n->wanted_sent);
	free(n->wanted_from);
	free(n);
}
