#include "config.h"

#include "opsd/op/op.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "opsd/auth/auth.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/daemons.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/progress.h"
#include "opsd/job/job.h"
#include "opsd/op/node.h"
#include "opsd/watch/health.h"
#include "opsd/watch/host.h"
#include "opsd/watch/metrics.h"
#include "opsd/watch/processes.h"

/* system_information, and what a node says of its registration. */

static json_t *
about_system(struct ops *ops)
{
	return (host_system());
}

static json_t *
about_time(struct ops *ops)
{
	return (host_time());
}

static json_t *
about_cpu(struct ops *ops)
{
	return (host_cpu());
}

static json_t *
about_memory(struct ops *ops)
{
	return (host_memory());
}

static json_t *
about_disk(struct ops *ops)
{
	struct conf *conf = data_conf(&ops->data);
	json_t *o = host_disk(conf_str(conf, STORAGE_PATH));

	conf_free(conf);
	return (o);
}

static json_t *
about_network(struct ops *ops)
{
	return (host_network());
}

/* ---- the five processes ---- */

static json_t *
about_processes(struct ops *ops)
{
	json_t *core = json_array(), *clustering = json_array(), *o;
	struct process p[PROCESSES];

	processes(&ops->watch, p);
	for (int i = 0; i < PROCESSES; i++) {
		if (p[i].pid == 0 || (o = host_process(p[i].pid)) == NULL)
			continue;
		json_object_set_new(o, "role", json_string(p[i].role));
		json_array_append_new(i == 0 ? core : clustering, o);
	}
	return (json_pack("{s:o, s:o}", "core", core, "clustering", clustering));
}

static json_t *
about_threads(struct ops *ops)
{
	return (host_threads());
}

/* ---- the store ---- */

static json_int_t
system_size(struct ops *ops, enum store_cf cf, uint32_t table)
{
	struct buf from = { 0 }, to = { 0 };
	uint64_t n;

	buf_be32(&from, table);
	buf_be32(&to, table + 1);
	n = store_size(ops->data.store, cf, from.data, from.len, to.data, to.len);
	buf_free(&from);
	buf_free(&to);
	return ((json_int_t)n);
}

static json_t *
about_tables(struct ops *ops)
{
	size_t n;
	struct table **tables = catalog_tables(ops->data.catalog, NULL, &n);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "schema", tables[i]->database,
			"table", tables[i]->name, "table_size",
			system_size(ops, CF_ROWS, tables[i]->id), "index_size",
			system_size(ops, CF_INDEX, tables[i]->id), "audit_log_size",
			system_size(ops, CF_AUDIT, tables[i]->id), "record_count",
			(json_int_t)tables[i]->stat->count));
		table_unref(tables[i]);
	}
	free(tables);
	return (list);
}

static json_t *
about_log(struct ops *ops)
{
	struct txlog *l = &ops->data.log;

	return (json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "last", (json_int_t)l->last, "durable",
	    (json_int_t)l->durable, "in_stream", (json_int_t)l->acked, "trimmed",
	    (json_int_t)l->trimmed, "oldest", (json_int_t)txlog_ms(l, 0), "incarnation",
	    (json_int_t)l->incarnation));
}

static json_t *
about_requests(struct ops *ops)
{
	static const char *const classes[] = { "1xx", "2xx", "3xx", "4xx", "5xx" };
	json_t *o = json_object();

	for (int i = 0; i < 5; i++)
		json_object_set_new(o, classes[i],
		    json_integer((json_int_t)metrics_answered(ops->watch.metrics, i + 1)));
	return (o);
}

/* The least of it; the rest is in GET /metrics. */
static json_t *
about_metrics(struct ops *ops)
{
	const char *bad = health_fault(&ops->watch);
	unsigned running, waiting;

	jobs_count(ops->jobs, &running, &waiting);
	return (json_pack("{s:I, s:s, s:I, s:o, s:I, s:i, s:i, s:o}", "uptime_ms",
	    (json_int_t)((mono_us() - ops->data.started_us) / 1000), "health",
	    bad != NULL ? bad : "good", "free_disk", (json_int_t)store_free_bytes(ops->data.store),
	    "requests", about_requests(ops), "failed_logins", (json_int_t)auth_failed(ops->auth),
	    "jobs_running", (int)running, "jobs_waiting", (int)waiting, "transaction_log",
	    about_log(ops)));
}

static json_t *
about_cursor(struct ops *ops, const struct cursor_view *cur, int away)
{
	char *peer = nodes_name(ops->rep.nodes, cur->peer);
	json_t *o = json_pack("{s:s?, s:s, s:s, s:s, s:I, s:I}", "node_name", peer, "database",
	    cur->database, "table", cur->name, "state", progress_word(cur, away), "applied",
	    (json_int_t)cur->seq, "head", (json_int_t)cur->head);

	if (cur->state == CURSOR_COPY || cur->state == CURSOR_RECOVER) {
		json_object_set_new(o, "rows_copied", json_integer((json_int_t)cur->copied));
		json_object_set_new(o, "rows_total",
		    cursor_view_total(cur) > 0 ? json_integer((json_int_t)cursor_view_total(cur)) :
						 json_null());
	}
	if (cur->state != CURSOR_LIVE && cur->since_ms > 0)
		json_object_set_new(o, "since", json_integer((json_int_t)cur->since_ms));
	if (cur->state == CURSOR_CLOCK || cur->ahead)
		json_object_set_new(o, "held", json_true());
	if (cur->why != NULL)
		json_object_set_new(o, "error", json_string(cur->why));
	free(peer);
	return (o);
}

static int
is_away(struct ops *ops, const uint8_t *id)
{
	struct peer *p = nodes_by_id(ops->rep.nodes, id);
	int away = !ops->data.live.replicates || p == NULL ||
	    !cluster_peer_reachable(ops->rep.cluster, p);

	peer_free(p);
	return (away);
}

static json_t *
about_cursors(struct ops *ops)
{
	json_t *list = json_array();
	struct cursor_view **all;
	int away = 0;
	size_t n;

	all = cursors_all(ops->rep.cursors, NULL, &n);
	for (size_t i = 0; i < n; i++) {
		/* Those of a peer are together, for the most part. */
		if (i == 0 || memcmp(all[i]->peer, all[i - 1]->peer, NODE_ID_LEN) != 0)
			away = is_away(ops, all[i]->peer);
		json_array_append_new(list, about_cursor(ops, all[i], away));
	}
	cursors_done(all, n);
	return (list);
}

static json_t *
about_replication(struct ops *ops)
{
	char *name = data_node_name(&ops->data);
	json_t *o;

	o = json_pack("{s:b, s:s, s:o, s:o}", "is_enabled", (int)ops->data.live.replicates,
	    "node_name", name, "transaction_log", about_log(ops), "cursors", about_cursors(ops));
	free(name);
	return (o);
}

/* ---- the program ---- */

static json_t *
about_hubleaf(struct ops *ops)
{
	json_t *self = host_process((int)getpid()), *o;

	o = json_pack("{s:s, s:i, s:I, s:O?}", "version", PACKAGE_VERSION, "pid", (int)getpid(),
	    "uptime_ms", (json_int_t)((mono_us() - ops->data.started_us) / 1000), "memory",
	    json_object_get(self, "memory"));
	json_decref(self);
	return (o);
}

static json_t *
about_nats(struct ops *ops)
{
	json_t *o = daemons_servers(ops->rep.daemons);

	return (o != NULL ? o : json_object());
}

static const struct {
	const char *name;
	json_t *(*get)(struct ops *ops);
} abouts[] = {
	{ "system", about_system },
	{ "time", about_time },
	{ "cpu", about_cpu },
	{ "memory", about_memory },
	{ "disk", about_disk },
	{ "network", about_network },
	{ "harperdb_processes", about_processes },
	{ "table_size", about_tables },
	{ "metrics", about_metrics },
	{ "threads", about_threads },
	{ "replication", about_replication },
	{ "hubleaf", about_hubleaf },
	{ "nats", about_nats },
};
#define ABOUTS (sizeof(abouts) / sizeof(abouts[0]))

static int
about_of(const char *name)
{
	for (size_t i = 0; name != NULL && i < ABOUTS; i++)
		if (strcmp(abouts[i].name, name) == 0)
			return ((int)i);
	return (-1);
}

/* Bits of what is asked for; all when nothing is named. */
static unsigned
wanted_parts(struct faults *f, const json_t *list)
{
	struct buf names = { 0 };
	unsigned bits = 0;
	const json_t *v;
	size_t i;

	for (i = 0; i < ABOUTS; i++)
		buf_addf(&names, "%s%s", i > 0 ? ", " : "", abouts[i].name);
	json_array_foreach(list, i, v) {
		int at = about_of(json_string_value(v));

		if (at == -1)
			fault(f, "'attributes[%zu]' must be one of [%.*s]", i, (int)names.len,
			    (const char *)names.data);
		else
			bits |= 1u << at;
	}
	buf_free(&names);
	return (json_array_size(list) > 0 ? bits : UINT32_MAX);
}

static void
system_information(struct request *r)
{
	struct faults f = { 0 };
	unsigned bits = wanted_parts(&f, field_array(&f, r->body, "attributes", 0));
	json_t *o;

	if (faults_answer(r, &f))
		return;
	o = json_object();
	for (size_t i = 0; i < ABOUTS; i++)
		if ((bits & 1u << i) != 0)
			json_object_set_new(o, abouts[i].name, abouts[i].get(r->ops));
	reply_json(r, 200, o);
}

/* ---- registration: there is none ---- */

static void
registration_info(struct request *r)
{
	reply_json(r, 200,
	    json_pack("{s:b, s:s, s:n, s:n}", "registered", 0, "version", PACKAGE_VERSION,
		"ram_allocation", "license_expiration_date"));
}

/* What a licence would be bound to: the node's id. */
static void
get_fingerprint(struct request *r)
{
	reply_message(r, "%s", r->ops->data.node_hex);
}

static void
set_license(struct request *r)
{
	reply_error(r, 400, "hubleaf needs no license: there is nothing to set");
}

const struct op ops_info[] = {
	{ "system_information", "systemInformation", RIGHT_SUPER, ON_WORKER, system_information },
	{ "registration_info", "registrationInfo", RIGHT_ANYONE, ON_HTTP, registration_info },
	{ "get_fingerprint", "getFingerprint", RIGHT_SUPER, ON_HTTP, get_fingerprint },
	{ "set_license", "setLicense", RIGHT_SUPER, ON_HTTP, set_license },
	{ NULL },
};
