#include "config.h"

#include "opsd/watch/processes.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "opsd/cluster/daemons.h"
#include "opsd/watch/host.h"
#include "opsd/watch/watch.h"

/* Of one that is connected: a pid file may be left over. */
static int
daemon_pid(struct watch *w, const struct conf *conf, enum role role)
{
	const char *daemon = role_name(role);
	char *file = xasprintf("%s.pid", daemon), *path = conf_run_path(conf, file);
	char *line = host_line(path);
	int pid = line != NULL && daemons_up(w->rep->daemons, role) ? atoi(line) : 0;

	free(line);
	free(path);
	free(file);
	return (pid);
}

static int
server_pid(const json_t *servers, const char *name)
{
	return ((int)json_integer_value(json_object_get(json_object_get(servers, name), "pid")));
}

void
processes(struct watch *w, struct process p[PROCESSES])
{
	struct conf *conf = data_conf(w->data);
	json_t *servers = daemons_servers(w->rep->daemons);

	p[0] = (struct process){ "opsd", (int)getpid() };
	p[1] = (struct process){ "hubd", daemon_pid(w, conf, ROLE_HUBD) };
	p[2] = (struct process){ "leafd", daemon_pid(w, conf, ROLE_LEAFD) };
	p[3] = (struct process){ "hub server", server_pid(servers, "hub") };
	p[4] = (struct process){ "leaf server", server_pid(servers, "leaf") };
	json_decref(servers);
	conf_free(conf);
}
