#include "config.h"

#include "opsd/cluster/admission.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/repconf.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/discovery.h"
#include "opsd/cluster/gossip_take.h"
#include "opsd/cluster/linkconf.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/routeflow.h"
#include "opsd/cluster/subscribed.h"
#include "opsd/pki/issue.h"
#include "opsd/pki/pki.h"

static int
is_revoked(struct replication *rep, const struct conf *conf, const char *serial)
{
	return (linkconf_revokes(conf, serial) ||
	    (rep->pki != NULL && pki_is_revoked(rep->pki, serial)));
}

static int
is_routed(struct replication *rep, const char *hostname)
{
	struct conf *conf = data_conf(rep->data);
	struct repconf_route route;
	int yes = repconf_route_to(conf, hostname, &route);

	conf_free(conf);
	return (yes);
}

/* 0: it shows no certificate, or nobody here has signed any. */
static int
is_certified(struct replication *rep, const struct member *m, struct issue_shown *shown,
    char hex[NODE_HEX_LEN])
{
	node_id_hex(m->id, hex);
	*shown = (struct issue_shown){ m->serial, m->hostname, hex, m->spki };
	return (rep->pki != NULL && m->serial != NULL && m->spki != NULL);
}

/* Of it, or of this node: what was before does not count. */
static uint64_t
last_removal(struct replication *rep, const struct member *m)
{
	uint64_t its = roster_locked_ms(rep->roster, m->id, m->spki);
	uint64_t ours = roster_locked_ms(rep->roster, rep->data->node_id, NULL);

	return (its > ours ? its : ours);
}

/* When we have signed what it shows, since one of the two was removed; 0: never. */
static uint64_t
invited_ms(struct replication *rep, const struct member *m)
{
	char hex[NODE_HEX_LEN];
	struct issue_shown shown;
	uint64_t ms = is_certified(rep, m, &shown, hex) ? issue_invites(rep->pki, &shown) : 0;

	return (ms > last_removal(rep, m) ? ms : 0);
}

int
admission_invited(struct replication *rep, const struct member *m)
{
	return (invited_ms(rep, m) != 0);
}

int
admission_confirm(struct replication *rep, const struct member *m, char **err)
{
	char hex[NODE_HEX_LEN];
	struct issue_shown shown;

	return (is_certified(rep, m, &shown, hex) ? issue_confirm(rep->pki, &shown, err) : 0);
}

/* A full member, as this node is, or was when it let that one in, and forgot it with an old backup. */
static int
is_discovered(struct replication *rep, const uint8_t *id)
{
	return (discovery_links(rep, id) || discovery_returns(rep, id));
}

/* What makes it a member, unless it was removed. */
static int
is_member_here(struct replication *rep, const uint8_t *id, const char *hostname)
{
	return ((nodes_active(rep->nodes, id) || is_routed(rep, hostname) ||
		    is_discovered(rep, id)) &&
	    roster_locked_ms(rep->roster, id, NULL) == 0);
}

int
admission_member(struct replication *rep, const uint8_t *id, const char *hostname)
{
	struct member m = { 0 };
	int yes = is_member_here(rep, id, hostname) || members_expected(rep->members, hostname);

	if (!yes && members_by_id(rep->members, id, &m))
		yes = admission_invited(rep, &m);
	member_clear(&m);
	return (yes);
}

int
admission_by_name(struct replication *rep, const char *hostname, struct member *m)
{
	struct roster_member told;

	if (members_by_hostname(rep->members, hostname, m))
		return (1);
	if (!roster_by_hostname(rep->roster, hostname, &told))
		return (0);
	memcpy(m->id, told.id, NODE_ID_LEN);
	m->hostname = xstrdup(told.hostname);
	m->node_name = xstrdup(told.node_name);
	roster_member_clear(&told);
	return (1);
}

/* The key that it is known by, to all or as it has said itself; NULL: none.  Caller frees. */
static char *
told_key(struct replication *rep, const uint8_t *id)
{
	struct roster_member told = { 0 };
	char *key = NULL;

	if (roster_member(rep->roster, id, &told) && !told.removed)
		key = xstrdup(told.spki);
	roster_member_clear(&told);
	return (key != NULL || !nodes_active(rep->nodes, id) ? key :
							       cluster_link_key(rep->cluster, id));
}

int
admission_check(struct replication *rep, const struct member_claim *claim, char **why)
{
	struct conf *conf = data_conf(rep->data);
	struct member by_id = { 0 }, by_hostname = { 0 };
	char *key = told_key(rep, claim->is.id);
	int expected = members_expected(rep->members, claim->is.hostname);
	int invited = claim->secure && admission_invited(rep, &claim->is);
	char *locked = expected || invited ?
	    NULL :
	    roster_locked(rep->roster, claim->is.id, claim->is.spki, claim->is.hostname);
	char *left = roster_left_behind(rep->roster, json_array_get(claim->shown, 0));
	struct member_facts facts = {
		.own_id = rep->data->node_id,
		.by_id = members_by_id(rep->members, claim->is.id, &by_id) ? &by_id : NULL,
		.by_hostname = admission_by_name(rep, claim->is.hostname, &by_hostname) ?
		    &by_hostname :
		    NULL,
		.revoked = claim->is.serial != NULL && is_revoked(rep, conf, claim->is.serial),
		.subscribed = nodes_active(rep->nodes, claim->is.id),
		.routed = expected || is_routed(rep, claim->is.hostname),
		.invited = invited,
		.discovered = is_discovered(rep, claim->is.id),
		.spki = key,
		.left = left,
		.locked = locked,
	};
	int status = member_check(claim, &facts, why);

	member_clear(&by_id);
	member_clear(&by_hostname);
	free(key);
	free(locked);
	free(left);
	conf_free(conf);
	return (status);
}

int
admission_is_unheard(struct replication *rep, const struct member_claim *claim)
{
	size_t n = claim->secure ? json_array_size(claim->shown) : 0;

	return (n > 0 && n <= ROSTER_SHOWN &&
	    !roster_has_heard(rep->roster, claim->is.id, json_array_get(claim->shown, 0)));
}

/* ---- what follows ---- */

static void
keep_member(struct group *g, const struct member_claim *claim)
{
	struct replication *rep = replication_of(g);
	struct member known = { 0 }, now;

	member_copy(&now, &claim->is);
	now.added_ms = wall_ms();
	if (members_by_id(rep->members, now.id, &known)) {
		now.added_ms = known.added_ms;
		if (now.spki == NULL)
			now.spki = xstrdup(known.spki);
		if (now.url == NULL)
			now.url = xstrdup(known.url);
		now.dial = xstrdup(known.dial);
		now.has_shard = known.has_shard;
		now.shard = known.shard;
	}
	if (!member_equal(&now, &known))
		members_store(g, &now);
	member_clear(&known);
	member_clear(&now);
}

/* A call that adds a node says itself what flows. */
static int
is_of_route(struct replication *rep, const struct member *m)
{
	return ((is_routed(rep, m->hostname) || discovery_links(rep, m->id)) &&
	    !members_expected(rep->members, m->hostname));
}

static struct stamp
newest_stamp(const struct peer *p)
{
	struct stamp newest = { 0 };

	for (size_t i = 0; i < p->subs.n; i++)
		newest = stamp_max(newest, p->subs.list[i].stamp);
	return (newest);
}

/* What was between the two has ended before one of them came back, whatever their clocks say. */
static int
ended_before(struct group *g, const struct peer *p)
{
	struct stamp newest = newest_stamp(p);

	return (!peer_active(p) &&
	    (newest.node == SUBSCRIPTION_BY_REMOVAL ||
		stamp_ms(newest) < discovery_since(replication_of(g), p->id)));
}

/* All that the route lets flow, unless there is or was something between the two: that counts. */
static int
subscribe_all(struct group *g, struct peer *p)
{
	struct routeflow flow = routeflow_to(replication_of(g), p);
	struct subscription all = {
		.database = (char *)(uintptr_t)SUBSCRIPTION_ALL,
		.table = (char *)(uintptr_t)SUBSCRIPTION_ALL,
		.publish = flow.sends,
		.subscribe = flow.receives,
	};

	if ((p->subs.n > 0 && !ended_before(g, p)) || (!all.publish && !all.subscribe))
		return (0);
	all.stamp = subscription_next(newest_stamp(p), wall_ms(), group_node(g));
	return (subscriptions_take(&p->subs, &all));
}

static int
note_hostname(struct peer *p, const char *hostname)
{
	if (p->hostname != NULL && strcmp(p->hostname, hostname) == 0)
		return (0);
	free(p->hostname);
	p->hostname = xstrdup(hostname);
	return (1);
}

/* What needs TLS does not go on without it. */
static int
note_secure(struct group *g, struct peer *p, int secure)
{
	if (!p->secure == !secure)
		return (0);
	p->secure = secure;
	subscribed_end(g, p);
	return (1);
}

static void
keep_peer(struct group *g, const struct member_claim *c)
{
	const struct member *m = &c->is;
	const char *name = m->node_name != NULL ? m->node_name : m->hostname;
	char *was = nodes_name(replication_of(g)->nodes, m->id);
	struct peer *p = nodes_edit(g, m->id, name);
	int changed = was == NULL || strcmp(was, name) != 0;

	changed |= note_hostname(p, m->hostname);
	changed |= note_secure(g, p, c->secure);
	if (is_of_route(replication_of(g), m))
		changed |= subscribe_all(g, p);
	changed |= routeflow_narrow(g, p);
	if (peer_lacks_tls(p))
		log_warnx("users and roles do not replicate with %s: its link is without TLS",
		    name);
	if (changed)
		nodes_store(g, p);
	else
		peer_free(p);
	free(was);
}

/* When that was; 0: it is not. */
static uint64_t
asked_in_ms(struct replication *rep, const struct member_claim *c)
{
	if (members_expected(rep->members, c->is.hostname))
		return (UINT64_MAX);
	return (c->secure ? invited_ms(rep, &c->is) : 0);
}

static void
admission_run(struct group *g, struct commit_job *j)
{
	struct admission *a = (struct admission *)j;
	struct replication *rep = replication_of(g);
	char *why = NULL;
	int status = admission_check(rep, &a->claim, &why);
	uint64_t asked_ms;

	if (status != 200)
		commit_fail(j, status, "%s", why);
	free(why);
	if (status != 200)
		return;
	if ((asked_ms = asked_in_ms(rep, &a->claim)) != 0)
		gossip_take_back(g, a->claim.is.id, a->claim.is.spki, asked_ms);
	keep_member(g, &a->claim);
	keep_peer(g, &a->claim);
	a->hint = cursors_hint(rep->cursors, a->claim.is.id);
}

/* ---- of whom more is known now ---- */

int
admission_is_due(struct replication *rep, const uint8_t *id, const char *hostname)
{
	return (!nodes_active(rep->nodes, id) && discovery_links(rep, id) &&
	    !members_expected(rep->members, hostname) &&
	    roster_locked_ms(rep->roster, id, NULL) == 0);
}

struct late_member {
	struct commit_job job; /* first */
	uint8_t id[NODE_ID_LEN];
	char *hostname;
};

static void
late_member_run(struct group *g, struct commit_job *j)
{
	const struct late_member *d = (const struct late_member *)j;
	struct replication *rep = replication_of(g);
	struct peer *p;

	if (!admission_is_due(rep, d->id, d->hostname))
		return;
	p = nodes_edit(g, d->id, NULL);
	if (subscribe_all(g, p)) {
		nodes_store(g, p);
		cluster_kick(rep->cluster);
	} else
		peer_free(p);
}

static void
late_member_done(struct commit_job *j)
{
	struct late_member *d = (struct late_member *)j;

	free(j->error);
	free(d->hostname);
	free(d);
}

struct commit_job *
admission_due_job(const uint8_t *id, const char *hostname)
{
	struct late_member *d = xcalloc(1, sizeof(*d));

	d->job.run = late_member_run;
	d->job.done = late_member_done;
	memcpy(d->id, id, NODE_ID_LEN);
	d->hostname = xstrdup(hostname);
	return (&d->job);
}

struct admission *
admission_new(const struct member_claim *claim)
{
	struct admission *a = xcalloc(1, sizeof(*a));

	a->job.run = admission_run;
	member_claim_copy(&a->claim, claim);
	return (a);
}

void
admission_free(struct admission *a)
{
	if (a == NULL)
		return;
	member_claim_clear(&a->claim);
	free(a->job.error);
	free(a);
}
