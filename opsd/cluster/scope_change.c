#include "config.h"

#include "opsd/cluster/scope_change.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/subscribed.h"

static void
scope_change_run(struct group *g, struct commit_job *j)
{
	struct replication *rep = replication_of(g);
	struct peer **all;
	size_t n;

	(void)j;
	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		subscribed_end(g, all[i]);
		peer_free(all[i]);
	}
	free(all);
	cluster_kick(rep->cluster);
}

static void
scope_change_done(struct commit_job *j)
{
	free(j->error);
	free(j);
}

void
scope_changed(struct replication *rep)
{
	struct commit_job *j = xcalloc(1, sizeof(*j));

	j->run = scope_change_run;
	j->done = scope_change_done;
	commit_submit(rep->data->commit, j);
}
