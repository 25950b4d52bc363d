#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cluster_priv.h"
#include "opsd/cluster/incarnation.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/status.h"
#include "opsd/cluster/subscribe.h"
#include "opsd/cluster/topology.h"

/* The conversation with hubd, and through it with other nodes. */

/* ---- questions to nodes ---- */

/* To a node, or to all (only the time-out counts). */
struct node_ask {
	struct ask	 ask;	/* first */
	char		*node, *verb, *text;
	unsigned	 timeout_ms;
};

void
ask_end(struct ask *a, int status, json_t *answer)
{
	pthread_mutex_lock(&a->lock);
	a->status = status;
	a->answer = answer;
	a->done = 1;
	pthread_cond_signal(&a->cond);
	pthread_mutex_unlock(&a->lock);
}

static void
asked_cb(struct rd *body, void *arg)
{
	struct ask *a = arg;
	int status;

	if (body == NULL) {
		ask_end(a, 504, NULL);
		return;
	}
	status = rd_u16(body);
	rd_u32(body);
	ask_end(a, status, cluster_read_json(body));
}

static void
peer_req(struct cluster *c, const char *node, const char *verb, const char *text,
    unsigned timeout_ms, void (*cb)(struct rd *, void *), void *arg)
{
	struct buf b = { 0 };

	buf_str(&b, node);
	buf_str(&b, verb);
	buf_u32(&b, timeout_ms);
	buf_blob(&b, text, strlen(text));
	chan_call(c->hub, MSG_PEER_REQ, &b, timeout_ms + 1000, cb, arg);
}

static void
node_run(struct ask *a)
{
	struct node_ask *na = (struct node_ask *)a;

	if (a->c->hub == NULL)
		ask_end(a, 503, NULL);
	else
		peer_req(a->c, na->node, na->verb, na->text, na->timeout_ms, asked_cb, a);
}

static void
network_cb(struct rd *body, void *arg)
{
	struct ask *a = arg;

	ask_end(a, body != NULL ? 200 : 503, body != NULL ? cluster_read_json(body) : NULL);
}

static void
network_run(struct ask *a)
{
	unsigned timeout_ms = ((struct node_ask *)a)->timeout_ms;
	struct buf b = { 0 };

	if (a->c->hub == NULL) {
		ask_end(a, 503, NULL);
		return;
	}
	buf_u32(&b, timeout_ms);
	chan_call(a->c->hub, MSG_NETWORK, &b, timeout_ms + 2000, network_cb, a);
}

static void
ask_run(void *arg)
{
	struct ask *a = arg;

	a->run(a);
}

int
ask_wait(struct ask *a, json_t **answer)
{
	int quiet;

	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->cond, NULL);
	pthread_mutex_lock(&a->c->lock);
	quiet = a->c->quiet;
	if (!quiet)
		post(a->c->rep->data->svc->post, ask_run, a);
	pthread_mutex_unlock(&a->c->lock);
	if (quiet)
		ask_end(a, 503, NULL);
	pthread_mutex_lock(&a->lock);
	while (!a->done)
		pthread_cond_wait(&a->cond, &a->lock);
	pthread_mutex_unlock(&a->lock);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->cond);
	*answer = a->answer;
	return (a->status);
}

int
cluster_ask(struct cluster *c, const char *node, const char *verb, json_t *body,
    unsigned timeout_ms, json_t **answer)
{
	struct node_ask a = { .ask = { .c = c, .run = node_run }, .node = (char *)node,
	    .verb = (char *)verb, .timeout_ms = timeout_ms };
	int status;

	a.text = json_dumps(body, JSON_COMPACT);
	status = ask_wait(&a.ask, answer);
	free(a.text);
	return (status);
}

json_t *
cluster_network(struct cluster *c, unsigned timeout_ms)
{
	struct node_ask a = { .ask = { .c = c, .run = network_run }, .timeout_ms = timeout_ms };
	json_t *answer;

	ask_wait(&a.ask, &answer);
	return (answer);
}

/* ---- the status exchange ---- */

struct exchange {
	struct cluster	*c;
	uint8_t		 peer[NODE_ID_LEN];
	uint64_t	 upto;
};

static void
take_done(struct job *j)
{
	struct cluster *c = j->arg;
	struct take *t = (struct take *)j;
	const char *peer = json_string_value(json_object_get(t->offer, "name"));
	static struct log_brake brake = { .most = 10 };

	if (j->status != 200)
		log_braked(&brake, LOG_WARN, "entries of node %s: %s", peer != NULL ? peer : "?", j->error);
	take_free(t);
	cluster_kick(c);
}

static void
synced_cb(struct rd *body, void *arg)
{
	struct exchange *x = arg;
	struct cluster *c = x->c;
	json_t *answer = NULL;
	struct take *t;

	pthread_mutex_lock(&c->lock);
	cluster_view_of(c, x->peer)->syncing = 0;
	pthread_mutex_unlock(&c->lock);
	free(x);
	if (body == NULL)
		return;
	if (rd_u16(body) == 200) {
		rd_u32(body);
		answer = cluster_read_json(body);
	}
	if (answer == NULL)
		return;
	t = take_new(answer);
	t->job.arg = c;
	t->job.done = take_done;
	commit_submit(c->rep->data->commit, &t->job);
}

static void
sync_entries(struct cluster *c, const struct peer *p, struct view *v)
{
	struct exchange *x;
	json_t *entries, *offer;
	char *text;

	if (v->syncing || c->hub == NULL)
		return;
	v->syncing = 1;
	x = xcalloc(1, sizeof(*x));
	x->c = c;
	memcpy(x->peer, p->id, NODE_ID_LEN);
	entries = peer_entries_json(p);
	offer = offer_new(c->rep, entries, 0);
	text = json_dumps(offer, JSON_COMPACT);
	pthread_mutex_unlock(&c->lock);	/* the call may answer at once */
	peer_req(c, p->name, "entries", text, 5000, synced_cb, x);
	pthread_mutex_lock(&c->lock);
	free(text);
	json_decref(entries);
	json_decref(offer);
}

/* ---- who subscribes to whom ---- */

static json_t *
topology_own(struct replication *rep)
{
	char *name = data_node_name(rep->data);
	json_t *links = json_array(), *link;
	struct peer **all;
	size_t n;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		if ((link = topology_link(all[i])) != NULL)
			json_array_append_new(links, link);
		peer_free(all[i]);
	}
	free(all);
	link = json_pack("{s:s, s:s, s:b, s:o}", "id", rep->data->node_hex, "name", name, "relays",
	    (int)rep->data->live.republish, "links", links);
	free(name);
	return (link);
}

/* FNV-1a of the text; never 0. */
static int64_t
digest_of(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return ((int64_t)(h & INT64_MAX) | 1);
}

/* Peers that have it already are not sent it again. */
static void
add_topology(struct cluster *c, const json_t *question, json_t *answer)
{
	/* All that it is made from; the name changes with a restart only. */
	uint64_t changes = nodes_changes(c->rep->nodes) * 2 + (uint64_t)c->rep->data->live.republish;
	char *text;

	if (c->topology == NULL || changes != c->topology_changes) {
		json_decref(c->topology);
		c->topology = topology_own(c->rep);
		c->topology_changes = changes;
		text = json_dumps(c->topology, JSON_COMPACT);
		c->topology_digest = digest_of(text);
		free(text);
	}
	json_object_set_new(answer, "topology_digest", json_integer(c->topology_digest));
	if (json_integer_value(json_object_get(question, "topology_digest")) != c->topology_digest)
		json_object_set(answer, "topology", c->topology);
}

/* With the lock held. */
static void
take_topology(struct view *v, const json_t *answer)
{
	json_t *report = json_object_get(answer, "topology");

	if (!json_is_object(report))
		return;
	json_decref(v->topology);
	v->topology = json_incref(report);
	v->topology_digest = json_integer_value(json_object_get(answer, "topology_digest"));
}

json_t *
cluster_topology(struct cluster *c)
{
	json_t *list = json_array();
	struct peer **all;
	struct view *v;
	size_t n;

	json_array_append_new(list, topology_own(c->rep));
	all = nodes_all(c->rep->nodes, &n);
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < n; i++) {
		v = cluster_view_of(c, all[i]->id);
		/* Who was removed tells us nothing new. */
		if (peer_active(all[i]) && v->topology != NULL)
			json_array_append_new(list, json_deep_copy(v->topology));
		peer_free(all[i]);
	}
	pthread_mutex_unlock(&c->lock);
	free(all);
	return (list);
}

static void
take_status(struct cluster *c, const struct peer *p, struct view *v, json_t *answer,
    uint32_t rtt_us, const struct exchange *x)
{
	json_t *ports = json_object_get(answer, "ports");
	int64_t now = json_integer_value(json_object_get(answer, "now"));
	struct job *j;

	v->latency_ms = rtt_us / 1000.0;
	v->skew_from = cluster_clock();
	v->skew_ms = now - ((int64_t)wall_ms() - (int64_t)rtt_us / 2000);
	v->uptime_ms = (uint64_t)json_integer_value(json_object_get(answer, "uptime"));
	v->seen_ms = wall_ms();
	v->cluster_port = (int)json_integer_value(json_object_get(ports, "clustering"));
	v->api_port = (int)json_integer_value(json_object_get(ports, "operations_api"));
	json_decref(v->system_info);
	v->system_info = json_incref(json_object_get(answer, "system_info"));
	take_topology(v, answer);
	if (status_answered(&v->base, x->upto, answer))
		v->asked_us = 0;
	j = status_job(c->rep, p, answer);
	if (j != NULL)
		commit_submit(c->rep->data->commit, j);
	if (status_differs(c->rep, p, answer, v->synced_us) && mono_us() - v->synced_us > 1000000) {
		v->synced_us = mono_us();
		sync_entries(c, p, v);
	}
}

static void
status_cb(struct rd *body, void *arg)
{
	struct exchange *x = arg;
	struct cluster *c = x->c;
	struct peer *p = nodes_by_id(c->rep->nodes, x->peer);
	json_t *answer = NULL;
	uint32_t rtt = 0;
	struct view *v;

	if (body != NULL && rd_u16(body) == 200) {
		rtt = rd_u32(body);
		answer = cluster_read_json(body);
	}
	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, x->peer);
	v->asking = 0;
	if (p != NULL && answer != NULL) {
		const char *hex = json_string_value(json_object_get(answer, "id"));

		if (hex != NULL && strcmp(hex, p->hex) == 0)
			take_status(c, p, v, answer, rtt, x);
	}
	pthread_mutex_unlock(&c->lock);
	json_decref(answer);
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
	due = !v->asking && (v->asked_us == 0 || now - v->asked_us >= every_us) &&
	    cluster_answers_locked(c, p->name, p->hex);
	*digest = v->topology_digest;
	*base = v->base;
	if (due) {
		v->asking = 1;
		v->asked_us = now;
	}
	pthread_mutex_unlock(&c->lock);
	return (due);
}

static void
exchange_with(struct cluster *c, const struct peer *p, int64_t digest,
    const struct status_base *base)
{
	struct exchange *x = xcalloc(1, sizeof(*x));
	json_t *q = status_question(c->rep, p, base, &x->upto);
	char *text;

	c->told += json_array_size(json_object_get(q, "cursors"));
	json_object_set_new(q, "life", json_integer(c->life));
	json_object_set_new(q, "topology_digest", json_integer(digest));
	text = json_dumps(q, JSON_COMPACT);
	x->c = c;
	memcpy(x->peer, p->id, NODE_ID_LEN);
	peer_req(c, p->name, "status", text, 5000, status_cb, x);
	free(text);
	json_decref(q);
}

void
hublink_exchange(struct cluster *c)
{
	struct conf *conf = data_conf(c->rep->data);
	uint64_t every = (uint64_t)conf_int(conf, CL_STATUS_INTERVAL) * 1000;
	struct status_base base;
	struct peer **all;
	int64_t digest;
	size_t n;

	conf_free(conf);
	if (c->hub == NULL)
		return;
	all = nodes_all(c->rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		if (exchange_due(c, all[i], every, &digest, &base))
			exchange_with(c, all[i], digest, &base);
		peer_free(all[i]);
	}
	free(all);
}

uint64_t
cluster_told(const struct cluster *c)
{
	return (c->told);
}

/* ---- questions from nodes ---- */

static void
node_reply(struct chan *hub, uint32_t id, int status, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);
	struct buf b = { 0 };

	buf_u16(&b, (uint16_t)status);
	buf_blob(&b, text, strlen(text));
	chan_reply(hub, id, &b);
	free(text);
	json_decref(answer);
}

/* With the lock held: all that the asker has, with what it says now; NULL: there is a hole. */
static struct positions *
note_received(struct view *v, const json_t *q)
{
	int64_t life = json_integer_value(json_object_get(q, "life"));
	uint64_t since = (uint64_t)json_integer_value(json_object_get(q, "since"));

	if (since == 0) {
		positions_free(v->received);
		v->received = positions_new();
	} else if (v->received == NULL || v->received_life != life || v->received_upto != since)
		return (NULL);
	v->received_life = life;
	v->received_upto = (uint64_t)json_integer_value(json_object_get(q, "upto"));
	status_positions(q, v->received);
	return (positions_ref(v->received));
}

/* NULL as well when it is not known here, or only asks who we are. */
static struct positions *
received_from(struct cluster *c, const json_t *q)
{
	struct positions *p = NULL;
	struct peer *asker = NULL;
	uint8_t id[NODE_ID_LEN];

	if (json_object_get(q, "upto") != NULL &&
	    node_id_read(json_string_value(json_object_get(q, "id")), id) == 0)
		asker = nodes_by_id(c->rep->nodes, id);
	if (asker == NULL)
		return (NULL);
	peer_free(asker);
	pthread_mutex_lock(&c->lock);
	p = note_received(cluster_view_of(c, id), q);
	pthread_mutex_unlock(&c->lock);
	return (p);
}

/* Who asks is known under another name than that by which it answers now. */
static void
note_name(struct cluster *c, const json_t *q)
{
	const char *name = json_string_value(json_object_get(q, "name"));
	uint8_t id[NODE_ID_LEN];
	struct peer *p;

	if (name == NULL || !node_name_ok(name, strlen(name)) ||
	    node_id_read(json_string_value(json_object_get(q, "id")), id) == -1)
		return;
	p = nodes_by_id(c->rep->nodes, id);
	if (p != NULL && strcmp(p->name, name) != 0 && !cluster_peer_reachable(c, p) &&
	    cluster_reachable(c, name))
		commit_submit(c->rep->data->commit, nodes_rename_job(id, name));
	peer_free(p);
}

static void
answer_status(struct cluster *c, uint32_t id, json_t *q)
{
	uint64_t ahead = status_ahead(c->rep, q);
	struct positions *received = ahead == 0 ? received_from(c, q) : NULL;
	json_t *answer = status_answer(c->rep, q, received);

	positions_free(received);
	c->told += json_array_size(json_object_get(answer, "heads"));
	note_name(c, q);
	add_topology(c, q, answer);
	node_reply(c->hub, id, 200, answer);
	if (ahead != 0)
		commit_submit(c->rep->data->commit, incarnation_job(ahead,
		    json_string_value(json_object_get(q, "name"))));
}

struct taken {
	struct cluster	*c;
	uint32_t	 id;
	struct take	*t;
};

static void
taken_run(void *arg)
{
	struct taken *d = arg;
	struct take *t = d->t;

	if (d->c->hub != NULL)
		node_reply(d->c->hub, d->id, t->job.status, t->answer != NULL ?
		    json_incref(t->answer) : json_pack("{s:s}", "error", t->job.error != NULL ?
		    t->job.error : "not understood"));
	take_free(t);
	free(d);
}

static void
taken_done(struct job *j)
{
	struct taken *d = j->arg;

	post(d->c->rep->data->svc->post, taken_run, d);
}

static void
answer_entries(struct cluster *c, uint32_t id, json_t *q)
{
	struct taken *d = xcalloc(1, sizeof(*d));

	d->c = c;
	d->id = id;
	d->t = take_new(json_incref(q));
	d->t->answered = 1;
	d->t->job.arg = d;
	d->t->job.done = taken_done;
	commit_submit(c->rep->data->commit, &d->t->job);
}

static const struct {
	const char	*verb;
	void		(*fn)(struct cluster *c, uint32_t id, json_t *q);
} verbs[] = { { "status", answer_status }, { "entries", answer_entries } };

int
on_node_req(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;
	char *verb = rd_str(&m->body);
	size_t n, i;
	const uint8_t *p = rd_blob(&m->body, &n);
	json_t *q;

	if (!rd_done(&m->body) || verb == NULL) {
		free(verb);
		return (-1);
	}
	q = json_loadb((const char *)p, n, 0, NULL);
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (q != NULL && strcmp(verbs[i].verb, verb) == 0) {
			verbs[i].fn(c, m->id, q);
			break;
		}
	if (i == sizeof(verbs) / sizeof(verbs[0]))
		node_reply(ch, m->id, 400, json_pack("{s:s}", "error", "not understood"));
	json_decref(q);
	free(verb);
	return (0);
}

int
on_mesh(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;

	if (cluster_take_json(c, m, &c->mesh) == -1)
		return (-1);
	cluster_settle(c);
	leaflink_kick(c);
	return (0);
}
