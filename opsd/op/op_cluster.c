#include "config.h"

#include "opsd/op/op_cluster.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/base/worker.h"
#include "opsd/cluster/batch.h"
#include "opsd/cluster/target.h"
#include "opsd/cluster/warnings.h"
#include "opsd/op/node.h"
#include "opsd/op/op_table.h"

/*
 * Calls that change subscriptions.  One at a time: plan entries with newer stamps,
 * ask the peer, then commit here what it answers.  Whatever goes wrong after the
 * question has left is undone by entries that are newer still: kept here, they
 * reach the peer with the next comparison (a peer's id is asked for before
 * anything else, so that they can be kept).
 */
#define WAITING_MAX            5     /* of the worker threads */
#define CHANGES_MAX            200   /* calls that wait for their turn */
#define SUBSCRIPTIONS_CALL_MAX 10000 /* of one call */

static _Atomic int waiting;

int
op_wait_begin(struct request *r)
{
	if (atomic_fetch_add(&waiting, 1) < WAITING_MAX)
		return (1);
	atomic_fetch_sub(&waiting, 1);
	reply_error(r, 503,
	    "Too many operations are waiting for other nodes, please try again "
	    "later");
	return (0);
}

void
op_wait_end(void)
{
	atomic_fetch_sub(&waiting, 1);
}

int
op_is_off(struct request *r)
{
	char *why = r->ops->data.live.clustering ?
	    clustering_fault(&r->ops->rep) :
	    xstrdup("Clustering is not enabled on this node");

	if (why != NULL)
		reply_error(r, 400, "%s", why);
	free(why);
	return (why != NULL);
}

/*
 * One at a time, in the order in which they came: who waits takes no worker, which peers'
 * questions need.
 */
static void
in_turn(struct request *r, void (*run)(void *arg))
{
	if (workers_try(r->ops->rep.changes, CHANGES_MAX, run, r) == -1)
		reply_error(r, 503,
		    "Too many operations are waiting for other nodes, please try again "
		    "later");
}

/* ---- what a call asks for ---- */

static int
match_digits(const char *s, const char *form)
{
	for (; *form != '\0'; s++, form++)
		if (*form == 'd' ? *s < '0' || *s > '9' : *s != *form)
			return (0);
	return (1);
}

/* YYYY-MM-DDTHH:mm:ss[.sss]Z; 0: not a time like that. */
static uint64_t
start_time_ms(const char *s)
{
	struct tm tm = { 0 }, back;
	uint64_t ms = 0;
	time_t t;

	if (!match_digits(s, "dddd-dd-ddTdd:dd:dd"))
		return (0);
	tm.tm_year = atoi(s) - 1900;
	tm.tm_mon = atoi(s + 5) - 1;
	tm.tm_mday = atoi(s + 8);
	tm.tm_hour = atoi(s + 11);
	tm.tm_min = atoi(s + 14);
	tm.tm_sec = atoi(s + 17);
	s += 19;
	if (*s == '.' && match_digits(s + 1, "d")) {
		uint64_t unit = 100;

		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			ms += (uint64_t)(*s - '0') * unit;
	}
	back = tm;
	t = timegm(&back);
	if (strcmp(s, "Z") != 0 || t < 0 || back.tm_mon != tm.tm_mon ||
	    back.tm_mday != tm.tm_mday || back.tm_hour != tm.tm_hour || back.tm_min != tm.tm_min ||
	    back.tm_sec != tm.tm_sec)
		return (0);
	ms += (uint64_t)t * 1000;
	return (ms != 0 ? ms : 1);
}

static int
read_flag(struct faults *f, const json_t *sub, const char *path, size_t i, const char *name)
{
	const json_t *v = json_object_get(sub, name);

	if (v == NULL)
		fault(f, "'%s[%zu].%s' is required", path, i, name);
	else if (!json_is_boolean(v))
		fault(f, "'%s[%zu].%s' must be a boolean", path, i, name);
	return (json_is_true(v));
}

/* A database's or table's name; NULL with a fault. */
static const char *
read_table_name(struct faults *f, const json_t *v, const char *path, size_t i, const char *name)
{
	char *field = xasprintf("%s[%zu].%s", path, i, name);
	const char *s = NULL;

	if (v == NULL)
		fault(f, "'%s' is required", field);
	else if (!json_is_string(v))
		fault(f, "'%s' must be a string", field);
	else if (strlen(json_string_value(v)) != json_string_length(v))
		fault(f, "'%s' must not contain a NUL character", field);
	else {
		s = json_string_value(v);
		fault_name(f, field, s);
	}
	free(field);
	return (s);
}

static uint64_t
read_start(struct faults *f, const json_t *sub, const char *path, size_t i)
{
	const json_t *v = json_object_get(sub, "start_time");
	uint64_t ms = json_is_string(v) ? start_time_ms(json_string_value(v)) : 0;

	if (v != NULL && !json_is_null(v) && ms == 0)
		fault(f, "'%s[%zu].start_time' must be in UTC YYYY-MM-DDTHH:mm:ss.sssZ format",
		    path, i);
	return (ms);
}

/* As it is kept while the call runs: {"database","table","publish","subscribe","start_ms"}. */
static json_t *
read_subscription(struct faults *f, const json_t *sub, const char *path, size_t i)
{
	const char *word = json_object_get(sub, "database") != NULL ? "database" : "schema";
	const json_t *v = json_object_get(sub, word);
	const char *db, *table;
	int publish, subscribe;
	uint64_t start;

	if (!json_is_object(sub)) {
		fault(f, "'%s[%zu]' must be of type object", path, i);
		return (NULL);
	}
	db = v == NULL ? "data" : read_table_name(f, v, path, i, word);
	if (db != NULL && strcmp(db, "system") == 0)
		fault(f, "'%s[%zu]' invalid database name, 'system' name is reserved", path, i);
	table = read_table_name(f, json_object_get(sub, "table"), path, i, "table");
	publish = read_flag(f, sub, path, i, "publish");
	subscribe = read_flag(f, sub, path, i, "subscribe");
	start = read_start(f, sub, path, i);
	if (db == NULL || table == NULL)
		return (NULL);
	return (json_pack("{s:s, s:s, s:b, s:b, s:I}", "database", db, "table", table, "publish",
	    publish, "subscribe", subscribe, "start_ms", (json_int_t)start));
}

/* Twice one table in a call: which is meant? */
static void
check_unique(struct faults *f, json_t *seen, const json_t *sub, const char *path, size_t i)
{
	char *key;

	if (sub == NULL)
		return;
	key = xasprintf("%s/%s", json_string_value(json_object_get(sub, "database")),
	    json_string_value(json_object_get(sub, "table")));
	if (json_object_get(seen, key) != NULL)
		fault(f, "'%s[%zu]' contains a duplicate value", path, i);
	json_object_set_new(seen, key, json_true());
	free(key);
}

static json_t *
read_subscriptions(struct faults *f, const json_t *body, const char *prefix)
{
	char *path = xasprintf("%ssubscriptions", prefix);
	json_t *given = json_object_get(body, "subscriptions"), *g, *sub;
	json_t *list = json_array(), *seen = json_object();
	size_t i;

	if (given == NULL)
		fault(f, "'%s' is required", path);
	else if (!json_is_array(given))
		fault(f, "'%s' must be an array", path);
	else if (json_array_size(given) == 0)
		fault(f, "'%s' must contain at least 1 items", path);
	else if (json_array_size(given) > SUBSCRIPTIONS_CALL_MAX)
		fault(f, "'%s' must contain less than or equal to %d items", path,
		    SUBSCRIPTIONS_CALL_MAX);
	else
		json_array_foreach(given, i, g) {
			sub = read_subscription(f, g, path, i);
			check_unique(f, seen, sub, path, i);
			if (sub != NULL)
				json_array_append_new(list, sub);
		}
	json_decref(seen);
	free(path);
	return (list);
}

static int
is_listed(struct ops *ops, const json_t *name)
{
	struct peer *p = nodes_get(ops->rep.nodes, json_string_value(name));
	int listed = p != NULL && strlen(p->name) == json_string_length(name);

	peer_free(p);
	return (listed);
}

const char *
op_field_node(struct request *r, struct faults *f, const json_t *body, const char *prefix,
    const char *old)
{
	const json_t *v = field_either(body, "node_name", old);
	const char *name = json_string_value(v);
	char *own;

	if (v == NULL)
		fault(f, "'%snode_name' is required%s", prefix,
		    json_object_get(body, "hostname") != NULL ||
			    json_object_get(body, "url") != NULL ?
			": nodes are known by clustering.nodeName, "
			"and found by the routes of cluster_set_routes" :
			"");
	else if (name == NULL)
		fault(f, "'%snode_name' must be a string", prefix);
	else if (is_listed(r->ops, v))
		return (name); /* whatever is listed can be removed */
	else if (name[0] == '\0' && json_string_length(v) == 0)
		fault(f, "'%snode_name' is not allowed to be empty", prefix);
	else if (json_string_length(v) > NODE_NAME_MAX)
		fault(f, "'%snode_name' length must be less than or equal to %d characters long",
		    prefix, NODE_NAME_MAX);
	else if (!node_name_ok(name, json_string_length(v)))
		fault(f, "'%snode_name' must not contain '.', ',', '*', '>' or white space",
		    prefix);
	else {
		own = data_node_name(&r->ops->data);
		if (strcmp(own, name) == 0)
			fault(f, "'%snode_name' cannot be the name of this node", prefix);
		free(own);
		return (name);
	}
	return (NULL);
}

/* ---- add_node, update_node, set_node_replication ---- */

/* Asks and commits; 0, or -1 with the target's status and error. */
static int
change_target(struct target *t)
{
	struct batch *b;
	int rc;

	if (json_array_size(t->entries) == 0)
		return (0);
	if (target_ask(t) == -1) {
		batch_undo(t->rep, &t, 1);
		return (-1);
	}
	b = batch_new(1);
	batch_take(b, t);
	rc = batch_commit(t->rep, b) == 200 ? 0 : -1;
	if (rc == -1) {
		t->status = b->job.status;
		t->error = xstrdup(b->job.error != NULL ? b->job.error : "not written");
		batch_undo(t->rep, &t, 1);
	}
	batch_free(b);
	return (rc);
}

static void
change_node(struct request *r, int add)
{
	struct faults f = { 0 };
	const char *name = op_field_node(r, &f, r->body, "", "node_name");
	json_t *subs = read_subscriptions(&f, r->body, "");
	struct target *t;

	if (faults_answer(r, &f) || op_is_off(r)) {
		json_decref(subs);
		return;
	}
	t = target_new(&r->ops->rep, name);
	if (add && t->peer != NULL && peer_active(t->peer))
		reply_error(r, 409, "Node '%s' is already in the manifest, use update_node", name);
	else {
		target_plan(t, subs);
		if (change_target(t) == -1)
			reply_error(r, t->status, "%s", t->error);
		else
			reply_json(r, 200,
			    json_pack("{s:o, s:O, s:O}", "message",
				json_sprintf(add ? "Successfully added '%s' to manifest" :
						   "Successfully updated '%s'",
				    name),
				add ? "added" : "updated", t->done, "skipped", t->skipped));
	}
	target_free(t);
	json_decref(subs);
}

static void
add_node_run(void *arg)
{
	change_node(arg, 1);
}

static void
add_node(struct request *r)
{
	in_turn(r, add_node_run);
}

static void
update_node_run(void *arg)
{
	change_node(arg, 0);
}

static void
update_node(struct request *r)
{
	in_turn(r, update_node_run);
}

/* ---- remove_node ---- */

/* Works with clustering off and the peer away: it learns it when it returns. */
static void
remove_node_run(void *arg)
{
	struct request *r = arg;
	struct faults f = { 0 };
	const char *name = op_field_node(r, &f, r->body, "", "name");
	struct batch *b;

	if (faults_answer(r, &f))
		return;
	b = batch_new(0);
	batch_retire(b, &r->ops->rep, name, NULL);
	if (json_array_size(b->edits) == 0)
		reply_error(r, 404, "Node '%s' is not in the manifest", name);
	else if (batch_commit(&r->ops->rep, b) != 200)
		reply_error(r, b->job.status, "%s", b->job.error);
	else {
		batch_notify(&r->ops->rep, b);
		reply_message(r, "Successfully removed '%s' from manifest", name);
	}
	batch_free(b);
}

static void
remove_node(struct request *r)
{
	in_turn(r, remove_node_run);
}

/* ---- configure_cluster ---- */

/* {"node_name","subscriptions"} each; NULL after the faults were answered. */
static json_t *
read_connections(struct request *r)
{
	struct faults f = { 0 };
	json_t *given = field_array(&f, r->body, "connections", 1), *c, *subs;
	json_t *list = json_array(), *seen = json_object();
	size_t i;

	json_array_foreach(given, i, c) {
		char *prefix = xasprintf("connections[%zu].", i);
		const char *name;

		if (json_is_object(c)) {
			name = op_field_node(r, &f, c, prefix, "node_name");
			subs = read_subscriptions(&f, c, prefix);
			if (name != NULL && json_object_get(seen, name) != NULL)
				fault(&f, "'connections[%zu]' contains a duplicate value", i);
			if (name != NULL)
				json_object_set_new(seen, name, json_true());
			json_array_append_new(list,
			    json_pack("{s:s?, s:o}", "node_name", name, "subscriptions", subs));
		} else
			fault(&f, "'connections[%zu]' must be of type object", i);
		free(prefix);
	}
	json_decref(seen);
	if (faults_answer(r, &f) == 0)
		return (list);
	json_decref(list);
	return (NULL);
}

/* Peers that the call does not name: they need not agree. */
static void
remove_others(struct ops *ops, struct batch *b, struct target **list, size_t n)
{
	struct peer **all;
	size_t count, k;

	all = nodes_all(ops->rep.nodes, &count);
	for (size_t i = 0; i < count; i++) {
		for (k = 0; k < n && strcmp(list[k]->name, all[i]->name) != 0; k++)
			;
		if (k == n && peer_active(all[i]))
			batch_retire(b, &ops->rep, all[i]->name, NULL);
		peer_free(all[i]);
	}
	free(all);
}

/* "ok"; on failure "error" for whoever failed, "unchanged" for the others. */
static json_t *
target_results(struct target **list, size_t n, int failed)
{
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct target *t = list[i];
		json_t *o = json_pack("{s:s, s:s}", "node_name", t->name, "status",
		    t->error != NULL ? "error" :
			failed       ? "unchanged" :
				       "ok");

		if (t->error != NULL)
			json_object_set_new(o, "error", json_string(t->error));
		json_array_append_new(all, o);
	}
	return (all);
}

/* Index of the first that did not agree, or n. */
static size_t
ask_targets(struct target **list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (json_array_size(list[i]->entries) > 0 && target_ask(list[i]) == -1)
			break;
	return (i);
}

/*
 * All or nothing: while one peer does not agree, nothing changes here, and those
 * that were asked before it get back what they had.
 */
static void
configure_targets(struct request *r, struct target **list, size_t n)
{
	struct batch *b;
	size_t failed = ask_targets(list, n), i;

	if (failed < n) {
		batch_undo(&r->ops->rep, list, n);
		reply_json(r, list[failed]->status,
		    json_pack("{s:o, s:o}", "error",
			json_sprintf("Cluster not configured: %s", list[failed]->error),
			"connections", target_results(list, n, 1)));
		return;
	}
	b = batch_new(n);
	remove_others(r->ops, b, list, n);
	for (i = 0; i < n; i++)
		if (list[i]->answer != NULL)
			batch_take(b, list[i]);
	if (batch_commit(&r->ops->rep, b) != 200) {
		batch_undo(&r->ops->rep, list, n);
		reply_error(r, b->job.status, "%s", b->job.error);
	} else {
		batch_notify(&r->ops->rep, b);
		reply_json(r, 200,
		    json_pack("{s:s, s:o}", "message", "Cluster successfully configured.",
			"connections", target_results(list, n, 0)));
	}
	batch_free(b);
}

static void
configure_cluster_run(void *arg)
{
	struct request *r = arg;
	json_t *connections = read_connections(r), *c;
	struct target **list;
	size_t n = json_array_size(connections), i;

	if (connections == NULL)
		return;
	if (!op_is_off(r)) {
		list = xcalloc(n + 1, sizeof(struct target *));
		json_array_foreach(connections, i, c) {
			list[i] = target_new(&r->ops->rep, entry_text(c, "node_name"));
			target_plan(list[i], json_object_get(c, "subscriptions"));
			target_plan_removals(list[i], json_object_get(c, "subscriptions"));
		}
		configure_targets(r, list, n);
		for (i = 0; i < n; i++)
			target_free(list[i]);
		free(list);
	}
	json_decref(connections);
}

static void
configure_cluster(struct request *r)
{
	in_turn(r, configure_cluster_run);
}

const struct op ops_cluster[] = {
	{ "cluster_set_routes", "clusterSetRoutes", RIGHT_SUPER, ON_WORKER, op_routes_set },
	{ "set_cluster_routes", "clusterSetRoutes", RIGHT_SUPER, ON_WORKER, op_routes_set },
	{ "cluster_get_routes", "clusterGetRoutes", RIGHT_SUPER, ON_WORKER, op_routes_get },
	{ "get_cluster_routes", "clusterGetRoutes", RIGHT_SUPER, ON_WORKER, op_routes_get },
	{ "cluster_delete_routes", "clusterDeleteRoutes", RIGHT_SUPER, ON_WORKER,
	    op_routes_delete },
	{ "delete_cluster_routes", "clusterDeleteRoutes", RIGHT_SUPER, ON_WORKER,
	    op_routes_delete },
	{ "add_node", "addNode", RIGHT_SUPER, ON_HTTP, add_node },
	{ "update_node", "updateNode", RIGHT_SUPER, ON_HTTP, update_node },
	{ "set_node_replication", "setNodeReplication", RIGHT_SUPER, ON_HTTP, update_node },
	{ "remove_node", "removeNode", RIGHT_SUPER, ON_HTTP, remove_node },
	{ "resync", "resync", RIGHT_SUPER, ON_WORKER, op_resync },
	{ "configure_cluster", "configureCluster", RIGHT_SUPER, ON_HTTP, configure_cluster },
	{ "cluster_status", "clusterStatus", RIGHT_SUPER, ON_WORKER, op_mesh_status },
	{ "cluster_network", "clusterNetwork", RIGHT_SUPER, ON_WORKER, op_mesh_network },
	{ "purge_stream", "purgeStream", RIGHT_SUPER, ON_WORKER, op_purge_stream },
	{ "renew_node_id", "renewNodeId", RIGHT_SUPER, ON_WORKER, op_renew_node_id },
	{ NULL },
};
