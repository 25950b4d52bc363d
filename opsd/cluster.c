#include "config.h"

#include "cluster.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "apply.h"
#include "auth.h"
#include "clock.h"
#include "flows.h"
#include "log.h"
#include "mem.h"
#include "nodes.h"
#include "pull.h"
#include "retain.h"
#include "status.h"
#include "subscribe.h"
#include "tombstone.h"
#include "worker.h"

#define PULL_BYTES	(1u << 20)
#define PULLS_MAX	8
#define TICK_US		200000
#define RETAIN_US	10000000
#define AUDIT_EVERY	360		/* retentions */
#define ARRIVAL_US	15000000	/* how long after a start peers may still appear */

struct view {
	uint8_t		 id[NODE_ID_LEN];
	double		 latency_ms;
	int64_t		 skew_ms;
	uint64_t	 uptime_ms, seen_ms, asked_us, synced_us;
	int		 asking, syncing;
	int		 cluster_port, api_port;
	json_t		*system_info, *received;
	UT_hash_handle	 hh;
};

struct cluster {
	struct ops		*ops;
	struct chan_listener	*listener;
	struct chan		*hub, *leaf;
	unsigned		 leaf_gen;	/* which leafd an apply answers */
	struct event		*tick;
	pthread_mutex_t		 lock;		/* views, mesh, leaf_state */
	struct view		*views;
	json_t			*mesh, *leaf_state;
	char			*flows_sent;	/* what leafd was told, without hints */
	int			 pulls;
	uint64_t		 retained_us;
	unsigned		 retentions;
	int			 quiet;		/* the loop is about to end: nobody may wait for it */
	/* a LOG_READ that waits */
	int			 reading;
	uint32_t		 read_id, read_max;
	uint64_t		 read_after;
	_Atomic int		 logged, kicked;
};

static void kick_run(void *arg);

/* ---- settings ---- */

static void
send_json(struct chan *c, enum msg_type type, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);
	struct buf b = { 0 };

	buf_blob(&b, text, strlen(text));
	chan_send(c, type, &b);
	free(text);
	json_decref(o);
}

static json_t *
settings(struct ops *ops)
{
	struct conf *conf = ops_conf(ops);
	const char *user = conf_str(conf, CL_USER), *node = conf_str(conf, CL_NODENAME);
	char *password = user != NULL ? auth_cluster_password(ops, user) : NULL;
	int enabled = conf_bool(conf, CL_ENABLED);
	char *key = conf_str(conf, CL_TLS_KEY) != NULL ? xstrdup(conf_str(conf, CL_TLS_KEY)) :
	    conf_path(conf, "keys/privateKey.pem");
	char *cert = conf_str(conf, CL_TLS_CERT) != NULL ? xstrdup(conf_str(conf, CL_TLS_CERT)) :
	    conf_path(conf, "keys/certificate.pem");
	json_t *o;

	if (enabled && password == NULL) {
		log_warnx("clustering: user '%s' is not there or has no role cluster_user: off",
		    user != NULL ? user : "");
		enabled = 0;
	}
	o = json_pack("{s:b, s:s?, s:s, s:s?, s:s?, s:{s:s, s:s, s:s?, s:b, s:b}, s:o}", "enabled",
	    enabled, "node", node, "node_id", ops->node_hex, "user", user, "password", password,
	    "tls", "certificate", cert, "privateKey", key, "certificateAuthority",
	    conf_str(conf, CL_TLS_CA), "insecure", conf_bool(conf, CL_TLS_INSECURE), "verify",
	    conf_bool(conf, CL_TLS_VERIFY), "config", conf_tree(conf));
	free(key);
	free(cert);
	free(password);
	conf_free(conf);
	return (o);
}

static void
settings_run(void *arg)
{
	struct cluster *c = arg;

	if (c->hub != NULL)
		send_json(c->hub, MSG_SETTINGS, settings(c->ops));
	if (c->leaf != NULL)
		send_json(c->leaf, MSG_SETTINGS, settings(c->ops));
	kick_run(c);
}

void
cluster_settings(struct cluster *c)
{
	if (c != NULL)
		post(c->ops->svc->post, settings_run, c);
}

/* ---- who is there ---- */

static int
reachable(struct cluster *c, const char *node)
{
	json_t *n;
	size_t i;

	json_array_foreach(json_object_get(c->mesh, "nodes"), i, n)
		if (strcmp(json_string_value(n), node) == 0)
			return (1);
	return (0);
}

int
cluster_reachable(struct cluster *c, const char *node)
{
	int yes;

	pthread_mutex_lock(&c->lock);
	yes = reachable(c, node);
	pthread_mutex_unlock(&c->lock);
	return (yes);
}

int
cluster_recovering(struct cluster *c)
{
	struct ops *ops = c->ops;
	struct flow **flows;
	size_t n;
	int yes = 0, early = mono_us() - ops->started_us < ARRIVAL_US;

	flows = flows_all(ops->flows, NULL, &n);
	for (size_t i = 0; i < n; i++) {
		if (flows[i]->recovering && !yes) {
			char *name = nodes_name(ops->nodes, flows[i]->peer);

			yes = early || (name != NULL && cluster_reachable(c, name));
			free(name);
		}
		flow_free(flows[i]);
	}
	free(flows);
	return (yes);
}

/* With the lock held. */
static struct view *
view_of(struct cluster *c, const uint8_t *id)
{
	struct view *v;

	HASH_FIND(hh, c->views, id, NODE_ID_LEN, v);
	if (v == NULL) {
		v = xcalloc(1, sizeof(*v));
		memcpy(v->id, id, NODE_ID_LEN);
		v->latency_ms = -1;
		HASH_ADD(hh, c->views, id, NODE_ID_LEN, v);
	}
	return (v);
}

void
cluster_view(struct cluster *c, const uint8_t *peer, struct peer_view *out)
{
	char *name = nodes_name(c->ops->nodes, peer);
	struct view *v;

	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&c->lock);
	v = view_of(c, peer);
	out->reachable = name != NULL && reachable(c, name);
	out->latency_ms = v->latency_ms;
	out->skew_ms = v->skew_ms;
	out->uptime_ms = v->uptime_ms;
	out->seen_ms = v->seen_ms;
	out->cluster_port = v->cluster_port;
	out->api_port = v->api_port;
	out->system_info = json_deep_copy(v->system_info);
	out->received = json_deep_copy(v->received);
	pthread_mutex_unlock(&c->lock);
	free(name);
}

void
peer_view_clear(struct peer_view *v)
{
	json_decref(v->system_info);
	json_decref(v->received);
	memset(v, 0, sizeof(*v));
}

json_t *
cluster_servers(struct cluster *c)
{
	json_t *o;

	pthread_mutex_lock(&c->lock);
	o = json_pack("{s:O?, s:O?}", "hub", json_object_get(c->mesh, "server"), "leaf",
	    json_object_get(c->leaf_state, "server"));
	pthread_mutex_unlock(&c->lock);
	return (o);
}

/* ---- log out ---- */

static void
read_answer(struct cluster *c)
{
	struct buf b = { 0 };

	if (!c->reading || c->leaf == NULL)
		return;
	if (txlog_read(&c->ops->log, c->read_after, c->read_max, &b) <= 0) {
		buf_free(&b);
		return;
	}
	c->reading = 0;
	chan_reply(c->leaf, c->read_id, &b);
}

static void
logged_run(void *arg)
{
	struct cluster *c = arg;

	c->logged = 0;
	read_answer(c);
}

void
cluster_logged(struct cluster *c)
{
	if (c != NULL && !atomic_exchange(&c->logged, 1))
		post(c->ops->svc->post, logged_run, c);
}

static int
on_log_read(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;

	c->read_after = rd_u64(&m->body);
	c->read_max = rd_u32(&m->body);
	if (!rd_done(&m->body))
		return (-1);
	c->read_id = m->id;
	c->reading = 1;
	read_answer(c);
	return (0);
}

static int
on_log_ack(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;
	uint64_t inc = rd_u64(&m->body), seq = rd_u64(&m->body);

	if (!rd_done(&m->body))
		return (-1);
	c->ops->log.acked_inc = inc;
	c->ops->log.acked = seq;
	return (0);
}

struct tail {
	struct cluster	*c;
	unsigned	 gen;
	uint32_t	 id;
	uint64_t	 inc, window;
	struct job	*job;
};

static void
tail_answer(void *arg)
{
	struct tail *t = arg;
	struct txlog *l = &t->c->ops->log;
	uint64_t after = t->window;
	struct buf b = { 0 };

	if (t->inc == 0)
		after = l->acked_inc == l->incarnation ? l->acked : l->trimmed;
	if (after > l->last)
		after = l->last;
	buf_u64(&b, l->incarnation);
	buf_u64(&b, after);
	if (t->c->leaf != NULL && t->c->leaf_gen == t->gen)
		chan_reply(t->c->leaf, t->id, &b);
	buf_free(&b);
	free(t);
}

struct tail_job {
	struct job	 job;	/* first: an incarnation job's run with our done */
	struct tail	*t;
};

static void
tail_job_run(struct group *g, struct job *j)
{
	struct tail_job *tj = j->arg;
	struct job *inc = incarnation_job(tj->t->inc);

	inc->status = 200;
	inc->run(g, inc);
	inc->done(inc);
}

static void
tail_job_done(struct job *j)
{
	struct tail_job *tj = j->arg;

	post(tj->t->c->ops->svc->post, tail_answer, tj->t);
	free(j->error);
	free(tj);
}

static int
on_log_tail(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;
	struct txlog *l = &c->ops->log;
	struct tail *t = xcalloc(1, sizeof(*t));
	uint64_t last;

	t->c = c;
	t->gen = c->leaf_gen;
	t->id = m->id;
	t->inc = rd_u64(&m->body);
	t->window = rd_u64(&m->body);
	last = rd_u64(&m->body);
	if (!rd_done(&m->body)) {
		free(t);
		return (-1);
	}
	c->reading = 0;
	if (t->inc > l->incarnation || (t->inc == l->incarnation && last > l->durable)) {
		/* The stream has more than the log: the log went back in time. */
		struct tail_job *tj = xcalloc(1, sizeof(*tj));

		tj->t = t;
		tj->job.run = tail_job_run;
		tj->job.done = tail_job_done;
		tj->job.arg = tj;
		commit_submit(c->ops->commit, &tj->job);
		return (0);
	}
	tail_answer(t);
	return (0);
}

/* ---- frames in ---- */

static void
applied_run(void *arg)
{
	struct apply *a = arg;
	struct cluster *c = a->job.arg;
	struct buf b = { 0 };

	buf_u64(&b, a->stream_seq);
	if (c->leaf != NULL && c->leaf_gen == a->table)
		chan_reply(c->leaf, a->id, &b);
	buf_free(&b);
	apply_free(a);
}

static void
applied_done(struct job *j)
{
	struct cluster *c = j->arg;

	post(c->ops->svc->post, applied_run, j);
}

static int
on_apply(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;
	const uint8_t *peer = rd_bytes(&m->body, NODE_ID_LEN), *p;
	uint64_t seq = rd_u64(&m->body);
	size_t n;
	struct apply *a;

	p = rd_blob(&m->body, &n);
	if (!rd_done(&m->body))
		return (-1);
	a = apply_frame_new(peer, seq, p, n);
	a->id = m->id;
	a->table = c->leaf_gen;
	a->job.arg = c;
	a->job.done = applied_done;
	commit_submit(c->ops->commit, &a->job);
	return (0);
}

/* ---- serving peers ---- */

struct serve {
	struct cluster	*c;
	unsigned	 gen;
	uint32_t	 id;
	struct buf	 question, answer;
};

static void
serve_answer(void *arg)
{
	struct serve *s = arg;
	struct buf b = { 0 };

	buf_blob(&b, s->answer.data, s->answer.len);
	if (s->c->leaf != NULL && s->c->leaf_gen == s->gen)
		chan_reply(s->c->leaf, s->id, &b);
	buf_free(&b);
	buf_free(&s->question);
	buf_free(&s->answer);
	free(s);
}

static void
serve_work(void *arg)
{
	struct serve *s = arg;

	pull_serve(s->c->ops, s->question.data, s->question.len, &s->answer);
	post(s->c->ops->svc->post, serve_answer, s);
}

static int
on_serve(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;
	size_t n;
	const uint8_t *p = rd_blob(&m->body, &n);
	struct serve *s;

	if (!rd_done(&m->body))
		return (-1);
	s = xcalloc(1, sizeof(*s));
	s->c = c;
	s->gen = c->leaf_gen;
	s->id = m->id;
	buf_add(&s->question, p, n);
	workers_run(c->ops->workers, serve_work, s);
	return (0);
}

/* ---- pulling from peers ---- */

struct pull {
	struct cluster	*c;
	uint8_t		 peer[NODE_ID_LEN];
	uint32_t	 table;
	enum pull_kind	 kind;
};

static void
answer_done(struct job *j)
{
	struct cluster *c = j->arg;

	apply_free((struct apply *)j);
	cluster_kick(c);
}

static void
pulled_cb(struct rd *body, void *arg)
{
	struct pull *p = arg;
	struct cluster *c = p->c;
	const uint8_t *answer = NULL;
	size_t n = 0;
	struct apply *a;

	if (body != NULL) {
		uint16_t status = rd_u16(body);

		answer = rd_blob(body, &n);
		if (!rd_done(body) || status != 200)
			answer = NULL;
	}
	a = apply_answer_new(p->peer, p->table, p->kind, answer, answer != NULL ? n : 0);
	a->job.arg = c;
	a->job.done = answer_done;
	c->pulls--;
	commit_submit(c->ops->commit, &a->job);
	free(p);
}

static void
pull_send(struct cluster *c, const struct flow *fl, const char *node)
{
	struct pull *p = xcalloc(1, sizeof(*p));
	struct question q = { 0 };
	struct buf text = { 0 }, b = { 0 };
	struct conf *conf = ops_conf(c->ops);
	unsigned timeout = (unsigned)conf_int(conf, CL_REQUEST_TIMEOUT);

	conf_free(conf);
	p->c = c;
	memcpy(p->peer, fl->peer, NODE_ID_LEN);
	p->table = fl->table;
	p->kind = fl->state == FLOW_COPY || fl->state == FLOW_RECOVER ? PULL_ROWS : PULL_LOG;
	q.kind = p->kind;
	memcpy(q.asker, c->ops->node_id, NODE_ID_LEN);
	q.table = fl->table & UINT32_C(0x80000000) ? 0 : fl->table;
	q.database = fl->database;
	q.dblen = strlen(fl->database);
	q.name = fl->name;
	q.nlen = strlen(fl->name);
	q.after = fl->from_ms != 0 ? 0 : fl->fetched > fl->seq ? fl->fetched : fl->seq;
	q.from_ms = fl->from_ms;
	q.key = fl->next_key;
	q.klen = fl->next_len;
	q.max = PULL_BYTES;
	question_write(&text, &q);
	buf_str(&b, node);
	buf_u32(&b, timeout);
	buf_blob(&b, text.data, text.len);
	buf_free(&text);
	c->pulls++;
	chan_call(c->leaf, MSG_PULL, &b, timeout + 2000, pulled_cb, p);
}

static int
wants_pull(const struct flow *fl, uint64_t now)
{
	return (fl->state != FLOW_LIVE && !fl->pulling &&
	    now >= fl->retry_us);
}

static void
pulls_run(struct cluster *c)
{
	struct flows *f = c->ops->flows;
	uint64_t now = mono_us();
	struct flow *fl, **due;
	size_t n;

	if (c->leaf == NULL || c->pulls >= PULLS_MAX)
		return;
	due = flows_all(f, NULL, &n);
	for (size_t i = 0; i < n; i++) {
		char *name;

		if (c->pulls < PULLS_MAX && wants_pull(due[i], now) &&
		    (name = nodes_name(c->ops->nodes, due[i]->peer)) != NULL) {
			if (cluster_reachable(c, name)) {
				flows_lock(f);
				fl = flows_find(f, due[i]->peer, due[i]->table);
				if (fl != NULL)
					fl->pulling = 1;
				flows_unlock(f);
				if (fl != NULL)
					pull_send(c, due[i], name);
			}
			free(name);
		}
		flow_free(due[i]);
	}
	free(due);
}

/* ---- what leafd consumes ---- */

static json_t *
peer_flows(const struct peer *p)
{
	json_t *tables = json_array();

	for (size_t i = 0; i < p->n; i++)
		if (!p->entries[i].removed && p->entries[i].subscribe)
			json_array_append_new(tables, json_pack("[s,s]", p->entries[i].database,
			    p->entries[i].table));
	return (tables);
}

static void
flows_send(struct cluster *c)
{
	json_t *peers = json_array(), *o;
	struct peer **all;
	size_t n, i;
	char *text;

	if (c->leaf == NULL)
		return;
	all = nodes_all(c->ops->nodes, &n);
	for (i = 0; i < n; i++) {
		json_t *tables = peer_flows(all[i]);

		if (json_array_size(tables) > 0 && c->ops->live.clustering)
			json_array_append(peers, o = json_pack("{s:s, s:s, s:O}", "name",
			    all[i]->name, "id", all[i]->hex, "tables", tables));
		else
			o = NULL;
		json_decref(o);
		json_decref(tables);
		peer_free(all[i]);
	}
	free(all);
	text = json_dumps(peers, JSON_COMPACT);
	if (c->flows_sent != NULL && strcmp(text, c->flows_sent) == 0) {
		free(text);
		json_decref(peers);
		return;
	}
	free(c->flows_sent);
	c->flows_sent = text;
	json_array_foreach(peers, i, o) {
		uint8_t id[NODE_ID_LEN];

		hex_id(json_string_value(json_object_get(o, "id")), id);
		json_object_set_new(o, "stream_seq",
		    json_integer((json_int_t)flows_stream_seq(c->ops->flows, id)));
	}
	send_json(c->leaf, MSG_FLOWS, json_pack("{s:o}", "peers", peers));
}

static void
kick_run(void *arg)
{
	struct cluster *c = arg;

	c->kicked = 0;
	flows_send(c);
	pulls_run(c);
}

void
cluster_kick(struct cluster *c)
{
	if (c != NULL && !atomic_exchange(&c->kicked, 1))
		post(c->ops->svc->post, kick_run, c);
}

/* ---- questions to nodes ---- */

struct ask {
	struct cluster	*c;
	char		*node, *verb, *text;
	unsigned	 timeout_ms;
	pthread_mutex_t	 lock;
	pthread_cond_t	 cond;
	int		 done, status;
	json_t		*answer;
};

static json_t *
read_json(struct rd *r)
{
	size_t n;
	const uint8_t *p = rd_blob(r, &n);

	return (rd_done(r) ? json_loadb((const char *)p, n, JSON_DECODE_ANY, NULL) : NULL);
}

static void
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
	ask_end(a, status, read_json(body));
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
ask_run(void *arg)
{
	struct ask *a = arg;

	if (a->c->hub == NULL)
		ask_end(a, 503, NULL);
	else
		peer_req(a->c, a->node, a->verb, a->text, a->timeout_ms, asked_cb, a);
}

static void
network_cb(struct rd *body, void *arg)
{
	struct ask *a = arg;

	ask_end(a, body != NULL ? 200 : 503, body != NULL ? read_json(body) : NULL);
}

static void
network_run(void *arg)
{
	struct ask *a = arg;
	struct buf b = { 0 };

	if (a->c->hub == NULL) {
		ask_end(a, 503, NULL);
		return;
	}
	buf_u32(&b, a->timeout_ms);
	chan_call(a->c->hub, MSG_NETWORK, &b, a->timeout_ms + 2000, network_cb, a);
}

/* Run on the loop, wait here. */
static int
ask_wait(struct ask *a, void (*run)(void *), json_t **answer)
{
	int quiet;

	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->cond, NULL);
	pthread_mutex_lock(&a->c->lock);
	quiet = a->c->quiet;
	if (!quiet)
		post(a->c->ops->svc->post, run, a);
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
	struct ask a = { .c = c, .node = (char *)node, .verb = (char *)verb,
	    .timeout_ms = timeout_ms };
	int status;

	a.text = json_dumps(body, JSON_COMPACT);
	status = ask_wait(&a, ask_run, answer);
	free(a.text);
	return (status);
}

json_t *
cluster_network(struct cluster *c, unsigned timeout_ms)
{
	struct ask a = { .c = c, .timeout_ms = timeout_ms };
	json_t *answer;

	ask_wait(&a, network_run, &answer);
	return (answer);
}

/* ---- the status exchange ---- */

struct exchange {
	struct cluster	*c;
	uint8_t		 peer[NODE_ID_LEN];
	uint64_t	 sent_ms;
};

static void
take_done(struct job *j)
{
	struct cluster *c = j->arg;

	if (j->status != 200)
		log_warnx("entries of a peer: %s", j->error);
	take_free((struct take *)j);
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
	view_of(c, x->peer)->syncing = 0;
	pthread_mutex_unlock(&c->lock);
	free(x);
	if (body == NULL)
		return;
	if (rd_u16(body) == 200) {
		rd_u32(body);
		answer = read_json(body);
	}
	if (answer == NULL)
		return;
	t = take_new(answer);
	t->job.arg = c;
	t->job.done = take_done;
	commit_submit(c->ops->commit, &t->job);
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
	offer = offer_new(c->ops, entries, 0);
	text = json_dumps(offer, JSON_COMPACT);
	pthread_mutex_unlock(&c->lock);	/* the call may answer at once */
	peer_req(c, p->name, "entries", text, 5000, synced_cb, x);
	pthread_mutex_lock(&c->lock);
	free(text);
	json_decref(entries);
	json_decref(offer);
}

static void
take_status(struct cluster *c, const struct peer *p, struct view *v, json_t *answer,
    uint32_t rtt_us, uint64_t sent_ms)
{
	json_t *ports = json_object_get(answer, "ports");
	int64_t now = json_integer_value(json_object_get(answer, "now"));
	struct job *j;

	v->latency_ms = rtt_us / 1000.0;
	v->skew_ms = now - (int64_t)(sent_ms + wall_ms()) / 2;
	v->uptime_ms = (uint64_t)json_integer_value(json_object_get(answer, "uptime"));
	v->seen_ms = wall_ms();
	v->cluster_port = (int)json_integer_value(json_object_get(ports, "clustering"));
	v->api_port = (int)json_integer_value(json_object_get(ports, "operations_api"));
	json_decref(v->system_info);
	v->system_info = json_incref(json_object_get(answer, "system_info"));
	j = status_job(c->ops, p, answer);
	if (j != NULL)
		commit_submit(c->ops->commit, j);
	if (status_differs(c->ops, p, answer) && mono_us() - v->synced_us > 1000000) {
		v->synced_us = mono_us();
		sync_entries(c, p, v);
	}
}

static void
status_cb(struct rd *body, void *arg)
{
	struct exchange *x = arg;
	struct cluster *c = x->c;
	struct peer *p = nodes_by_id(c->ops->nodes, x->peer);
	json_t *answer = NULL;
	uint32_t rtt = 0;
	struct view *v;

	if (body != NULL && rd_u16(body) == 200) {
		rtt = rd_u32(body);
		answer = read_json(body);
	}
	pthread_mutex_lock(&c->lock);
	v = view_of(c, x->peer);
	v->asking = 0;
	if (p != NULL && answer != NULL) {
		const char *hex = json_string_value(json_object_get(answer, "id"));

		if (hex != NULL && strcmp(hex, p->hex) == 0)
			take_status(c, p, v, answer, rtt, x->sent_ms);
	}
	pthread_mutex_unlock(&c->lock);
	json_decref(answer);
	peer_free(p);
	free(x);
}

static void
statuses_run(struct cluster *c)
{
	struct conf *conf = ops_conf(c->ops);
	uint64_t every = (uint64_t)conf_int(conf, CL_STATUS_INTERVAL) * 1000, now = mono_us();
	struct peer **all;
	size_t n;

	conf_free(conf);
	if (c->hub == NULL)
		return;
	all = nodes_all(c->ops->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		struct view *v;
		int due;

		pthread_mutex_lock(&c->lock);
		v = view_of(c, all[i]->id);
		due = !v->asking && now - v->asked_us >= every && reachable(c, all[i]->name);
		if (due) {
			v->asking = 1;
			v->asked_us = now;
		}
		pthread_mutex_unlock(&c->lock);
		if (due) {
			struct exchange *x = xcalloc(1, sizeof(*x));
			json_t *q = status_question(c->ops, all[i]);
			char *text = json_dumps(q, JSON_COMPACT);

			x->c = c;
			memcpy(x->peer, all[i]->id, NODE_ID_LEN);
			x->sent_ms = wall_ms();
			peer_req(c, all[i]->name, "status", text, 5000, status_cb, x);
			free(text);
			json_decref(q);
		}
		peer_free(all[i]);
	}
	free(all);
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

static void
note_received(struct cluster *c, const json_t *q)
{
	json_t *received = json_object(), *f;
	uint8_t id[NODE_ID_LEN];
	size_t i;

	json_array_foreach(json_object_get(q, "flows"), i, f) {
		json_int_t table, inc, seq, ms;
		char key[16];

		if (json_unpack(f, "[I,I,I,I]", &table, &inc, &seq, &ms) == -1 ||
		    (uint64_t)inc != c->ops->log.incarnation)
			continue;
		snprintf(key, sizeof(key), "%u", (unsigned)table);
		json_object_set_new(received, key, json_integer(seq));
	}
	if (hex_id(json_string_value(json_object_get(q, "id")), id) == 0) {
		struct view *v;

		pthread_mutex_lock(&c->lock);
		v = view_of(c, id);
		json_decref(v->received);
		v->received = json_incref(received);
		pthread_mutex_unlock(&c->lock);
	}
	json_decref(received);
}

static void
answer_status(struct cluster *c, uint32_t id, json_t *q)
{
	uint64_t ahead;

	note_received(c, q);
	node_reply(c->hub, id, 200, status_answer(c->ops, q, &ahead));
	if (ahead != 0)
		commit_submit(c->ops->commit, incarnation_job(ahead));
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

	post(d->c->ops->svc->post, taken_run, d);
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
	commit_submit(c->ops->commit, &d->t->job);
}

static const struct {
	const char	*verb;
	void		(*fn)(struct cluster *c, uint32_t id, json_t *q);
} verbs[] = { { "status", answer_status }, { "entries", answer_entries } };

static int
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

static int
on_mesh(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;
	json_t *o = read_json(&m->body);

	if (o == NULL)
		return (-1);
	pthread_mutex_lock(&c->lock);
	json_decref(c->mesh);
	c->mesh = o;
	pthread_mutex_unlock(&c->lock);
	pulls_run(c);
	return (0);
}

static int
on_leaf_state(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;
	json_t *o = read_json(&m->body);

	if (o == NULL)
		return (-1);
	pthread_mutex_lock(&c->lock);
	json_decref(c->leaf_state);
	c->leaf_state = o;
	pthread_mutex_unlock(&c->lock);
	return (0);
}

/* ---- life ---- */

static void
peer_up(struct chan *ch, enum role role, void *arg)
{
	struct cluster *c = arg;

	log_info("%s is here", role_name(role));
	send_json(ch, MSG_SETTINGS, settings(c->ops));
	if (role == ROLE_HUBD)
		c->hub = ch;
	if (role == ROLE_LEAFD) {
		c->leaf = ch;
		c->leaf_gen++;
		c->reading = 0;
		free(c->flows_sent);
		c->flows_sent = NULL;
		kick_run(c);
	}
}

static void
peer_down(struct chan *ch, enum role role, void *arg)
{
	struct cluster *c = arg;

	log_info("%s is gone", role_name(role));
	pthread_mutex_lock(&c->lock);
	if (c->hub == ch) {
		c->hub = NULL;
		json_decref(c->mesh);
		c->mesh = NULL;
	}
	if (c->leaf == ch) {
		c->leaf = NULL;
		c->leaf_gen++;
		c->reading = 0;
		json_decref(c->leaf_state);
		c->leaf_state = NULL;
	}
	pthread_mutex_unlock(&c->lock);
}

static const struct chan_handler handlers[] = {
	{ MSG_LOG_TAIL, on_log_tail }, { MSG_LOG_READ, on_log_read }, { MSG_LOG_ACK, on_log_ack },
	{ MSG_APPLY, on_apply }, { MSG_SERVE, on_serve }, { MSG_LEAF_STATE, on_leaf_state },
	{ MSG_NODE_REQ, on_node_req }, { MSG_MESH, on_mesh }, { 0, NULL }
};

static const struct chan_ops chan_ops = { handlers, peer_up, peer_down };

static void
cluster_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct cluster *c = arg;

	if (c->ops->live.clustering) {
		statuses_run(c);
		pulls_run(c);
	}
	if (mono_us() - c->retained_us > RETAIN_US) {
		c->retained_us = mono_us();
		retain_run(c->ops, c->retentions++ % AUDIT_EVERY == 0);
		tombstone_run(c->ops);
	}
}

struct cluster *
cluster_start(struct ops *ops, char **err)
{
	struct cluster *c = xcalloc(1, sizeof(*c));
	char *path = conf_run_path(ops->svc->conf, "ops.sock");
	struct timeval tv = { 0, TICK_US };

	c->ops = ops;
	c->retained_us = mono_us();
	pthread_mutex_init(&c->lock, NULL);
	c->listener = chan_listen(ops->svc->base, path, ROLE_OPSD, &chan_ops, c);
	if (c->listener == NULL) {
		*err = xasprintf("%s: %s", path, strerror(errno));
		free(path);
		free(c);
		return (NULL);
	}
	free(path);
	c->tick = event_new(ops->svc->base, -1, EV_PERSIST, cluster_tick_cb, c);
	event_add(c->tick, &tv);
	return (c);
}

void
cluster_quiet(struct cluster *c)
{
	struct chan_listener *l = c->listener;

	pthread_mutex_lock(&c->lock);
	c->quiet = 1;
	pthread_mutex_unlock(&c->lock);
	event_free(c->tick);
	c->hub = c->leaf = NULL;
	c->leaf_gen++;
	c->listener = NULL;
	chan_listener_free(l);
	event_base_loop(c->ops->svc->base, EVLOOP_NONBLOCK);	/* who waits already */
}

void
cluster_stop(struct cluster *c)
{
	struct view *v, *tmp;

	if (c == NULL)
		return;
	HASH_ITER(hh, c->views, v, tmp) {
		HASH_DEL(c->views, v);
		json_decref(v->system_info);
		json_decref(v->received);
		free(v);
	}
	json_decref(c->mesh);
	json_decref(c->leaf_state);
	free(c->flows_sent);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
