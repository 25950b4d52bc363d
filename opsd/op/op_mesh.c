#include "config.h"

#include "opsd/op/op_cluster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/words.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/daemons.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/progress.h"
#include "opsd/cluster/warnings.h"
#include "opsd/job/resync.h"
#include "opsd/lite/lite.h"
#include "opsd/op/node.h"
#include "opsd/op/op_linkstatus.h"
#include "opsd/op/op_revoked.h"
#include "opsd/op/op_unlinked.h"
#include "opsd/pki/retained.h"
#include "opsd/snapshot/snapshots.h"

#define NETWORK_MS     2000 /* cluster_network waits this long by default */
#define NETWORK_MAX_MS 60000

static const char *const rank_words[] = { "open", "syncing", "clock", "failed" };

struct connection {
	struct ops *ops;
	struct peer *peer;
	struct peer_view view;
	struct cursor_view **cursors;
	size_t n;
	struct progress *progress; /* of each entry */
};

static int
is_closed(const struct connection *c)
{
	return (!c->ops->data.live.replicates || !c->view.reachable || c->view.refused != NULL);
}

static const char *
connection_status(const struct connection *c)
{
	enum rank worst = RANK_OPEN;

	if (c->ops->data.live.replicates && c->view.reachable && c->view.refused != NULL)
		return ("refused");
	if (is_closed(c))
		return ("closed");
	for (size_t i = 0; i < c->n; i++)
		if (progress_rank(c->cursors[i]) > worst)
			worst = progress_rank(c->cursors[i]);
	return (rank_words[worst]);
}

static json_t *
number_or_null(int known, json_int_t n)
{
	return (known ? json_integer(n) : json_null());
}

static json_t *
uptime_text(uint64_t ms)
{
	char *words = words_duration(ms);
	json_t *text = json_string(words);

	free(words);
	return (text);
}

/*
 * A log has one counter for all its tables: more than one transaction is the most that can be
 * missing, as others' lie between.
 */
static void
add_lag(json_t *o, const char *name, const char *bound, json_int_t n)
{
	json_object_set_new(o, name, json_integer(n));
	json_object_set_new(o, bound, json_boolean(n > 1));
}

/* How far we are with what the peer sends.  For "*" the worst table counts. */
static void
add_received(const struct connection *c, const struct subscription *e, const struct progress *at,
    json_t *o)
{
	const struct cursor_view *worst = at->worst;
	int closed = is_closed(c);
	uint64_t since = at->since_ms != 0 || !closed ? at->since_ms : c->view.seen_ms;

	json_object_set_new(o, "state",
	    json_string(worst != NULL                     ? progress_word(worst, closed) :
		    strcmp(e->table, "*") == 0 && !closed ? "live" :
							    "waiting"));
	if (strcmp(e->table, "*") == 0)
		json_object_set_new(o, "tables", json_integer((json_int_t)at->tables));
	else
		json_object_set_new(o, "cursor",
		    number_or_null(worst != NULL, worst != NULL ? (json_int_t)worst->seq : 0));
	add_lag(o, "lag", "lag_bound", (json_int_t)at->lag);
	json_object_set_new(o, "lag_ms", number_or_null(at->lag_ms != -1, at->lag_ms));
	if (worst != NULL && worst->state == CURSOR_COPY) {
		json_object_set_new(o, "rows_copied", json_integer((json_int_t)at->rows));
		json_object_set_new(o, "rows_total",
		    number_or_null(at->total != 0, (json_int_t)at->total));
	}
	if (since != 0)
		json_object_set_new(o, "since", json_integer((json_int_t)since));
	if (worst != NULL && worst->why != NULL && worst->why[0] != '\0')
		json_object_set_new(o, "error", json_string(worst->why));
}

static json_t *
subscriptions_json(const struct connection *c)
{
	json_t *list = json_array(), *o;

	for (size_t i = 0; i < c->peer->subs.n; i++) {
		const struct subscription *e = &c->peer->subs.list[i];

		if (e->removed || subscription_is_proposal(e))
			continue;
		o = subscription_shown(e);
		if (subscription_brings(e))
			add_received(c, e, &c->progress[i], o);
		/* How far the peer is with what we send; null until it has said so. */
		if (subscription_gives(e) && c->view.received != NULL)
			add_lag(o, "peer_lag", "peer_lag_bound",
			    (json_int_t)c->progress[i].peer_lag);
		else if (subscription_gives(e))
			json_object_set_new(o, "peer_lag", json_null());
		json_array_append_new(list, o);
	}
	return (list);
}

/* What one side wants, and the other has not agreed to. */
static void
add_proposals(json_t *o, const struct peer *p)
{
	json_t *list = json_array(), *one;

	for (size_t i = 0; i < p->subs.n; i++)
		if ((one = subscription_proposed(&p->subs.list[i])) != NULL)
			json_array_append_new(list, one);
	if (json_array_size(list) > 0)
		json_object_set(o, "proposals", list);
	json_decref(list);
}

static json_t *
connection_json(const struct connection *c)
{
	const struct peer_view *v = &c->view;
	json_t *info = v->system_info != NULL ? v->system_info : c->peer->system_info;
	uint64_t now = wall_ms();
	int seen = v->seen_ms != 0, there = seen && v->reachable;

	return (json_pack("{s:s, s:s, s:s, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:s*, s:O?}",
	    "node_name", c->peer->name, "node_id", c->peer->hex, "status", connection_status(c),
	    "ports", "clustering", number_or_null(v->cluster_port != 0, v->cluster_port),
	    "operations_api", number_or_null(v->api_port != 0, v->api_port), "latency_ms",
	    there && v->latency_ms >= 0 ? json_real(round(v->latency_ms * 1000) / 1000) :
					  json_null(),
	    "clock_skew_ms", number_or_null(seen, v->skew_ms), "uptime",
	    there ? uptime_text(v->uptime_ms + (now > v->seen_ms ? now - v->seen_ms : 0)) :
		    json_null(),
	    "subscriptions", subscriptions_json(c), "error", v->refused, "system_info", info));
}

static int
by_node_name(const void *a, const void *b)
{
	return (strcmp((*(struct peer *const *)a)->name, (*(struct peer *const *)b)->name));
}

static json_t *
look_peer(struct op_linkstatus *s, struct peer *p)
{
	struct ops *ops = s->ops;
	struct connection c = { .ops = ops, .peer = p };
	json_t *o, *resyncs;

	cluster_view(ops->rep.cluster, p->id, &c.view);
	c.cursors = cursors_all(ops->rep.cursors, p->id, &c.n);
	c.progress = progress_new(p, c.cursors, c.n);
	progress_add_sent(c.progress, p, s->tables, s->ntables, &c.view);
	o = connection_json(&c);
	s->peer = p;
	s->view = &c.view;
	s->cursors = c.cursors;
	s->ncursors = c.n;
	op_linkstatus_add(o, s);
	add_proposals(o, p);
	resyncs = resyncs_of(p->id);
	if (json_array_size(resyncs) > 0)
		json_object_set(o, "resyncs", resyncs);
	json_decref(resyncs);
	cursors_done(c.cursors, c.n);
	free(c.progress);
	peer_view_clear(&c.view);
	return (o);
}

static json_t *
connections_json(struct ops *ops)
{
	json_t *list = json_array(), *leaf = daemons_leaf_state(ops->rep.daemons);
	json_t *retained = retained_hosts(ops->pki);
	struct op_unlinked_seen *unlinked = op_unlinked_look(ops, leaf);
	struct op_linkstatus s = {
		.ops = ops,
		.leaf = leaf,
		.retained = retained,
		.unlinked = unlinked,
	};
	struct peer **all;
	struct table **tables;
	size_t n;

	all = nodes_all(ops->rep.nodes, &n);
	s.tables = tables = catalog_replicated(ops->data.catalog, &s.ntables);
	qsort(all, n, sizeof(struct peer *), by_node_name);
	for (size_t i = 0; i < n; i++) {
		if (peer_active(all[i]))
			json_array_append_new(list, look_peer(&s, all[i]));
		peer_free(all[i]);
	}
	op_unlinked_add(list, ops, leaf, unlinked);
	for (size_t i = 0; i < s.ntables; i++)
		table_unref(tables[i]);
	free(tables);
	free(all);
	op_unlinked_free(unlinked);
	json_decref(leaf);
	json_decref(retained);
	return (list);
}

void
op_mesh_status(struct request *r)
{
	char *name = data_node_name(&r->ops->data);
	json_t *files = lite_status(r->ops->lite);

	if (json_array_size(files) == 0) {
		json_decref(files);
		files = NULL;
	}
	reply_json(r, 200,
	    json_pack("{s:s*, s:s, s:b, s:o, s:o, s:o, s:o, s:o*, s:o*}", "type",
		r->ops->data.live.links ? "cluster-status" : NULL, "node_name", name, "is_enabled",
		(int)r->ops->data.live.replicates, "servers", daemons_servers(r->ops->rep.daemons),
		"connections", connections_json(r->ops), "warnings", warnings(&r->ops->rep),
		"revoked_certificates", op_revoked_list(r->ops), "sqlite", files, "snapshots",
		snapshots_status(r->ops->snapshots)));
	free(name);
}

static unsigned
field_timeout(struct faults *f, const json_t *body)
{
	const json_t *v = json_object_get(body, "timeout");
	double ms = json_number_value(v);

	if (v == NULL)
		return (NETWORK_MS);
	if (!json_is_number(v))
		fault(f, "'timeout' must be a number");
	else if (ms < 1)
		fault(f, "'timeout' must be greater than or equal to 1");
	else if (ms > NETWORK_MAX_MS)
		fault(f, "'timeout' must be less than or equal to %d", NETWORK_MAX_MS);
	else
		return ((unsigned)ms);
	return (0);
}

void
op_mesh_network(struct request *r)
{
	struct faults f = { 0 };
	unsigned timeout = field_timeout(&f, r->body);
	int no_nodes = field_bool(&f, r->body, "connected_nodes", 0);
	int no_routes = field_bool(&f, r->body, "routes", 0);
	json_t *nodes, *n;
	size_t i;

	if (faults_answer(r, &f) || op_is_off(r))
		return;
	if (!r->ops->data.live.clustering) {
		reply_error(r, 400, "This node is in no NATS mesh: see cluster_status");
		return;
	}
	if (!op_wait_begin(r))
		return;
	nodes = cluster_network(r->ops->rep.cluster, timeout);
	op_wait_end();
	if (!json_is_array(nodes)) {
		json_decref(nodes);
		reply_error(r, 503, "The hub of this node does not answer");
		return;
	}
	json_array_foreach(nodes, i, n) {
		if (no_nodes == 1)
			json_object_del(n, "connected_nodes");
		if (no_routes == 1)
			json_object_del(n, "routes");
	}
	reply_json(r, 200, json_pack("{s:o}", "nodes", nodes));
}
