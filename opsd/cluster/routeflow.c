#include "config.h"

#include "opsd/cluster/routeflow.h"

#include "common/base/clock.h"
#include "common/conf/repconf.h"

struct routeflow
routeflow_to(struct replication *rep, const struct peer *p)
{
	struct routeflow flow = { 1, 1, rep->start_ms };
	struct repconf_route route;
	struct conf *conf;

	if (p->hostname == NULL)
		return (flow);
	conf = data_conf(rep->data);
	if (repconf_route_to(conf, p->hostname, &route)) {
		flow.sends = route.sends;
		flow.receives = route.receives;
		if (route.start_ms != 0)
			flow.start_ms = route.start_ms;
	}
	conf_free(conf);
	return (flow);
}

uint64_t
routeflow_start(struct replication *rep, const struct peer *p, const struct subscription *s)
{
	if (s->start_ms != 0 || !subscription_is_wide(s))
		return (s->start_ms);
	return (routeflow_to(rep, p).start_ms);
}

int
routeflow_narrow(struct group *g, struct peer *p)
{
	const struct subscription *all = subscriptions_find(&p->subs, SUBSCRIPTION_ALL,
	    SUBSCRIPTION_ALL);
	struct routeflow flow = routeflow_to(replication_of(g), p);
	struct subscription less;

	if (all == NULL || all->removed ||
	    ((!all->publish || flow.sends) && (!all->subscribe || flow.receives)))
		return (0);
	less = *all;
	less.publish &= flow.sends;
	less.subscribe &= flow.receives;
	less.stamp = subscription_next(all->stamp, wall_ms(), group_node(g));
	if (!less.publish && !less.subscribe)
		subscription_end(&less, less.stamp);
	return (subscriptions_take(&p->subs, &less));
}
