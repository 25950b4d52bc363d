#include "config.h"

#include "opsd/cluster/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/postlater.h"
#include "common/tls/crypto.h"
#include "opsd/cluster/cluster_priv.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/firstcopy.h"
#include "opsd/cluster/invited.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/outlet.h"
#include "opsd/cluster/retain.h"
#include "opsd/cluster/tombstone.h"
#include "opsd/cluster/topology.h"
#include "opsd/store/expire.h"

#define RETAIN_US   10000000
#define AUDIT_EVERY 360          /* retentions */
#define ARRIVAL_US  15000000     /* how long after a start peers may still appear */
#define RECOVERY_US 600000000    /* no longer does one of them hold up those that copy from here */
#define LATER_MS    10           /* until a link hears what is durable, */
#define LATER_BYTES (256u << 10) /* or so much is */

/* ---- who is there ---- */

struct carrier_node
cluster_node_of(const struct peer *p)
{
	return ((struct carrier_node){ p->name, p->hostname, p->id });
}

int
cluster_peer_reachable(struct cluster *c, const struct peer *p)
{
	struct carrier_node node = cluster_node_of(p);

	return (c->carrier->reaches(c->carrier_arg, &node));
}

int
cluster_reachable(struct cluster *c, const char *node)
{
	return (c->carrier->reaches(c->carrier_arg, &(struct carrier_node){ .name = node }));
}

int
cluster_recovering(struct cluster *c)
{
	struct replication *rep = c->rep;
	size_t n;
	uint8_t *ids = cursors_recovering(rep->cursors, cursors_stalled_us(rep), RECOVERY_US, &n);
	int yes = n > 0 && mono_us() - rep->data->started_us < ARRIVAL_US;

	for (size_t i = 0; i < n && !yes; i++) {
		struct peer *p = nodes_by_id(rep->nodes, ids + i * NODE_ID_LEN);

		yes = p != NULL && cluster_peer_reachable(c, p) && !compat_refuses(c, p->id);
		peer_free(p);
	}
	free(ids);
	return (yes);
}

/* With the lock held. */
struct view *
cluster_view_of(struct cluster *c, const uint8_t *id)
{
	struct view *v;

	HASH_FIND(hh, c->views, id, NODE_ID_LEN, v);
	if (v == NULL) {
		v = xcalloc(1, sizeof(*v));
		memcpy(v->id, id, NODE_ID_LEN);
		v->latency_ms = -1;
		HASH_ADD(hh, c->views, id, NODE_ID_LEN, v);
	}
	return (v);
}

int64_t
cluster_clock(void)
{
	return ((int64_t)wall_ms() - (int64_t)(mono_us() / 1000));
}

void
cluster_view(struct cluster *c, const uint8_t *peer, struct peer_view *out)
{
	struct peer *p = nodes_by_id(c->rep->nodes, peer);
	struct view *v;

	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, peer);
	out->reachable = p != NULL && cluster_peer_reachable(c, p);
	out->latency_ms = v->latency_ms;
	/* As it is with the clock of now, which may have been set since it was measured. */
	out->skew_ms = v->skew_ms - (cluster_clock() - v->skew_from);
	out->uptime_ms = v->uptime_ms;
	out->seen_ms = v->seen_ms;
	out->clock_ms = v->clock_ms;
	out->cluster_port = v->cluster_port;
	out->api_port = v->api_port;
	out->system_info = json_incref(v->system_info);
	out->received = positions_ref(v->received);
	out->snapshot_rank = v->snapshot_rank;
	out->snapshot_ms = v->snapshot_ms;
	out->refused = xstrdup(v->refused);
	out->incarnation = c->rep->data->log.incarnation;
	pthread_mutex_unlock(&c->lock);
	peer_free(p);
}

char *
cluster_link_key(struct cluster *c, const uint8_t *peer)
{
	struct view *v;
	char *key;

	if (c == NULL)
		return (NULL);
	pthread_mutex_lock(&c->lock);
	HASH_FIND(hh, c->views, peer, NODE_ID_LEN, v);
	key = v != NULL ? xstrdup(v->link_key) : NULL;
	pthread_mutex_unlock(&c->lock);
	return (key);
}

uint64_t
cluster_told(const struct cluster *c)
{
	return (c->told);
}

void
cluster_question(struct cluster *c, const struct peer *p, const char *verb, json_t *question,
    unsigned timeout_ms, carrier_answered *cb, void *arg)
{
	struct carrier_node node = cluster_node_of(p);

	compat_say(question);
	c->carrier->ask(c->carrier_arg, &node, verb, question, timeout_ms, cb, arg);
}

/* ---- what is to be done ---- */

void
cluster_logged(struct cluster *c)
{
	c->carrier->logged(c->carrier_arg);
}

void
cluster_expect(struct cluster *c, const struct subscriptions *subs, int on)
{
	outlet_expect(c->outlet, subs, on);
	cluster_kick(c);
}

void
cluster_changed(struct cluster *c)
{
	c->carrier->changed(c->carrier_arg);
	pursuit_run(c);
}

void
cluster_met(struct cluster *c, const uint8_t *peer)
{
	struct view *v;

	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, peer);
	v->met = 1;
	v->asked_us = v->synced_us = 0;
	pthread_mutex_unlock(&c->lock);
	cluster_changed(c);
}

static void
kicked_run(void *arg)
{
	struct cluster *c = arg;

	c->kicked = 0;
	cluster_changed(c);
}

void
cluster_kick(struct cluster *c)
{
	if (c != NULL && !atomic_exchange(&c->kicked, 1))
		post(c->rep->data->svc->post, kicked_run, c);
}

void
cluster_tick(struct cluster *c)
{
	if (c->rep->data->live.replicates) {
		exchange_run(c);
		pursuit_run(c);
		firstcopy_tick(c->rep);
	}
	if (mono_us() - c->retained_us > RETAIN_US) {
		c->retained_us = mono_us();
		retain_run(c->rep, c->retentions++ % AUDIT_EVERY == 0);
		tombstone_run(c->rep);
		expire_run(c->rep->data);
	}
}

/* ---- life ---- */

struct cluster *
cluster_new(struct replication *rep)
{
	struct cluster *c = xcalloc(1, sizeof(*c));

	c->rep = rep;
	c->retained_us = mono_us();
	crypto_random(&c->life, sizeof(c->life));
	c->life &= INT64_MAX;
	c->outlet = outlet_new(rep);
	rep->invited = invited_new();
	c->later = postlater_new(rep->data->svc->base, rep->data->svc->post, LATER_MS, LATER_BYTES);
	pthread_mutex_init(&c->lock, NULL);
	return (c);
}

struct outlet *
cluster_outlet(struct cluster *c)
{
	return (c->outlet);
}

void
cluster_carry(struct cluster *c, const struct carrier_ops *ops, void *arg)
{
	c->carrier = ops;
	c->carrier_arg = arg;
}

void
cluster_quiet(struct cluster *c)
{
	pthread_mutex_lock(&c->lock);
	c->quiet = 1;
	pthread_mutex_unlock(&c->lock);
}

void
cluster_free(struct cluster *c)
{
	struct view *v, *tmp;

	if (c == NULL)
		return;
	HASH_ITER(hh, c->views, v, tmp) {
		HASH_DEL(c->views, v);
		json_decref(v->system_info);
		positions_free(v->received);
		topology_report_free(v->topology);
		free(v->refused);
		free(v->link_key);
		free(v);
	}
	postlater_free(c->later);
	topology_report_free(c->topology);
	outlet_free(c->outlet);
	invited_free(c->rep->invited);
	c->rep->invited = NULL;
	pthread_mutex_destroy(&c->lock);
	free(c);
}
