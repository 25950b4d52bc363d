#include "config.h"

#include "opsd/cluster/warnings_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/tlsconf.h"
#include "opsd/auth/certends.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/daemons.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/topology.h"

#define GAPS_MAX   100
#define GAP_TABLES 20 /* shown of one */

json_t *
warnings_add(json_t *list, const char *kind, json_t *message)
{
	json_t *o = json_pack("{s:s, s:o}", "kind", kind, "message", message);

	json_array_append_new(list, o);
	return (o);
}

/* After "Clustering is off: ", before and after the user's name. */
static const char *const secret_texts[][2] = {
	[SECRET_NO_USER] = { "user", "does not exist or has no role that is a cluster_user" },
	[SECRET_NOT_KEPT] = { "user",
	    "was no cluster_user when its password was set: set it again "
	    "with alter_user" },
	[SECRET_SEALED] = { "the password of user",
	    "cannot be unsealed, because keys/node.key was "
	    "damaged or removed, or is another node's: set the password with alter_user, or start "
	    "with CLUSTERING_PASSWORD" },
};

/* As warnings_why_off, with the kind of the warning. */
static char *
off_reason(struct replication *rep, const char **kind)
{
	struct conf *conf = data_conf(rep->data);
	const char *user = conf_str(conf, CL_USER);
	/* Of external servers it needs none. */
	enum cluster_secret secret = rep->data->live.external ?
	    SECRET_KNOWN :
	    user_cluster_secret(rep->data, user, NULL);
	char *why = NULL;

	*kind = secret == SECRET_NO_USER ? "cluster_user" : "cluster_password";
	if (secret != SECRET_KNOWN)
		why = xasprintf("Clustering is off: %s '%s' (clustering.user) %s",
		    secret_texts[secret][0], user != NULL ? user : "", secret_texts[secret][1]);
	conf_free(conf);
	return (why);
}

char *
warnings_why_off(struct replication *rep)
{
	const char *kind;

	return (off_reason(rep, &kind));
}

static void
warn_fault(struct replication *rep, json_t *list)
{
	const char *kind;
	char *why = off_reason(rep, &kind);

	if (why != NULL)
		warnings_add(list, kind, json_string(why));
	free(why);
}

static int
has_leaf_routes(struct replication *rep)
{
	struct conf *conf = data_conf(rep->data);
	int some = json_array_size(conf_list(conf, LEAF_ROUTES)) > 0;

	conf_free(conf);
	return (some);
}

static void
warn_conflict(const json_t *conflict, json_t *list)
{
	json_t *nodes = json_object_get(conflict, "nodes"), *o;
	const char *first = json_string_value(json_array_get(nodes, 0));
	const char *second = json_string_value(json_array_get(nodes, 1));

	if (strcmp(json_string_value(json_object_get(conflict, "same")), "name") == 0)
		o = warnings_add(list, "duplicate_name",
		    json_sprintf(
			"Two nodes are called '%s': both are "
			"shut out of the cluster. Give one of them another clustering.nodeName, or stop "
			"it",
			first));
	else
		o = warnings_add(list, "copied_node",
		    json_sprintf(
			"%s%s%s%s' are copies of one node, with "
			"one id: they are shut out of the cluster, and what is written on them stays "
			"there. Stop the copy, or let it be a node of its own: run renew_node_id on it%s",
			second == NULL ? "Two nodes called '" : "'", first,
			second == NULL ? "" : "' and '", second == NULL ? "" : second,
			second == NULL ? ", and give it another "
					 "clustering.nodeName" :
					 ""));
	json_object_set(o, "nodes", nodes);
}

static void
warn_unrouted(const json_t *mesh, json_t *list)
{
	json_t *nodes = json_object_get(mesh, "unrouted");

	if (json_array_size(nodes) > 0)
		json_object_set(
		    warnings_add(list, "unrouted",
			json_string(
			    "This node has no routes, and none is "
			    "known to lead to it, but its hub is linked with other nodes all the same: to let "
			    "them go, run restart_service with clustering here; to keep them, add a route")),
		    "nodes", nodes);
}

/* What nobody is kept out by, and what keeps him out. */
static const char *const lasting_texts[] = {
	[TLSCONF_SECRET] = "the hub server has not taken over yet that it is refused. If that does "
			   "not end, run restart_service with clustering here",
	[TLSCONF_FILES] =
	    "with certificates of one's own the hub server refuses nobody by name. To "
	    "keep that node out, name the keys of all others in clustering.tls.pinned, or "
	    "use an authority that has not signed for it",
	[TLSCONF_INSECURE] =
	    "without verified certificates the hub server refuses nobody by name. To "
	    "keep that node out, give the cluster user another password on all others",
};

static void
warn_lasting(struct replication *rep, const json_t *mesh, json_t *list)
{
	const json_t *lasting = json_object_get(mesh, "lasting");
	struct conf *conf;
	const char *why;
	json_t *one, *o;
	size_t i;

	if (json_array_size(lasting) == 0)
		return;
	conf = data_conf(rep->data);
	why = lasting_texts[tlsconf_trust(conf)];
	json_array_foreach(lasting, i, one) {
		o = warnings_add(list, "removed_link",
		    json_sprintf("Node '%s' was removed, but has a leaf link to this node again "
				 "each time that it is ended: %s",
			json_string_value(json_object_get(one, "node_name")), why));
		json_object_update_missing(o, one);
	}
	conf_free(conf);
}

static void
warn_links(struct replication *rep, const json_t *mesh, json_t *list)
{
	json_t *doubled = json_object_get(mesh, "doubled"), *conflict, *o;
	size_t i;

	json_array_foreach(json_object_get(mesh, "conflicts"), i, conflict)
		warn_conflict(conflict, list);
	warn_unrouted(mesh, list);
	warn_lasting(rep, mesh, list);
	if (json_array_size(doubled) == 0)
		return;
	o = warnings_add(list, "linked_twice",
	    json_string(has_leaf_routes(rep) ?
		    "A leaf route of this node leads into the mesh that its hub belongs to: everything "
		    "arrives twice, which costs bandwidth. Delete the leaf route or the hub's routes" :
		    "Everything arrives twice from these nodes: a leaf route of theirs leads into the mesh "
		    "that their hub belongs to"));
	json_object_set(o, "nodes", doubled);
}

/* One of the two servers is not as it should be, and its daemon knows why. */
static void
warn_server(const char *name, const json_t *state, json_t *list)
{
	const json_t *server = json_object_get(state, "server");
	const char *why = json_string_value(json_object_get(server, "error"));
	int external = json_is_true(json_object_get(server, "external"));
	json_t *o;

	if (why == NULL)
		return;
	o = warnings_add(list, "server",
	    external ? json_sprintf("The servers of nats.urls, as %sd sees them: %s", name, why) :
		       json_sprintf("The %s server: %s", name, why));
	json_object_set_new(o, "server", json_string(name));
}

/* It cannot say itself what is wrong with it. */
static void
warn_daemon(struct replication *rep, enum role role, const char *costs, json_t *list)
{
	const char *why = daemons_fault(rep->daemons, role);
	json_t *o;

	if (why == NULL)
		return;
	o = warnings_add(list, "daemon",
	    json_sprintf("%s %s: meanwhile %s", role_name(role), why, costs));
	json_object_set_new(o, "daemon", json_string(role_name(role)));
}

/* The clock is behind what the node has: that is no matter of other nodes. */
static void
warn_own_clock(struct replication *rep, json_t *list)
{
	uint64_t ahead = commit_ahead_ms(rep->data->commit);
	json_t *o;

	if (ahead <= rep->data->live.max_skew_ms)
		return;
	o = warnings_add(list, "clock_behind",
	    json_sprintf(
		"This node's clock is %llu ms behind transactions "
		"that it holds, more than clustering.maxClockSkew: it was set back, or was ahead when they "
		"were written. Writes here are refused and others hold what was written until it is that "
		"time: set the clock right, wait, or raise clustering.maxClockSkew",
		(unsigned long long)ahead));
	json_object_set_new(o, "behind_ms", json_integer((json_int_t)ahead));
}

static void
warn_skew(struct replication *rep, const struct peer *p, json_t *list)
{
	struct peer_view v;
	json_t *o;

	cluster_view(rep->cluster, p->id, &v);
	if (v.reachable && v.seen_ms != 0 &&
	    (uint64_t)llabs(v.skew_ms) > rep->data->live.max_skew_ms) {
		o = warnings_add(list, "clock_skew",
		    json_sprintf("The clock of node '%s' is %lld ms %s this "
				 "node's, more than clustering.maxClockSkew: set the clocks right",
			p->name, (long long)llabs(v.skew_ms),
			v.skew_ms > 0 ? "ahead of" : "behind"));
		json_object_set_new(o, "node_name", json_string(p->name));
		json_object_set_new(o, "clock_skew_ms", json_integer(v.skew_ms));
	}
	peer_view_clear(&v);
}

static void
warn_refused(struct replication *rep, const struct peer *p, json_t *list)
{
	char *why = compat_refused(rep->cluster, p->id);

	if (why != NULL)
		json_object_set_new(warnings_add(list, "format",
					json_sprintf("%s: nothing goes between the two "
						     "meanwhile",
					    why)),
		    "node_name", json_string(p->name));
	free(why);
}

static void
warn_gap(const json_t *gap, json_t *list)
{
	const char *from = json_string_value(json_object_get(gap, "from"));
	const char *to = json_string_value(json_object_get(gap, "to"));
	json_t *tables = json_object_get(gap, "tables"), *shown = json_array(), *o;
	size_t n = json_array_size(tables), i;

	for (i = 0; i < n && i < GAP_TABLES; i++)
		json_array_append(shown, json_array_get(tables, i));
	o = warnings_add(list, "topology_gap",
	    json_sprintf(
		"What is written on '%s' does not reach '%s' (%s%s): "
		"subscribe the two to each other, or set clustering.republishMessages on the nodes "
		"between them",
		from, to, json_string_value(json_array_get(tables, 0)),
		n > 1 ? " and other tables" : ""));
	json_object_set_new(o, "from", json_string(from));
	json_object_set_new(o, "to", json_string(to));
	json_object_set_new(o, "tables", shown);
	json_object_set_new(o, "table_count", json_integer((json_int_t)n));
}

static void
warn_gaps(struct replication *rep, json_t *list)
{
	size_t n, i;
	struct topology_report **reports = cluster_topology(rep->cluster, &n);
	json_t *gaps = topology_gaps(reports, n, GAPS_MAX), *gap;

	json_array_foreach(gaps, i, gap)
		warn_gap(gap, list);
	json_decref(gaps);
	for (i = 0; i < n; i++)
		topology_report_free(reports[i]);
	free(reports);
}

static void
warn_certificates(struct replication *rep, json_t *list)
{
	json_t *ends = certends(rep->data), *end, *o;
	char *text;
	size_t i;

	json_array_foreach(ends, i, end)
		if ((text = certends_warning(rep->data, end)) != NULL) {
			o = warnings_add(list, "certificate_expiry", json_string(text));
			json_object_update(o, end);
			free(text);
		}
	json_decref(ends);
}

/* The room that takes them says so. */
static void
warn_snapshots(struct replication *rep, json_t *list)
{
	char *why = rep->snapshots.fault != NULL ? rep->snapshots.fault(rep->snapshots.arg) : NULL;

	if (why != NULL)
		warnings_add(list, "snapshot",
		    json_sprintf(
			"No snapshot could be taken: %s. It is tried again every half "
			"minute; a node that starts empty begins with an older one, or copies "
			"its tables",
			why));
	free(why);
}

json_t *
warnings(struct replication *rep)
{
	json_t *list = json_array(), *mesh = daemons_mesh(rep->daemons);
	json_t *leaf = daemons_leaf_state(rep->daemons);
	struct peer **all;
	size_t n;

	warn_server("hub", mesh, list);
	warn_server("leaf", leaf, list);
	warnings_waiting(rep, leaf, list);
	warnings_handshakes(rep, "hub", mesh, list);
	warnings_handshakes(rep, "leaf", leaf, list);
	warn_links(rep, mesh, list);
	json_decref(mesh);
	warn_certificates(rep, list);
	warnings_links(rep, leaf, list);
	json_decref(leaf);
	warn_own_clock(rep, list);
	warn_snapshots(rep, list);
	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		if (peer_active(all[i])) {
			warn_skew(rep, all[i], list);
			warn_refused(rep, all[i], list);
		}
		peer_free(all[i]);
	}
	free(all);
	if (rep->data->live.replicates)
		warn_daemon(rep, ROLE_LEAFD, "nothing is replicated to this node or from it", list);
	if (rep->data->live.clustering) {
		warn_daemon(rep, ROLE_HUBD, "this node reaches no other node", list);
		warn_fault(rep, list);
		warn_gaps(rep, list);
		warnings_trust(rep, list);
	}
	return (list);
}
