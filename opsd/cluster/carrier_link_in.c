#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/cluster/carrier_call.h"
#include "opsd/cluster/carrier_link_priv.h"
#include "opsd/cluster/cluster.h"

/* What leafd says of links, and what comes over them. */

void
carrier_link_forget(struct carrier_link *l, struct link *k)
{
	HASH_DEL(l->links, k);
	linkfeed_free(k->feed);
	free(k->hostname);
	free(k->node_name);
	free(k);
}

void
carrier_link_drop_all(struct carrier_link *l)
{
	struct link *k, *tmp;

	if (l->links == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	HASH_ITER(hh, l->links, k, tmp)
		carrier_link_forget(l, k);
	l->changes++;
	pthread_mutex_unlock(&l->lock);
	cluster_kick(l->c);
}

static int
on_link_down(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_link *l = daemons_rep(arg)->link;
	const uint8_t *id = rd_bytes(&m->body, NODE_ID_LEN);
	char *why = rd_str(&m->body);
	struct link *k;

	if (!rd_done(&m->body) || why == NULL) {
		free(why);
		return (-1);
	}
	k = carrier_link_find(l, id);
	if (k != NULL) {
		log_info("the link with %s has ended: %s", k->hostname, why);
		pthread_mutex_lock(&l->lock);
		carrier_link_forget(l, k);
		l->changes++;
		pthread_mutex_unlock(&l->lock);
		cluster_changed(l->c);
	}
	free(why);
	return (0);
}

/* ---- questions from nodes ---- */

static void
refuse_stranger(struct carrier_reply reply)
{
	static const char text[] = "{\"error\":\"the link was not admitted\"}";

	reply.fn(reply.arg, 403, text, sizeof(text) - 1);
}

static int
on_link_req(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_link *l = daemons_rep(arg)->link;
	const uint8_t *id = rd_bytes(&m->body, NODE_ID_LEN);
	struct carrier_asked q;

	if (carrier_call_read(&q, ch, m) == -1)
		return (-1);
	if (carrier_link_find(l, id) != NULL)
		incoming_question(l->c, id, q.verb, q.question, q.reply);
	else
		refuse_stranger(q.reply);
	carrier_call_clear(&q);
	return (0);
}

static int
on_link_serve(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_link *l = daemons_rep(arg)->link;
	const uint8_t *id = rd_bytes(&m->body, NODE_ID_LEN), *p;
	struct carrier_reply reply;
	size_t len;

	p = rd_blob(&m->body, &len);
	if (!rd_done(&m->body))
		return (-1);
	reply = carrier_call_serve(ch, m);
	if (carrier_link_find(l, id) != NULL)
		incoming_catchup(l->c, id, p, len, reply);
	else
		reply.fn(reply.arg, 403, NULL, 0);
	return (0);
}

/* ---- the log out ---- */

void
carrier_link_send_log(struct carrier_link *l, uint32_t turn, struct buf *data)
{
	struct buf none = { 0 };

	if (data == NULL)
		data = &none;
	buf_u32(data, turn);
	chan_send(daemons_leaf(l->rep->daemons), MSG_LINK_LOG, data);
}

/* One window; what is left after it has its turn, as all else that waits for this thread. */
static void
give_one(struct carrier_link *l, struct link *k)
{
	struct buf b = { 0 };
	uint64_t left = k->granted > k->given ? k->granted - k->given : 0;
	int found = 0;

	if (k->turn != 0 && left > 0)
		found = linkfeed_read(k->feed, left < k->window ? (uint32_t)left : k->window, &b);
	if (found == 1) {
		k->given += b.len;
		carrier_link_send_log(l, k->turn, &b);
	}
	if (found == -1 || (found == 1 && linkfeed_is_behind(k->feed)))
		carrier_link_logged(l);
	buf_free(&b);
}

void
carrier_link_give(struct carrier_link *l)
{
	struct link *k, *tmp;

	HASH_ITER(hh, l->links, k, tmp)
		give_one(l, k);
}

static int
on_link_read(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_link *l = daemons_rep(arg)->link;
	const uint8_t *id = rd_bytes(&m->body, NODE_ID_LEN);
	uint32_t turn = rd_u32(&m->body), window;
	uint64_t granted = rd_u64(&m->body), incarnation = rd_u64(&m->body);
	uint64_t after = rd_u64(&m->body);
	struct buf b = { 0 };
	struct link *k;

	window = rd_u32(&m->body);
	if (!rd_done(&m->body) || turn == 0)
		return (-1);
	k = carrier_link_find(l, id);
	buf_u8(&b, k != NULL);
	chan_reply(ch, m->id, &b);
	if (k == NULL)
		return (0);
	k->turn = turn;
	k->window = window;
	k->granted = granted;
	k->given = 0;
	linkfeed_begin(k->feed, incarnation, after);
	give_one(l, k);
	return (0);
}

static int
on_link_more(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_link *l = daemons_rep(arg)->link;
	const uint8_t *id = rd_bytes(&m->body, NODE_ID_LEN);
	uint32_t turn = rd_u32(&m->body);
	uint64_t granted = rd_u64(&m->body);
	struct link *k;

	if (!rd_done(&m->body))
		return (-1);
	k = carrier_link_find(l, id);
	if (k != NULL && k->turn == turn) {
		k->granted = granted;
		give_one(l, k);
	}
	return (0);
}

const struct chan_handler carrier_link_handlers[] = {
	{ MSG_LINK_UP, carrier_link_up },
	{ MSG_LINK_DOWN, on_link_down },
	{ MSG_LINK_REQ, on_link_req },
	{ MSG_LINK_SERVE, on_link_serve },
	{ MSG_LINK_READ, on_link_read },
	{ MSG_LINK_MORE, on_link_more },
	{ 0, NULL },
};
