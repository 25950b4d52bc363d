#include "config.h"

#include "opsd/op/op_job.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/daemons.h"
#include "opsd/cluster/renew.h"
#include "opsd/op/node.h"
#include "opsd/op/op_cluster.h"
#include "opsd/op/restart.h"

/* restart, restart_service. */

static void
op_restart(struct request *r)
{
	struct ops *ops = r->ops;

	reply_last(r);
	reply_message(r, "Restarting HarperDB. This may take up to 60 seconds.");
	restart_node(ops);
}

void
op_renew_node_id(struct request *r)
{
	struct ops *ops = r->ops;
	char hex[2 * NODE_ID_LEN + 1], *err;
	int status = renew_node_id(&ops->rep, hex, &err);

	if (status == 200) {
		reply_last(r);
		reply_message(r,
		    "This node gets the id %s and restarts. Its subscriptions stay; the "
		    "nodes get what was written on it",
		    hex);
		restart_node(ops);
	} else
		reply_error(r, status, "%s", err);
	free(err);
}

static void
end_with(struct job *t, char *err)
{
	if (err != NULL)
		job_fail(t, "%s", err);
	free(err);
}

static void
http_run(struct job *t, void *arg)
{
	end_with(t, restart_http(arg));
}

static void
clustering_run(struct job *t, void *arg)
{
	end_with(t, restart_daemons(arg, RESTART_HUBD | RESTART_LEAFD));
}

static void
clustering_config_run(struct job *t, void *arg)
{
	restart_clustering_config(arg);
}

static void
hubd_run(struct job *t, void *arg)
{
	end_with(t, restart_daemons(arg, RESTART_HUBD));
}

static void
leafd_run(struct job *t, void *arg)
{
	end_with(t, restart_daemons(arg, RESTART_LEAFD));
}

/* The job has ended when its daemon does. */
static void
opsd_run(struct job *t, void *arg)
{
	restart_opsd(arg);
}

static const struct {
	const char *name;
	void (*run)(struct job *t, void *arg);
} services[] = {
	{ "http_workers", http_run },
	{ "clustering", clustering_run },
	{ "clustering_config", clustering_config_run },
	{ "hubd", hubd_run },
	{ "leafd", leafd_run },
	{ "opsd", opsd_run },
};

static void
op_restart_service(struct request *r)
{
	struct faults f = { 0 };
	const char *name = field_string(&f, r->body, "service", 1);
	struct job_spec spec = { .type = "restart_service", .arg = r->ops };
	char *message;

	if (faults_answer(r, &f))
		return;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (strcmp(services[i].name, name) == 0)
			spec.run = services[i].run;
	if (spec.run == NULL) {
		reply_error(r, 400, "Invalid service");
		return;
	}
	message = xasprintf("Restarting %s", name);
	spec.message = message;
	op_job_start(r, &spec);
	free(message);
}

const struct op ops_restart[] = {
	{ "restart", "restart", RIGHT_SUPER, ON_HTTP, op_restart },
	{ "restart_service", "restartService", RIGHT_SUPER, ON_WORKER, op_restart_service },
	{ NULL },
};
