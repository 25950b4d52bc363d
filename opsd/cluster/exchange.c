#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cluster_priv.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/gossip.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/peerjson.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/status.h"
#include "opsd/cluster/take.h"
#include "opsd/cluster/topology.h"

/* What peers tell each other in turn (status.h), and what follows from it. */

#define ASK_MS 5000

struct status_exchange {
	struct cluster *c;
	uint8_t peer[NODE_ID_LEN];
	uint64_t upto;
};

static struct log_brake brake = { .most = 10 };

static void
take_done(struct commit_job *j)
{
	struct cluster *c = j->arg;
	struct take *t = (struct take *)j;

	if (j->status != 200)
		log_braked(&brake, LOG_WARN, "subscriptions of node %s: %s", t->offer->name,
		    j->error);
	take_free(t);
	cluster_kick(c);
}

/*
 * NULL: there was none, or it is of another node, which may have the peer's name now, or of one
 * that is refused, or refuses us.
 */
static json_t *
accept_answer(struct cluster *c, const struct carrier_answer *a, const uint8_t *peer)
{
	json_t *answer = a->body != NULL ? peerjson_load(a->body, a->n, 0) : NULL;

	if (peerjson_is_of(answer, peer) && peerjson_is_of(answer, a->who) &&
	    !compat_note(c, peer, answer) && a->status == 200)
		return (answer);
	json_decref(answer);
	return (NULL);
}

/* Takes the fault. */
static void
log_fault(struct cluster *c, const uint8_t *peer, char *fault)
{
	char *name = nodes_shown(c->rep->nodes, peer);

	log_braked(&brake, LOG_WARN, "an answer of node %s: %s", name, fault);
	free(name);
	free(fault);
}

/* The same; NULL as well when it is no offer, which is logged. */
static struct offer *
read_offer(struct cluster *c, const struct carrier_answer *a, const uint8_t *peer)
{
	json_t *answer = accept_answer(c, a, peer);
	char *fault = NULL;
	struct offer *offer = answer != NULL ? offer_read(answer, &fault) : NULL;

	json_decref(answer);
	if (fault != NULL)
		log_fault(c, peer, fault);
	return (offer);
}

static void
synced_cb(const struct carrier_answer *a, void *arg)
{
	struct status_exchange *x = arg;
	struct cluster *c = x->c;
	struct offer *offer = read_offer(c, a, x->peer);
	struct take *t;

	pthread_mutex_lock(&c->lock);
	cluster_view_of(c, x->peer)->syncing = 0;
	pthread_mutex_unlock(&c->lock);
	free(x);
	if (offer == NULL)
		return;
	t = take_new(offer);
	t->compared = 1;
	t->vouched = a->who != NULL;
	t->job.arg = c;
	t->job.done = take_done;
	commit_submit(c->rep->data->commit, &t->job);
}

/* Takes the question. */
static void
ask_peer(struct cluster *c, const struct peer *p, const char *verb, json_t *question,
    carrier_answered *cb, struct status_exchange *x)
{
	cluster_question(c, p, verb, question, ASK_MS, cb, x);
	json_decref(question);
}

static void
sync_subscriptions(struct cluster *c, const struct peer *p, struct view *v)
{
	struct status_exchange *x;
	struct offer *offer;
	json_t *question;

	if (v->syncing)
		return;
	v->syncing = 1;
	x = xcalloc(1, sizeof(*x));
	x->c = c;
	memcpy(x->peer, p->id, NODE_ID_LEN);
	offer = offer_new(c->rep, p->subs.list, p->subs.n, 0);
	memcpy(offer->to, p->id, NODE_ID_LEN);
	question = offer_write(offer);
	offer_free(offer);
	pthread_mutex_unlock(&c->lock); /* the call may answer at once */
	ask_peer(c, p, "subscriptions", question, synced_cb, x);
	pthread_mutex_lock(&c->lock);
}

/* ---- who subscribes to whom ---- */

static struct topology_report *
topology_own(struct replication *rep)
{
	char *name = data_node_name(rep->data);
	struct topology_report *r = topology_report_new(rep->data->node_id, name,
	    (int)rep->data->live.republish);
	struct peer **all;
	size_t n;

	free(name);
	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		topology_report_add(r, all[i]);
		peer_free(all[i]);
	}
	free(all);
	return (r);
}

void
exchange_add_topology(struct cluster *c, const struct status_question *q, struct status_answer *a)
{
	/* All that it is made from; the name changes with a restart only. */
	uint64_t changes = nodes_changes(c->rep->nodes) * 2 +
	    (uint64_t)c->rep->data->live.republish;

	if (c->topology == NULL || changes != c->topology_changes) {
		topology_report_free(c->topology);
		c->topology = topology_own(c->rep);
		c->topology_changes = changes;
		c->topology_digest = topology_report_digest(c->topology);
	}
	a->topology_digest = c->topology_digest;
	if (q->topology_digest != c->topology_digest)
		a->topology = topology_report_ref(c->topology);
}

/* With the lock held. */
static void
take_topology(struct view *v, const struct status_answer *a)
{
	if (a->topology == NULL)
		return;
	topology_report_free(v->topology);
	v->topology = topology_report_ref(a->topology);
	v->topology_digest = a->topology_digest;
}

struct topology_report **
cluster_topology(struct cluster *c, size_t *n)
{
	struct topology_report **list;
	struct peer **all;
	struct view *v;
	size_t count;

	all = nodes_all(c->rep->nodes, &count);
	list = xcalloc(count + 1, sizeof(*list));
	list[0] = topology_own(c->rep);
	*n = 1;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < count; i++) {
		v = cluster_view_of(c, all[i]->id);
		/* Who was removed tells us nothing new. */
		if (peer_active(all[i]) && v->topology != NULL)
			list[(*n)++] = topology_report_ref(v->topology);
		peer_free(all[i]);
	}
	pthread_mutex_unlock(&c->lock);
	free(all);
	return (list);
}

static void
take_status(struct cluster *c, const struct peer *p, struct view *v, const struct status_answer *a,
    uint32_t rtt_us, const struct status_exchange *x)
{
	struct commit_job *j;

	v->latency_ms = rtt_us / 1000.0;
	v->skew_from = cluster_clock();
	v->skew_ms = (int64_t)a->now_ms - ((int64_t)wall_ms() - (int64_t)rtt_us / 2000);
	v->uptime_ms = a->uptime_ms;
	v->seen_ms = wall_ms();
	v->clock_ms = a->now_ms;
	v->cluster_port = a->cluster_port;
	v->api_port = a->api_port;
	json_decref(v->system_info);
	v->system_info = json_incref(a->system_info);
	free(v->link_key);
	v->link_key = xstrdup(a->link_key);
	take_topology(v, a);
	v->snapshot_rank = a->snapshot_rank;
	v->snapshot_ms = a->snapshot_ms;
	if (status_answered(&v->base, x->upto, a))
		v->asked_us = 0;
	j = status_job(c->rep, p, a);
	if (j != NULL)
		commit_submit(c->rep->data->commit, j);
	if ((v->met || status_differs(c->rep, p, a, v->synced_us)) &&
	    mono_us() - v->synced_us > 1000000) {
		v->met = 0;
		v->synced_us = mono_us();
		sync_subscriptions(c, p, v);
	}
}

static void
status_cb(const struct carrier_answer *a, void *arg)
{
	struct status_exchange *x = arg;
	struct cluster *c = x->c;
	struct peer *p = nodes_by_id(c->rep->nodes, x->peer);
	json_t *json = accept_answer(c, a, x->peer);
	struct status_answer answer = { 0 };
	char *fault = NULL;
	int read = json != NULL && status_answer_read(&answer, json, &fault) == 0;
	struct view *v;

	if (fault != NULL)
		log_fault(c, x->peer, fault);
	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, x->peer);
	v->asking = 0;
	if (p != NULL && read)
		take_status(c, p, v, &answer, a->us, x);
	pthread_mutex_unlock(&c->lock);
	if (p != NULL && read)
		gossip_heard(c->rep->gossip, x->peer, answer.roster);
	if (read)
		status_answer_clear(&answer);
	json_decref(json);
	peer_free(p);
	free(x);
}

/* Whether it is time to ask; then *digest and *base are for the question. */
static int
exchange_due(struct cluster *c, const struct peer *p, uint64_t every_us, int64_t *digest,
    struct status_base *base)
{
	uint64_t now = mono_us();
	struct view *v;
	int due;

	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, p->id);
	due = !v->asking && roster_locked_ms(c->rep->roster, p->id, NULL) == 0 &&
	    (v->asked_us == 0 || now - v->asked_us >= every_us) && cluster_peer_reachable(c, p);
	*digest = v->topology_digest;
	*base = v->base;
	if (due) {
		v->asking = 1;
		v->asked_us = now;
	}
	pthread_mutex_unlock(&c->lock);
	return (due);
}

/*
 * A question with positions, of which some may be in a group that is being written: the peer may
 * forget what we say that we have, so it is asked when they are on the disk.
 */
struct settling {
	struct commit_job job; /* first */
	struct status_exchange *x;
	struct peer *peer;
	json_t *question;
};

static void
settled_run(void *arg)
{
	struct settling *s = arg;

	if (s->job.status == 200)
		ask_peer(s->x->c, s->peer, "status", s->question, status_cb, s->x);
	else {
		json_decref(s->question);
		status_cb(&(struct carrier_answer){ .status = 503 }, s->x);
	}
	peer_free(s->peer);
	free(s->job.error);
	free(s);
}

static void
settled_done(struct commit_job *j)
{
	struct settling *s = (struct settling *)j;

	post(s->x->c->rep->data->svc->post, settled_run, s);
}

/* Nothing: the groups before it are written when it is done. */
static void
settle_group(struct group *g, struct commit_job *j)
{
	(void)g;
	(void)j;
}

/* Takes the question. */
static void
ask_settled(struct cluster *c, struct peer *p, json_t *question, struct status_exchange *x)
{
	struct settling *s = xcalloc(1, sizeof(*s));

	s->job.run = settle_group;
	s->job.done = settled_done;
	s->job.remote = 1;
	s->x = x;
	s->peer = peer_ref(p);
	s->question = question;
	commit_submit(c->rep->data->commit, &s->job);
}

static void
exchange_with(struct cluster *c, struct peer *p, int64_t digest, const struct status_base *base)
{
	struct status_exchange *x = xcalloc(1, sizeof(*x));
	struct status_question q;

	status_ask(c->rep, p, base, &q);
	q.life = c->life;
	q.topology_digest = digest;
	c->told += q.n;
	x->c = c;
	x->upto = q.upto;
	memcpy(x->peer, p->id, NODE_ID_LEN);
	if (q.n > 0)
		ask_settled(c, p, status_question_write(&q), x);
	else
		ask_peer(c, p, "status", status_question_write(&q), status_cb, x);
	status_question_clear(&q);
}

void
exchange_run(struct cluster *c)
{
	uint64_t every = (uint64_t)data_conf_int(c->rep->data, CL_STATUS_INTERVAL) * 1000;
	struct status_base base;
	struct peer **all;
	int64_t digest;
	size_t n;

	all = nodes_all(c->rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		if (exchange_due(c, all[i], every, &digest, &base))
			exchange_with(c, all[i], digest, &base);
		peer_free(all[i]);
	}
	free(all);
}
