#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/formats.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/cluster/admission.h"
#include "opsd/cluster/carrier_call.h"
#include "opsd/cluster/carrier_link_priv.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/compat.h"

/* What leafd says of links, and what comes over them. */

#define REFUSED_MAX 50 /* that are kept to be shown */

static void
link_free(struct carrier_link *l, struct link *k)
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
		link_free(l, k);
	l->changes++;
	pthread_mutex_unlock(&l->lock);
	cluster_kick(l->c);
}

/* ---- may it be ---- */

static void
answer_up(struct chan_deferred *d, int status, const char *why, const struct cursors_hint *hint)
{
	struct buf b = { 0 };

	buf_u16(&b, (uint16_t)status);
	buf_str(&b, why != NULL ? why : "");
	buf_u64(&b, hint != NULL ? hint->incarnation : 0);
	buf_u64(&b, hint != NULL ? hint->window : 0);
	chan_deferred_reply(d, &b);
}

static size_t
refused_of(const json_t *list, const char *hostname)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (strcmp(json_string_value(json_object_get(o, "hostname")), hostname) == 0)
			break;
	return (i);
}

/* why NULL: it is in. */
static void
note_refused(struct carrier_link *l, const struct member_claim *c, const char *why)
{
	pthread_mutex_lock(&l->lock);
	json_array_remove(l->refused, refused_of(l->refused, c->is.hostname));
	if (why != NULL)
		json_array_append_new(l->refused,
		    json_pack("{s:s, s:s?, s:s, s:I}", "hostname", c->is.hostname, "address",
			c->address, "error", why, "time", (json_int_t)wall_ms()));
	if (json_array_size(l->refused) > REFUSED_MAX)
		json_array_remove(l->refused, 0);
	pthread_mutex_unlock(&l->lock);
}

static void
refuse_up(struct carrier_link *l, struct chan_deferred *d, const struct member_claim *c, int status,
    const char *why)
{
	static struct log_brake brake = { .most = 10 };

	log_braked(&brake, LOG_WARN, "a link is refused to %s: %s",
	    c->address != NULL ? c->address : "?", why);
	note_refused(l, c, why);
	answer_up(d, status, why, NULL);
}

/* What compat.h says of it, from what it says of itself. */
static char *
format_fault(struct replication *rep, const struct member_claim *c, const json_t *o)
{
	json_t *m = json_pack("{s:s, s:O?, s:O?}", "name", c->is.hostname, "formats",
	    json_object_get(o, "format"), "version", json_object_get(o, "version"));
	char *fault = compat_fault(rep, m);

	json_decref(m);
	return (fault);
}

struct asking_up {
	struct carrier_link *l;
	struct chan_deferred *reply;
	struct admission *a;
};

/* Log data, or that there is no more of it for that turn. */
static void
send_log(struct carrier_link *l, uint32_t turn, struct buf *data)
{
	struct buf none = { 0 };

	if (data == NULL)
		data = &none;
	buf_u32(data, turn);
	chan_send(daemons_leaf(l->rep->daemons), MSG_LINK_LOG, data);
}

static void
add_link(struct carrier_link *l, const struct member *m)
{
	struct link *k = carrier_link_find(l, m->id);

	/* One that stands yet, if this one ends first, asks again. */
	if (k != NULL && k->turn != 0)
		send_log(l, k->turn, NULL);
	pthread_mutex_lock(&l->lock);
	if (k != NULL)
		link_free(l, k);
	k = xcalloc(1, sizeof(*k));
	memcpy(k->id, m->id, NODE_ID_LEN);
	k->hostname = xstrdup(m->hostname);
	k->node_name = xstrdup(m->node_name);
	k->feed = linkfeed_new(l->rep, m->id);
	HASH_ADD(hh, l->links, id, NODE_ID_LEN, k);
	l->changes++;
	pthread_mutex_unlock(&l->lock);
}

static void
admitted_run(void *arg)
{
	struct asking_up *u = arg;
	struct carrier_link *l = u->l;
	const struct member_claim *c = &u->a->claim;

	if (!chan_deferred_wanted(u->reply)) {
		chan_deferred_drop(u->reply);
	} else if (u->a->job.status != 200) {
		refuse_up(l, u->reply, c, u->a->job.status,
		    u->a->job.error != NULL ? u->a->job.error : "not written");
	} else {
		log_info("linked with %s at %s", c->is.hostname,
		    c->address != NULL ? c->address : "?");
		note_refused(l, c, NULL);
		add_link(l, &c->is);
		answer_up(u->reply, 200, NULL, &u->a->hint);
		cluster_met(l->c, c->is.id);
	}
	admission_free(u->a);
	free(u);
}

static void
admission_done(struct commit_job *j)
{
	struct asking_up *u = j->arg;

	post(u->l->rep->data->svc->post, admitted_run, u);
}

/* One that we have signed has to be used soon: it is, from now on. */
static void
confirm_certificate(void *arg)
{
	struct asking_up *u = arg;
	struct replication *rep = u->l->rep;
	char *err = NULL;

	if (admission_confirm(rep, &u->a->claim.is, &err) == 0) {
		commit_submit(rep->data->commit, &u->a->job);
		return;
	}
	commit_fail(&u->a->job, 403, "%s", err);
	free(err);
	post(rep->data->svc->post, admitted_run, u);
}

static void
ask_admission(struct carrier_link *l, struct chan_deferred *reply, const struct member_claim *c)
{
	struct asking_up *u = xcalloc(1, sizeof(*u));

	*u = (struct asking_up){ l, reply, admission_new(c) };
	u->a->job.arg = u;
	u->a->job.done = admission_done;
	workers_run(l->rep->data->workers, confirm_certificate, u);
}

/* Of two that run with one id neither is linked.  NULL: there is one; else why, the caller frees. */
static char *
copy_fault(struct carrier_link *l, const struct member_claim *c, const json_t *said)
{
	const char *boot = json_string_value(json_object_get(said, "boot"));
	char *why;

	if (boot == NULL || !starts_ask(l->starts, c->is.id, boot, mono_us() / 1000))
		return (NULL);
	why =
	    xasprintf("two nodes run with the id and the key of '%s', as one is a copy of the "
		      "other: both are shut out. Stop the copy, or make it a node of its own: run "
		      "renew_node_id on it, and give it another replication.hostname",
		c->is.hostname);
	carrier_link_close(l, c->is.id, why);
	return (why);
}

static int
on_link_up(struct chan *ch, struct msg *m, void *arg)
{
	struct replication *rep = daemons_rep(arg);
	struct chan_deferred *reply;
	size_t n;
	const uint8_t *p = rd_blob(&m->body, &n);
	json_t *o = rd_done(&m->body) ? json_loadb((const char *)p, n, 0, NULL) : NULL;
	struct member_claim c;
	char *fault = NULL;
	int status = 400;

	if (o == NULL)
		return (-1);
	reply = chan_defer(ch, m);
	member_claim_read(&c, o, &fault);
	if (fault == NULL) {
		c.format_fault = format_fault(rep, &c, o);
		status = admission_check(rep, &c, &fault);
	} else if (c.is.hostname == NULL)
		c.is.hostname = xstrdup("?");
	if (status == 200 && (fault = copy_fault(rep->link, &c, o)) != NULL)
		status = 409;
	if (status == 200)
		ask_admission(rep->link, reply, &c);
	else
		refuse_up(rep->link, reply, &c, status, fault);
	free(fault);
	member_claim_clear(&c);
	json_decref(o);
	return (0);
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
		link_free(l, k);
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
		send_log(l, k->turn, &b);
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
	{ MSG_LINK_UP, on_link_up },
	{ MSG_LINK_DOWN, on_link_down },
	{ MSG_LINK_REQ, on_link_req },
	{ MSG_LINK_SERVE, on_link_serve },
	{ MSG_LINK_READ, on_link_read },
	{ MSG_LINK_MORE, on_link_more },
	{ 0, NULL },
};
