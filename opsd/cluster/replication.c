#include "config.h"

#include "opsd/cluster/replication.h"

#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"

static void
on_logged(void *arg)
{
	cluster_logged(((struct replication *)arg)->cluster);
}

static int
is_log_wanted(void *arg)
{
	return (nodes_any(((struct replication *)arg)->nodes));
}

static int
is_shared(void *arg, const struct table *t)
{
	return (nodes_share(((struct replication *)arg)->nodes, t));
}

int
replication_load(struct replication *rep, struct data *data, char **err)
{
	rep->data = data;
	data->hooks = (struct data_hooks){ on_logged, is_log_wanted, is_shared, rep };
	rep->nodes = nodes_load(rep, err);
	if (*err == NULL)
		rep->cursors = cursors_load(rep, err);
	return (*err == NULL ? 0 : -1);
}

void
replication_clear(struct replication *rep)
{
	cursors_free(rep->cursors);
	nodes_free(rep->nodes);
}

struct replication *
replication_of(struct group *g)
{
	return (group_data(g)->hooks.arg);
}
