#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "opsd/cluster/apply.h"
#include "opsd/cluster/cluster_priv.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/incarnation.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/outlet.h"
#include "opsd/cluster/catchup.h"

/* The conversation with leafd. */

#define PULL_BYTES	(1u << 20)
#define PULLS_MAX	8
#define PASS_BYTES	(4u << 20)	/* of the log passed over in one turn of the loop */
#define STREAM_PURGE_MS	30000

/* ---- log out ---- */

static void
left_cb(struct rd *body, void *arg)
{
}

/* Nobody gets the table any more: nobody need be able to. */
static void
withdraw(const char *database, const char *table, void *arg)
{
	struct cluster *c = arg;
	struct buf b = { 0 };

	buf_str(&b, database);
	buf_str(&b, table);
	buf_u64(&b, UINT64_MAX);
	chan_call(c->leaf, MSG_STREAM_PURGE, &b, STREAM_PURGE_MS, left_cb, NULL);
}

/* While all that leafd was given is in the stream, what was passed over since counts as well. */
static void
settle_acked(struct cluster *c)
{
	struct txlog *l = &c->rep->data->log;

	if (l->acked_inc == l->incarnation && !c->unacked && c->passed > l->acked)
		l->acked = c->passed;
}

/* 1: something was given; 0: there is nothing; -1: not all was looked at. */
static int
read_some(struct cluster *c, struct buf *out)
{
	struct txlog *l = &c->rep->data->log;
	struct log_read q = { .after = c->passed, .max = c->read_max, .scan = PASS_BYTES,
	    .wants = outlet_wants, .arg = c->outlet };
	uint64_t durable = l->durable;
	int n;

	if (!outlet_any(c->outlet)) {
		if (durable > c->passed)
			c->passed = durable;
		return (0);
	}
	if ((n = txlog_read(l, &q, out)) == -1)
		return (0);
	c->passed = q.upto;
	if (n == 0)
		return (q.cut ? -1 : 0);
	c->given = q.last;
	c->unacked = 1;
	return (1);
}

static void
read_answer(struct cluster *c)
{
	struct buf b = { 0 };
	int found;

	if (!c->reading || c->leaf == NULL)
		return;
	outlet_review(c->outlet, withdraw, c);
	found = read_some(c, &b);
	settle_acked(c);
	if (found == 1) {
		c->reading = 0;
		chan_reply(c->leaf, c->read_id, &b);
	} else if (found == -1)
		cluster_logged(c);	/* others want the loop's thread, too */
	buf_free(&b);
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
		post(c->rep->data->svc->post, logged_run, c);
}

int
on_log_read(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;

	uint64_t after = rd_u64(&m->body);

	c->read_max = rd_u32(&m->body);
	if (!rd_done(&m->body))
		return (-1);
	if (after != c->given)
		c->given = c->passed = after;
	c->read_id = m->id;
	c->reading = 1;
	read_answer(c);
	return (0);
}

int
on_log_ack(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;
	uint64_t inc = rd_u64(&m->body), seq = rd_u64(&m->body);

	if (!rd_done(&m->body))
		return (-1);
	c->rep->data->log.acked_inc = inc;
	c->rep->data->log.acked = c->rep->data->log.streamed = seq;
	c->unacked = seq != c->given;
	settle_acked(c);
	return (0);
}

struct tail {
	struct cluster	*c;
	unsigned	 gen;
	uint32_t	 id;
	uint64_t	 inc, window;
};

static void
tail_answer(void *arg)
{
	struct tail *t = arg;
	struct txlog *l = &t->c->rep->data->log;
	uint64_t after = t->window;
	struct buf b = { 0 };

	/* Beyond what the stream ends with there was nothing for it. */
	if (l->acked_inc == l->incarnation && (t->inc == 0 || (t->inc == l->incarnation &&
	    t->window == l->streamed)))
		after = l->acked;
	else if (t->inc == 0)
		after = l->trimmed;
	if (after > l->last)
		after = l->last;
	l->acked_inc = l->incarnation;
	l->acked = after;
	l->streamed = t->inc == l->incarnation ? t->window : 0;
	t->c->given = t->c->passed = after;
	t->c->unacked = 0;
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
	struct job *inc = incarnation_job(tj->t->inc, NULL);

	inc->status = 200;
	inc->run(g, inc);
	inc->done(inc);
}

static void
tail_job_done(struct job *j)
{
	struct tail_job *tj = j->arg;

	post(tj->t->c->rep->data->svc->post, tail_answer, tj->t);
	free(j->error);
	free(tj);
}

int
on_log_tail(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;
	struct txlog *l = &c->rep->data->log;
	struct tail *t = xcalloc(1, sizeof(*t));
	uint64_t last, seq, mark;

	t->c = c;
	t->gen = c->leaf_gen;
	t->id = m->id;
	t->inc = rd_u64(&m->body);
	t->window = rd_u64(&m->body);
	last = rd_u64(&m->body);
	seq = rd_u64(&m->body);
	mark = rd_u64(&m->body);
	if (!rd_done(&m->body)) {
		free(t);
		return (-1);
	}
	c->reading = 0;
	if (!txlog_has(l, NULL, t->inc, seq, mark) ||
	    (t->inc == l->incarnation && last > l->durable)) {
		struct tail_job *tj = xcalloc(1, sizeof(*tj));

		tj->t = t;
		tj->job.run = tail_job_run;
		tj->job.done = tail_job_done;
		tj->job.arg = tj;
		commit_submit(c->rep->data->commit, &tj->job);
		return (0);
	}
	tail_answer(t);
	return (0);
}

/* ---- what the log has no more ---- */

struct purge_ask {
	struct ask	 ask;	/* first */
	const char	*database, *table;
	uint64_t	 upto;
};

static void
purged_cb(struct rd *body, void *arg)
{
	int status = body != NULL ? rd_u16(body) : 503;
	uint64_t n = body != NULL ? rd_u64(body) : 0;

	ask_end(arg, status, json_integer((json_int_t)n));
}

static void
purge_run(struct ask *a)
{
	struct purge_ask *p = (struct purge_ask *)a;
	struct buf b = { 0 };

	if (a->c->leaf == NULL) {
		ask_end(a, 503, NULL);
		return;
	}
	buf_str(&b, p->database);
	buf_str(&b, p->table);
	buf_u64(&b, p->upto);
	chan_call(a->c->leaf, MSG_STREAM_PURGE, &b, STREAM_PURGE_MS, purged_cb, a);
}

int64_t
cluster_purge(struct cluster *c, const char *database, const char *table, uint64_t upto)
{
	struct purge_ask p = { .ask = { .c = c, .run = purge_run }, .database = database,
	    .table = table, .upto = upto };
	json_t *answer = NULL;
	int status = ask_wait(&p.ask, &answer);
	int64_t n = status == 200 ? json_integer_value(answer) : -1;

	json_decref(answer);
	return (n);
}

void
cluster_expect(struct cluster *c, const json_t *entries, int on)
{
	outlet_expect(c->outlet, entries, on);
	cluster_kick(c);
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

	post(c->rep->data->svc->post, applied_run, j);
}

int
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
	commit_submit(c->rep->data->commit, &a->job);
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

	catchup_serve(s->c->rep, s->question.data, s->question.len, &s->answer);
	post(s->c->rep->data->svc->post, serve_answer, s);
}

int
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
	workers_run(c->rep->data->workers, serve_work, s);
	return (0);
}

/* ---- pulling from peers ---- */

struct pull {
	struct cluster	*c;
	uint8_t		 peer[NODE_ID_LEN];
	uint32_t	 table;
	enum catchup_kind	 kind;
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
	commit_submit(c->rep->data->commit, &a->job);
	free(p);
}

/* The question in a message to leafd; how long that takes at most. */
static unsigned
pull_write(struct replication *rep, struct buf *b, const char *node, const struct catchup_question *q)
{
	struct conf *conf = data_conf(rep->data);
	unsigned timeout = (unsigned)conf_int(conf, CL_REQUEST_TIMEOUT);
	struct buf text = { 0 };

	conf_free(conf);
	catchup_question_write(&text, q);
	buf_str(b, node);
	buf_u32(b, timeout);
	buf_blob(b, text.data, text.len);
	buf_free(&text);
	return (timeout + 2000);
}

static void
pull_send(struct cluster *c, const struct cursor *cur, const char *node)
{
	struct pull *p = xcalloc(1, sizeof(*p));
	struct catchup_question q = { 0 };
	struct buf b = { 0 };
	unsigned timeout;

	p->c = c;
	memcpy(p->peer, cur->peer, NODE_ID_LEN);
	p->table = cur->table;
	p->kind = cur->state == CURSOR_COPY || cur->state == CURSOR_RECOVER ? CATCHUP_ROWS : CATCHUP_LOG;
	q.kind = p->kind;
	memcpy(q.asker, c->rep->data->node_id, NODE_ID_LEN);
	q.table = cur->table & UINT32_C(0x80000000) ? 0 : cur->table;
	q.database = cur->database;
	q.dblen = strlen(cur->database);
	q.name = cur->name;
	q.nlen = strlen(cur->name);
	q.incarnation = cur->incarnation;
	q.seq = cur->seq;
	q.mark = cur->mark;
	q.after = cur->from_ms != 0 ? 0 : cur->fetched > cur->seq ? cur->fetched : cur->seq;
	q.from_ms = cur->from_ms;
	q.key = cur->next_key;
	q.klen = cur->next_len;
	q.max = PULL_BYTES;
	timeout = pull_write(c->rep, &b, node, &q);
	c->pulls++;
	chan_call(c->leaf, MSG_PULL, &b, timeout, pulled_cb, p);
}

static void
pull_from(struct cluster *c, const struct peer *p)
{
	struct cursors *f = c->rep->cursors;
	struct cursor *cur, **due;
	size_t n;

	due = cursors_due(f, p->id, mono_us(), (size_t)(PULLS_MAX - c->pulls), &n);
	for (size_t i = 0; i < n; i++) {
		cursors_lock(f);
		cur = cursors_find(f, p->id, due[i]->table);
		if (cur != NULL)
			cur->pulling = 1;
		cursors_unlock(f);
		if (cur != NULL)
			pull_send(c, due[i], p->name);
		cursor_free(due[i]);
	}
	free(due);
}

void
leaflink_pull(struct cluster *c)
{
	struct peer **all;
	size_t n;

	if (c->leaf == NULL || c->pulls >= PULLS_MAX)
		return;
	all = nodes_all(c->rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		if (c->pulls < PULLS_MAX && cluster_peer_reachable(c, all[i]))
			pull_from(c, all[i]);
		peer_free(all[i]);
	}
	free(all);
}

struct pull_ask {
	struct ask		 ask;	/* first */
	const char		*node;
	const struct catchup_question	*q;
	struct buf		*answer;
};

static void
pull_asked_cb(struct rd *body, void *arg)
{
	struct pull_ask *p = arg;
	int status = body != NULL ? rd_u16(body) : 504;
	size_t n = 0;
	const uint8_t *bytes = body != NULL ? rd_blob(body, &n) : NULL;

	if (bytes != NULL)
		buf_add(p->answer, bytes, n);
	ask_end(&p->ask, status, NULL);
}

static void
pull_ask_run(struct ask *a)
{
	struct pull_ask *p = (struct pull_ask *)a;
	struct buf b = { 0 };
	unsigned timeout;

	if (a->c->leaf == NULL) {
		ask_end(a, 503, NULL);
		return;
	}
	timeout = pull_write(a->c->rep, &b, p->node, p->q);
	chan_call(a->c->leaf, MSG_PULL, &b, timeout, pull_asked_cb, a);
}

int
cluster_pull(struct cluster *c, const char *node, const struct catchup_question *q, struct buf *answer)
{
	struct pull_ask p = { .ask = { .c = c, .run = pull_ask_run }, .node = node, .q = q,
	    .answer = answer };
	json_t *none;

	return (ask_wait(&p.ask, &none));
}

/* ---- what leafd consumes ---- */

static json_t *
peer_cursors(const struct peer *p)
{
	json_t *tables = json_array();

	for (size_t i = 0; i < p->n; i++)
		if (!p->entries[i].removed && p->entries[i].subscribe)
			json_array_append_new(tables, json_pack("[s,s]", p->entries[i].database,
			    p->entries[i].table));
	return (tables);
}

/* It shares its id or name with another node, or we do. */
static int
is_shut_out(const struct cluster *c, const char *name)
{
	const json_t *conflict, *n;
	size_t i, k;

	json_array_foreach(json_object_get(c->mesh, "conflicts"), i, conflict) {
		if (json_is_true(json_object_get(conflict, "own")))
			return (1);
		json_array_foreach(json_object_get(conflict, "nodes"), k, n)
			if (strcmp(json_string_value(n), name) == 0)
				return (1);
	}
	return (0);
}

/* Changes when what it is made from does. */
static uint64_t
cursors_version(const struct cluster *c)
{
	const json_t *conflicts = json_object_get(c->mesh, "conflicts");
	uint64_t version = nodes_changes(c->rep->nodes) * 2 + (uint64_t)c->rep->data->live.clustering;
	char *text = json_array_size(conflicts) > 0 ? json_dumps(conflicts, JSON_COMPACT) : NULL;

	for (const char *s = text; s != NULL && *s != '\0'; s++)
		version = (version ^ (uint8_t)*s) * UINT64_C(1099511628211);
	free(text);
	return (version);
}

static void
cursors_send(struct cluster *c)
{
	uint64_t changes = cursors_version(c);
	json_t *peers, *o;
	struct peer **all;
	size_t n, i;
	char *text;

	if (c->leaf == NULL || c->leaf_held != 0 ||
	    (c->cursors_sent != NULL && changes == c->cursors_changes))
		return;
	c->cursors_changes = changes;
	peers = json_array();
	all = nodes_all(c->rep->nodes, &n);
	for (i = 0; i < n; i++) {
		json_t *tables = peer_cursors(all[i]);

		if (json_array_size(tables) > 0 && c->rep->data->live.clustering &&
		    !is_shut_out(c, all[i]->name))
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
	if (c->cursors_sent != NULL && strcmp(text, c->cursors_sent) == 0) {
		free(text);
		json_decref(peers);
		return;
	}
	free(c->cursors_sent);
	c->cursors_sent = text;
	json_array_foreach(peers, i, o) {
		uint8_t id[NODE_ID_LEN];

		node_id_read(json_string_value(json_object_get(o, "id")), id);
		json_object_set_new(o, "stream_seq",
		    json_integer((json_int_t)cursors_stream_seq(c->rep->cursors, id)));
	}
	cluster_send_json(c->leaf, MSG_CONSUME, json_pack("{s:o}", "peers", peers));
}

void
leaflink_kick(void *arg)
{
	struct cluster *c = arg;

	c->kicked = 0;
	if (c->leaf != NULL)
		outlet_review(c->outlet, withdraw, c);
	read_answer(c);
	cursors_send(c);
	leaflink_pull(c);
}

void
cluster_kick(struct cluster *c)
{
	if (c != NULL && !atomic_exchange(&c->kicked, 1))
		post(c->rep->data->svc->post, leaflink_kick, c);
}

int
on_leaf_state(struct chan *ch, struct msg *m, void *arg)
{
	struct cluster *c = arg;

	return (cluster_take_json(c, m, &c->leaf_state));
}
