#include "config.h"

#include <string.h>

#include "opsd/auth/user.h"
#include "opsd/cluster/cluster.h"
#include "opsd/job/resync.h"
#include "opsd/op/node.h"
#include "opsd/op/op_cluster.h"
#include "opsd/op/op_job.h"
#include "opsd/op/op_table.h"

/* Takes a peer that is there and has an entry for the table; NULL and answered otherwise. */
static struct peer *
find_peer(struct request *r, const char *node, const char *db, const char *table)
{
	struct peer *p = nodes_get(r->ops->rep.nodes, node);

	if (p == NULL || !peer_active(p))
		reply_error(r, 404, "Node '%s' is not in the manifest", node);
	else if (peer_effective(p, db, table) == NULL)
		reply_error(r, 404, "There is no subscription of '%s.%s' with node '%s'", db, table,
		    node);
	else if (!cluster_reachable(r->ops->rep.cluster, node))
		reply_error(r, 504,
		    r->ops->data.live.clustering ?
			"Node '%s' is not in the network, see cluster_network for who is" :
			"Node '%s' is not linked with this node, see cluster_status for who is",
		    node);
	else
		return (p);
	peer_free(p);
	return (NULL);
}

void
op_resync(struct request *r)
{
	struct faults f = { 0 };
	const char *node = op_field_node(r, &f, r->body, "", "node_name");
	const char *db = field_database(&f, r->body);
	const char *table = field_string(&f, r->body, "table", 1);
	struct job_spec spec = {
		.type = r->op->name,
		.did = "copied",
		.run = resync_run,
		.free = resync_free,
	};
	struct peer *p;

	if (table != NULL && strcmp(table, "*") == 0)
		fault(&f, "'table' must be the name of one table");
	if (faults_answer(r, &f) || op_is_system(r, db) || op_is_off(r) ||
	    (p = find_peer(r, node, db, table)) == NULL)
		return;
	spec.arg = resync_new(&r->ops->rep, p, db, table, r->user->name);
	if (spec.arg == NULL)
		reply_error(r, 409, "'%s.%s' is being compared with node '%s' already", db, table,
		    node);
	else
		op_job_start(r, &spec);
	peer_free(p);
}
