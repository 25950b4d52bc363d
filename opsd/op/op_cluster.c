#include "config.h"

#include "opsd/op/op_cluster.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/subscription_change.h"
#include "opsd/cluster/warnings.h"
#include "opsd/op/linkjoin.h"
#include "opsd/op/node.h"
#include "opsd/op/op_table.h"

/*
 * Calls that change subscriptions.  One at a time: plan subscriptions with newer stamps,
 * ask the peer, then commit here what it answers.  Whatever goes wrong after the
 * question has left is undone by subscriptions that are newer still: kept here, they
 * reach the peer with the next comparison (a peer's id is asked for before
 * anything else, so that they can be kept).
 */
#define WAITING_MAX 5   /* of the worker threads */
#define CHANGES_MAX 200 /* calls that wait for their turn */

static _Atomic int waiting;

static void
refuse_waiting(struct request *r)
{
	reply_error(r, 503,
	    "Too many operations are waiting for other nodes, please try again "
	    "later");
}

int
op_wait_begin(struct request *r)
{
	if (atomic_fetch_add(&waiting, 1) < WAITING_MAX)
		return (1);
	atomic_fetch_sub(&waiting, 1);
	refuse_waiting(r);
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
	char *why = r->ops->data.live.replicates && !r->ops->data.live.clustering ? NULL :
	    r->ops->data.live.clustering ? warnings_why_off(&r->ops->rep) :
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
in_turn(struct request *r, void (*run)(struct request *r))
{
	if (request_work(r, r->ops->rep.changes, CHANGES_MAX, run) == -1)
		refuse_waiting(r);
}

/* ---- add_node, update_node, set_node_replication ---- */

int
op_change_proposal(struct proposal *p)
{
	struct subscription_change *c;
	int rc;

	if (p->asked.n == 0)
		return (0);
	if (proposal_ask(p) == -1) {
		subscription_change_undo(p->rep, &p, 1);
		return (-1);
	}
	c = subscription_change_new();
	subscription_change_take(c, p);
	rc = subscription_change_commit(p->rep, c) == 200 ? 0 : -1;
	if (rc == -1) {
		p->status = c->job.status;
		p->error = xstrdup(c->job.error != NULL ? c->job.error : "not written");
		subscription_change_undo(p->rep, &p, 1);
	}
	subscription_change_free(c);
	return (rc);
}

static json_t *
list_shown(const struct subscriptions *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(list, subscription_shown(&l->list[i]));
	return (list);
}

json_t *
op_with_proposed(json_t *answer, const struct proposal *p)
{
	json_t *proposed = proposal_waiting(p);

	if (json_array_size(proposed) > 0)
		json_object_set(answer, "proposed", proposed);
	json_decref(proposed);
	return (answer);
}

static void
answer_change(struct request *r, int add, const struct proposal *p)
{
	const char *text = add ? "Successfully added '%s' to manifest" :
				 "Successfully updated '%s'";

	reply_json(r, 200,
	    op_with_proposed(json_pack("{s:o, s:o, s:o}", "message", json_sprintf(text, p->name),
				 add ? "added" : "updated", list_shown(&p->changed), "skipped",
				 list_shown(&p->skipped)),
		p));
}

/* A node that has links may also be asked for one by hostname: which of the two, a call must say. */
static const char *
field_mesh_node(struct request *r, struct faults *f, const json_t *body, const char *prefix,
    const char *old)
{
	const json_t *named = field_either(body, "node_name", old);

	if (named == NULL && r->ops->data.live.links)
		fault(f,
		    "'%shostname' or '%surl' is required, or '%snode_name' of a node in the mesh",
		    prefix, prefix, prefix);
	else if (named != NULL &&
	    (json_object_get(body, "hostname") != NULL || json_object_get(body, "url") != NULL))
		fault(f, "'%snode_name' cannot be given together with '%shostname' or '%surl'",
		    prefix, prefix, prefix);
	else if (named != NULL && json_object_get(body, "revoked_certificates") != NULL)
		fault(f,
		    "'%srevoked_certificates' cannot be given together with '%snode_name': "
		    "update_node with nothing else revokes them",
		    prefix, prefix);
	else
		return (op_field_node(r, f, body, prefix, old));
	return (NULL);
}

static void
change_mesh_node(struct request *r, int add)
{
	struct faults f = { 0 };
	struct subscriptions wanted = { 0 };
	const char *name = field_mesh_node(r, &f, r->body, "", "node_name");
	struct proposal *p;

	if (name != NULL || !r->ops->data.live.links)
		op_field_subscriptions(&wanted, &f, r->body, "");
	if (!faults_answer(r, &f) && !op_is_off(r)) {
		p = proposal_new(&r->ops->rep, name);
		proposal_plan(p, &wanted);
		if (add && p->peer != NULL && peer_active(p->peer))
			reply_error(r, 409, "Node '%s' is already in the manifest, use update_node",
			    name);
		else if (op_change_proposal(p) == -1)
			reply_error(r, p->status, "%s", p->error);
		else
			answer_change(r, add, p);
		proposal_free(p);
	}
	subscriptions_clear(&wanted);
}

static void
change_node(struct request *r, int add)
{
	if (linkjoin_is(r->body))
		op_linked_change(r, add);
	else if (!add && op_only_revokes(r->body))
		op_revoke(r);
	else
		change_mesh_node(r, add);
}

static void
add_node_run(struct request *r)
{
	change_node(r, 1);
}

static void
add_node(struct request *r)
{
	in_turn(r, add_node_run);
}

static void
update_node_run(struct request *r)
{
	change_node(r, 0);
}

static void
update_node(struct request *r)
{
	in_turn(r, update_node_run);
}

/* ---- remove_node ---- */

/* Works with clustering off and the peer away: it learns it when it returns. */
static void
remove_mesh_node(struct request *r)
{
	struct faults f = { 0 };
	const char *name = field_mesh_node(r, &f, r->body, "", "name");
	struct subscription_change *c;

	if (faults_answer(r, &f))
		return;
	c = subscription_change_new();
	subscription_change_retire(c, &r->ops->rep, name, NULL);
	if (c->nedits == 0)
		reply_error(r, 404, "Node '%s' is not in the manifest", name);
	else if (subscription_change_commit(&r->ops->rep, c) != 200)
		reply_error(r, c->job.status, "%s", c->job.error);
	else {
		subscription_change_notify(&r->ops->rep, c);
		reply_message(r, "Successfully removed '%s' from manifest", name);
	}
	subscription_change_free(c);
}

static void
remove_node_run(struct request *r)
{
	if (!op_linked_remove(r))
		remove_mesh_node(r);
}

static void
remove_node(struct request *r)
{
	in_turn(r, remove_node_run);
}

/* ---- configure_cluster ---- */

struct connection_asked {
	const char *name; /* NULL: there is a fault */
	struct subscriptions wanted;
	struct linkjoin *join; /* of a node that is named by hostname or url, in place of wanted */
};

static void
connections_free(struct connection_asked *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		subscriptions_clear(&list[i].wanted);
	for (size_t i = 0; i < n; i++)
		linkjoin_free(list[i].join);
	free(list);
}

static void
read_connection(struct request *r, struct faults *f, const json_t *given, size_t i,
    struct connection_asked *into)
{
	char *prefix = xasprintf("connections[%zu].", i);

	if (linkjoin_is(given)) {
		into->join = linkjoin_read(r, f, given, prefix);
		into->name = into->join->url != NULL ? into->join->route.host : NULL;
	} else if (json_is_object(given)) {
		into->name = field_mesh_node(r, f, given, prefix, "node_name");
		if (into->name != NULL || !r->ops->data.live.links)
			op_field_subscriptions(&into->wanted, f, given, prefix);
	} else
		fault(f, "'connections[%zu]' must be of type object", i);
	free(prefix);
}

/* Host names are the same in capitals, names of nodes are not. */
static void
note_connection(struct faults *f, json_t *seen, size_t i, const struct connection_asked *c)
{
	char *key = c->join != NULL ? roster_host_key(c->name) : xstrdup(c->name);

	if (json_object_get(seen, key) != NULL)
		fault(f, "'connections[%zu]' contains a duplicate value", i);
	json_object_set_new(seen, key, json_true());
	free(key);
}

/* *n of them; NULL after the faults were answered. */
static struct connection_asked *
read_connections(struct request *r, size_t *n)
{
	struct faults f = { 0 };
	json_t *given = field_array(&f, r->body, "connections", 1), *c, *seen = json_object();
	struct connection_asked *list = xcalloc(json_array_size(given) + 1, sizeof(*list));
	size_t i;

	*n = json_array_size(given);
	json_array_foreach(given, i, c) {
		read_connection(r, &f, c, i, &list[i]);
		if (list[i].name == NULL)
			continue;
		note_connection(&f, seen, i, &list[i]);
	}
	json_decref(seen);
	if (faults_answer(r, &f) == 0)
		return (list);
	connections_free(list, *n);
	return (NULL);
}

/* Peers that the call does not name: they need not agree.  References; *count of them. */
static struct peer **
others_of(struct ops *ops, struct proposal **list, size_t n, size_t *count)
{
	struct peer **all;
	size_t left = 0, k;

	all = nodes_all(ops->rep.nodes, count);
	for (size_t i = 0; i < *count; i++) {
		for (k = 0; k < n && strcmp(list[k]->name, all[i]->name) != 0; k++)
			;
		if (k == n && peer_active(all[i]))
			all[left++] = all[i];
		else
			peer_free(all[i]);
	}
	*count = left;
	return (all);
}

/* Routes to them go first: with one left they would come back. */
static int
forget_routes(struct request *r, struct peer **others, size_t n)
{
	size_t went;

	for (size_t i = 0; i < n; i++)
		if (others[i]->hostname != NULL &&
		    op_routes_forget(r, others[i]->hostname, &went) == -1)
			return (-1);
	return (0);
}

/* Who was linked is removed from the cluster; what there is with others ends with the change. */
static int
end_linked_ones(struct request *r, struct peer **others, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (others[i]->hostname != NULL && op_linked_end(r, others[i]) == -1)
			return (-1);
	return (0);
}

/* "ok"; on failure "error" for whoever failed, "unchanged" for the others. */
static json_t *
proposal_results(struct proposal **list, size_t n, int failed)
{
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct proposal *p = list[i];
		json_t *o = json_pack("{s:s, s:s}", "node_name", p->name, "status",
		    p->error != NULL ? "error" :
			failed       ? "unchanged" :
				       "ok");

		if (p->error != NULL)
			json_object_set_new(o, "error", json_string(p->error));
		json_array_append_new(all, failed ? o : op_with_proposed(o, p));
	}
	return (all);
}

/* Index of the first that did not agree, or n. */
static size_t
ask_proposals(struct proposal **list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i]->asked.n > 0 && proposal_ask(list[i]) == -1)
			break;
	return (i);
}

static void
refuse_configuration(struct request *r, struct proposal **list, size_t n)
{
	size_t failed = 0;

	while (failed + 1 < n && list[failed]->error == NULL)
		failed++;
	reply_json(r, list[failed]->status,
	    json_pack("{s:o, s:o}", "error",
		json_sprintf("Cluster not configured: %s", list[failed]->error), "connections",
		proposal_results(list, n, 1)));
}

static int
commit_and_tell(struct request *r, struct subscription_change *c, struct peer **others, size_t n)
{
	struct replication *rep = &r->ops->rep;

	for (size_t i = 0; i < n; i++)
		if (others[i]->hostname == NULL)
			subscription_change_end(c, rep, others[i]);
	if (subscription_change_commit(rep, c) != 200) {
		reply_error(r, c->job.status, "%s", c->job.error);
		return (-1);
	}
	subscription_change_notify(rep, c);
	return (0);
}

/* -1 with the request answered, and then with all as it was. */
static int
commit_proposals(struct request *r, struct proposal **list, size_t n)
{
	struct subscription_change *c = subscription_change_new();
	size_t count;
	struct peer **others = others_of(r->ops, list, n, &count);
	int rc = forget_routes(r, others, count);

	for (size_t i = 0; i < n && rc == 0; i++)
		if (list[i]->answer != NULL)
			subscription_change_take(c, list[i]);
	if (rc == 0)
		rc = commit_and_tell(r, c, others, count);
	if (rc == -1)
		subscription_change_undo(&r->ops->rep, list, n);
	else
		rc = end_linked_ones(r, others, count);
	for (size_t i = 0; i < count; i++)
		peer_free(others[i]);
	free(others);
	subscription_change_free(c);
	return (rc);
}

/*
 * All or nothing: while one peer does not agree, nothing changes here, and those
 * that were asked before it get back what they had.
 */
static int
configure_proposals(struct request *r, struct proposal **list, size_t n)
{
	if (ask_proposals(list, n) < n) {
		subscription_change_undo(&r->ops->rep, list, n);
		refuse_configuration(r, list, n);
		return (-1);
	}
	if (commit_proposals(r, list, n) == -1)
		return (-1);
	reply_json(r, 200,
	    json_pack("{s:s, s:o}", "message", "Cluster successfully configured.", "connections",
		proposal_results(list, n, 0)));
	return (0);
}

/* Those that are named by hostname or url are linked first; -1 with the request answered. */
static int
reach_all(struct request *r, struct connection_asked *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].join != NULL && linkjoin_reach(list[i].join) == -1) {
			reply_error(r, list[i].join->status, "Cluster not configured: %s",
			    list[i].join->error);
			return (-1);
		}
	return (0);
}

static void
finish_joins(struct request *r, struct connection_asked *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct linkjoin *j = list[i].join;

		if (j != NULL && linkjoin_finish(j, r->user->name) == -1)
			log_errorx("configure_cluster: '%s': %s", list[i].name, j->error);
	}
}

/* The last one first: each puts back what was there before it. */
static void
undo_joins(struct connection_asked *list, size_t n)
{
	while (n-- > 0)
		if (list[n].join != NULL)
			linkjoin_undo(list[n].join);
}

static struct proposal *
plan_connection(struct request *r, struct connection_asked *c)
{
	struct proposal *p = c->join != NULL ? linkjoin_proposal(c->join) :
					       proposal_new(&r->ops->rep, c->name);

	if (c->join == NULL)
		proposal_plan(p, &c->wanted);
	proposal_plan_removals(p, c->join != NULL ? &c->join->wanted : &c->wanted);
	return (p);
}

static int
configure_reached(struct request *r, struct connection_asked *connections, size_t n)
{
	struct proposal **list = xcalloc(n + 1, sizeof(struct proposal *));
	int rc;

	for (size_t i = 0; i < n; i++)
		list[i] = plan_connection(r, &connections[i]);
	rc = configure_proposals(r, list, n);
	for (size_t i = 0; i < n; i++)
		proposal_free(list[i]);
	free(list);
	return (rc);
}

static void
configure_cluster_run(struct request *r)
{
	size_t n;
	struct connection_asked *connections = read_connections(r, &n);
	int rc;

	if (connections == NULL)
		return;
	if (!op_is_off(r)) {
		rc = reach_all(r, connections, n);
		if (rc == 0)
			rc = configure_reached(r, connections, n);
		if (rc == 0)
			finish_joins(r, connections, n);
		else
			undo_joins(connections, n);
	}
	connections_free(connections, n);
}

static void
configure_cluster(struct request *r)
{
	in_turn(r, configure_cluster_run);
}

const struct op ops_cluster[] = {
	{ "cluster_set_routes", "clusterSetRoutes", RIGHT_NODES, ON_WORKER, op_routes_set },
	{ "set_cluster_routes", "clusterSetRoutes", RIGHT_NODES, ON_WORKER, op_routes_set },
	{ "cluster_get_routes", "clusterGetRoutes", RIGHT_SUPER, ON_WORKER, op_routes_get },
	{ "get_cluster_routes", "clusterGetRoutes", RIGHT_SUPER, ON_WORKER, op_routes_get },
	{ "cluster_delete_routes", "clusterDeleteRoutes", RIGHT_SUPER, ON_WORKER,
	    op_routes_delete },
	{ "delete_cluster_routes", "clusterDeleteRoutes", RIGHT_SUPER, ON_WORKER,
	    op_routes_delete },
	{ "add_node", "addNode", RIGHT_NODES, ON_HTTP, add_node },
	{ "set_node", "setNode", RIGHT_NODES, ON_HTTP, add_node },
	{ "update_node", "updateNode", RIGHT_NODES, ON_HTTP, update_node },
	{ "set_node_replication", "setNodeReplication", RIGHT_NODES, ON_HTTP, update_node },
	{ "remove_node", "removeNode", RIGHT_SUPER, ON_HTTP, remove_node },
	{ "resync", "resync", RIGHT_SUPER, ON_WORKER, op_resync },
	{ "configure_cluster", "configureCluster", RIGHT_NODES, ON_HTTP, configure_cluster },
	{ "cluster_status", "clusterStatus", RIGHT_SUPER, ON_WORKER, op_mesh_status },
	{ "cluster_network", "clusterNetwork", RIGHT_SUPER, ON_WORKER, op_mesh_network },
	{ "purge_stream", "purgeStream", RIGHT_SUPER, ON_WORKER, op_purge_stream },
	{ "renew_node_id", "renewNodeId", RIGHT_SUPER, ON_WORKER, op_renew_node_id },
	{ NULL },
};
