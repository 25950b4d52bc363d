#include "config.h"

#include "status.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "flows.h"
#include "mem.h"
#include "nodes.h"
#include "settings.h"
#include "subscribe.h"

/* Statuses in a row without movement before the log is asked directly. */
#define STUCK	2

json_t *
status_question(struct ops *ops, const struct peer *p)
{
	char *name = ops_node_name(ops);
	json_t *list = json_array(), *o;
	struct flow **flows;
	size_t n;

	flows = flows_all(ops->flows, p->id, &n);
	for (size_t i = 0; i < n; i++) {
		const struct flow *fl = flows[i];

		if (fl->state != FLOW_RECOVER)
			json_array_append_new(list, json_pack("[I,I,I,I]", (json_int_t)fl->table,
			    (json_int_t)fl->incarnation, (json_int_t)fl->seq, (json_int_t)fl->ms));
		flow_free(flows[i]);
	}
	free(flows);
	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:o}", "id", ops->node_hex, "name", name,
	    "incarnation", (json_int_t)ops->log.incarnation, "now", (json_int_t)wall_ms(),
	    "digest", (json_int_t)peer_digest(p), "flows", list);
	free(name);
	return (o);
}

/* Whether our entry at seq is the one that the asker applied. */
static int
entry_is(struct ops *ops, uint64_t seq, uint64_t ms)
{
	struct buf k = { 0 }, v = { 0 };
	struct log_entry e;
	struct rd r;
	int same = 1;

	buf_be64(&k, seq);
	if (store_get(ops->store, NULL, CF_LOG, k.data, k.len, &v) == 1) {
		r = rd_init(v.data, v.len);
		same = log_entry_read(&r, &e) == -1 || e.ms == ms;
	}
	buf_free(&k);
	buf_free(&v);
	return (same);
}

json_t *
status_answer(struct ops *ops, const json_t *question, uint64_t *ahead)
{
	struct conf *conf = ops_conf(ops);
	json_t *heads = json_array(), *f, *o;
	uint8_t id[NODE_ID_LEN];
	struct peer *p = NULL;
	uint64_t mine = ops->log.incarnation;
	size_t i;

	*ahead = 0;
	json_array_foreach(json_object_get(question, "flows"), i, f) {
		json_int_t table, inc, seq, ms;
		struct table *t;

		if (json_unpack(f, "[I,I,I,I]", &table, &inc, &seq, &ms) == -1)
			continue;
		if ((uint64_t)inc > mine)
			*ahead = (uint64_t)inc > *ahead ? (uint64_t)inc : *ahead;
		else if ((uint64_t)inc == mine && ((uint64_t)seq > ops->log.durable ||
		    (ms != 0 && seq != 0 && !entry_is(ops, (uint64_t)seq, (uint64_t)ms))))
			*ahead = mine > *ahead ? mine : *ahead;
		t = catalog_by_id(ops->catalog, (uint32_t)table);
		json_array_append_new(heads, t == NULL ? json_pack("[I,i,i]", table, -1, 0) :
		    json_pack("[I,I,I,I]", table, (json_int_t)t->stat->head,
		    (json_int_t)t->stat->head_ms, (json_int_t)t->stat->count));
		table_unref(t);
	}
	if (node_id_read(json_string_value(json_object_get(question, "id")), id) == 0)
		p = nodes_by_id(ops->nodes, id);
	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:{s:I, s:I}, s:o, s:I, s:o}", "id",
	    ops->node_hex, "name", conf_str(conf, CL_NODENAME), "incarnation",
	    (json_int_t)mine, "now", (json_int_t)wall_ms(), "uptime",
	    (json_int_t)((mono_us() - ops->started_us) / 1000), "ports", "clustering",
	    (json_int_t)conf_int(conf, HUB_CLUSTER_PORT), "operations_api",
	    (json_int_t)conf_int(conf, API_PORT), "system_info", ops_system_info(), "digest",
	    (json_int_t)(p != NULL ? peer_digest(p) : 0), "heads", heads);
	peer_free(p);
	conf_free(conf);
	return (o);
}

int
status_differs(struct ops *ops, const struct peer *p, const json_t *answer)
{
	json_int_t theirs = json_integer_value(json_object_get(answer, "digest"));
	const json_t *h;
	size_t i;

	if ((uint64_t)theirs != peer_digest(p))
		return (1);
	/* A table that is gone may have been made again under another id. */
	json_array_foreach(json_object_get(answer, "heads"), i, h)
		if (json_integer_value(json_array_get(h, 1)) == -1)
			return (1);
	return (0);
}

struct looked {
	struct job	 job;	/* first */
	uint8_t		 peer[NODE_ID_LEN];
	json_t		*answer;
};

static void
look_at(struct group *g, struct flow *fl, uint64_t incarnation, uint64_t head, uint64_t head_ms,
    uint64_t rows)
{
	struct flows *f = group_ops(g)->flows;
	int moved;

	flows_lock(f);
	moved = fl->seq != fl->fetched;
	fl->head = head;
	fl->head_ms = head_ms;
	fl->peer_rows = rows;
	if (fl->state == FLOW_LIVE)
		fl->fetched = fl->seq;
	flows_unlock(f);
	if (incarnation > fl->incarnation) {
		if (fl->state == FLOW_LIVE || fl->state == FLOW_FETCH)
			flow_copy_anew(g, fl, 0);
		return;
	}
	if (fl->state != FLOW_LIVE)
		return;
	if (moved || head <= fl->seq)
		fl->stuck = 0;
	else if (++fl->stuck >= STUCK)
		flow_set(g, fl, FLOW_FETCH, "the stream does not bring what the log has");
}

static void
looked_run(struct group *g, struct job *j)
{
	struct looked *l = (struct looked *)j;
	uint64_t inc = (uint64_t)json_integer_value(json_object_get(l->answer, "incarnation"));
	json_t *h;
	size_t i;

	json_array_foreach(json_object_get(l->answer, "heads"), i, h) {
		json_int_t table, head, ms;
		struct flow *fl;

		if (json_unpack(h, "[I,I,I]", &table, &head, &ms) == -1 || head < 0)
			continue;
		fl = flows_find(group_ops(g)->flows, l->peer, (uint32_t)table);
		if (fl != NULL)
			/* Rows, at the end: nodes of before do not say it. */
			look_at(g, fl, inc, (uint64_t)head, (uint64_t)ms,
			    (uint64_t)json_integer_value(json_array_get(h, 3)));
	}
}

static void
looked_done(struct job *j)
{
	struct looked *l = (struct looked *)j;

	json_decref(l->answer);
	free(j->error);
	free(l);
}

struct job *
status_job(struct ops *ops, const struct peer *p, const json_t *answer)
{
	struct looked *l;

	if (json_array_size(json_object_get(answer, "heads")) == 0)
		return (NULL);
	l = xcalloc(1, sizeof(*l));
	l->job.run = looked_run;
	l->job.done = looked_done;
	l->job.remote = 1;
	memcpy(l->peer, p->id, NODE_ID_LEN);
	l->answer = json_incref((json_t *)answer);
	return (&l->job);
}
