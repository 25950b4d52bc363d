#include "config.h"

#include "opsd/cluster/replication.h"

#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/iso.h"
#include "common/base/log.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/carrier_nats.h"
#include "opsd/cluster/carriers.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/given.h"
#include "opsd/cluster/gossip.h"
#include "opsd/cluster/gossip_take.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/origin.h"
#include "opsd/cluster/renewing.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/scope_change.h"
#include "opsd/cluster/trustsync.h"

#define TICK_US 200000

static void
on_logged(void *arg)
{
	struct replication *rep = arg;

	if (rep->carries) /* the first users are written before */
		cluster_logged(rep->cluster);
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

static uint64_t
start_time(struct data *data)
{
	struct conf *conf = data_conf(data);
	const char *text = conf_str(conf, REP_START_TIME);
	int64_t ms = text != NULL ? iso_ms(text, NULL) : 0;

	/* Refusing it would keep a node away whose clock is not set yet. */
	if (ms > 0 && (uint64_t)ms > wall_ms())
		log_warnx("%s is in the future, by this node's clock: what other nodes have "
			  "written until now does not come",
		    conf_name(REP_START_TIME));
	conf_free(conf);
	return (ms > 0 ? (uint64_t)ms : 0);
}

int
replication_load(struct replication *rep, struct data *data, char **err)
{
	rep->data = data;
	data->hooks = (struct data_hooks){ on_logged, is_log_wanted, is_shared, rep };
	rep->start_ms = start_time(data);
	rep->nodes = nodes_load(rep, err);
	if (*err == NULL)
		rep->members = members_load(rep, err);
	if (*err == NULL)
		gossip_take_load(rep, err);
	if (*err == NULL)
		rep->cursors = cursors_load(rep, err);
	if (*err == NULL)
		rep->givens = givens_load(rep, err);
	if (*err == NULL)
		rep->origins = origins_load(rep, err);
	return (*err == NULL ? 0 : -1);
}

void
replication_clear(struct replication *rep)
{
	givens_free(rep->givens);
	origins_free(rep->origins);
	cursors_free(rep->cursors);
	roster_free(rep->roster);
	members_free(rep->members);
	nodes_free(rep->nodes);
}

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct replication *rep = arg;

	daemons_beat(rep->daemons);
	carrier_link_tick(rep->link);
	cluster_tick(rep->cluster);
	renewing_tick(rep->renewing);
	trustsync_tick(rep->trustsync);
	gossip_tick(rep->gossip);
}

static void
make_carriers(struct replication *rep)
{
	rep->nats = carrier_nats_new(rep->cluster, rep, cluster_outlet(rep->cluster));
	rep->link = carrier_link_new(rep->cluster, rep);
	rep->carriers = carriers_new();
	carriers_add(rep->carriers, &carrier_link_ops, rep->link);
	carriers_add(rep->carriers, &carrier_nats_ops, rep->nats);
	cluster_carry(rep->cluster, &carriers_ops, rep->carriers);
	rep->carries = 1;
}

static void
free_carriers(struct replication *rep)
{
	rep->carries = 0;
	carriers_free(rep->carriers);
	carrier_link_free(rep->link);
	carrier_nats_free(rep->nats);
	rep->carriers = NULL;
	rep->link = NULL;
	rep->nats = NULL;
}

int
replication_start(struct replication *rep, char **err)
{
	struct timeval every = { 0, TICK_US };
	struct daemons_above above[2];

	rep->cluster = cluster_new(rep);
	make_carriers(rep);
	rep->renewing = renewing_new(rep);
	rep->trustsync = trustsync_new(rep);
	rep->gossip = gossip_new(rep->cluster, rep);
	gossip_say_resume(rep);
	above[0] = carrier_nats_above(rep->nats);
	above[1] = carrier_link_above(rep->link);
	rep->daemons = daemons_start(rep, above, 2, err);
	if (rep->daemons == NULL) {
		replication_stop(rep);
		return (-1);
	}
	rep->tick = event_new(rep->data->svc->base, -1, EV_PERSIST, tick_cb, rep);
	event_add(rep->tick, &every);
	scope_changed(rep); /* the configuration may be another one than before */
	return (0);
}

void
replication_quiet(struct replication *rep)
{
	cluster_quiet(rep->cluster);
	event_free(rep->tick);
	daemons_quiet(rep->daemons);
	event_base_loop(rep->data->svc->base, EVLOOP_NONBLOCK); /* who waits already */
}

void
replication_stop(struct replication *rep)
{
	daemons_stop(rep->daemons);
	free_carriers(rep);
	renewing_free(rep->renewing);
	trustsync_free(rep->trustsync);
	gossip_free(rep->gossip);
	cluster_free(rep->cluster);
	rep->daemons = NULL;
	rep->cluster = NULL;
	rep->gossip = NULL;
}

struct replication *
replication_of(struct group *g)
{
	return (group_data(g)->hooks.arg);
}
