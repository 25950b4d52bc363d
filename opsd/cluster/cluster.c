#include "config.h"

#include "opsd/cluster/cluster.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/cluster_priv.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/outlet.h"
#include "opsd/cluster/retain.h"
#include "opsd/cluster/tombstone.h"
#include "opsd/cluster/warnings.h"
#include "opsd/store/expire.h"

#define TICK_US		200000
#define HOLD_US		3000000		/* the longest that leafd waits for the hub */
#define RETAIN_US	10000000
#define AUDIT_EVERY	360		/* retentions */
#define ARRIVAL_US	15000000	/* how long after a start peers may still appear */

/* ---- settings ---- */

void
cluster_send_json(struct chan *c, enum msg_type type, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);
	struct buf b = { 0 };

	buf_blob(&b, text, strlen(text));
	chan_send(c, type, &b);
	free(text);
	json_decref(o);
}

static json_t *
settings(struct replication *rep)
{
	struct conf *conf = data_conf(rep->data);
	const char *user = conf_str(conf, CL_USER), *node = conf_str(conf, CL_NODENAME);
	char *password, *why;
	int enabled = conf_bool(conf, CL_ENABLED);
	char *key = conf_file(conf, CL_TLS_KEY, "keys/privateKey.pem");
	char *cert = conf_file(conf, CL_TLS_CERT, "keys/certificate.pem");
	json_t *o;

	user_cluster_secret(rep->data, user, &password);
	if (enabled && password == NULL) {
		why = clustering_fault(rep);
		if (why != NULL)
			log_errorx("%s", why);
		free(why);
		enabled = 0;
	}
	o = json_pack("{s:b, s:s?, s:s, s:s?, s:s?, s:{s:s, s:s, s:s?, s:b, s:b}, s:o}", "enabled",
	    enabled, "node", node, "node_id", rep->data->node_hex, "user", user, "password", password,
	    "tls", "certificate", cert, "privateKey", key, "certificateAuthority",
	    conf_str(conf, CL_TLS_CA), "insecure", conf_bool(conf, CL_TLS_INSECURE), "verify",
	    conf_bool(conf, CL_TLS_VERIFY), "config", conf_tree(conf));
	free(key);
	free(cert);
	free(password);
	conf_free(conf);
	return (o);
}

/*
 * A leaf server that does not find its hub tries again only a second later, and the node
 * is not reachable for so long: leafd is told to start it when the hub is there.
 */
void
cluster_settle(struct cluster *c)
{
	const char *hub = json_string_value(json_object_get(json_object_get(c->mesh, "server"),
	    "status"));

	if (c->leaf_held == 0 || c->leaf == NULL || (c->rep->data->live.clustering &&
	    mono_us() - c->leaf_held < HOLD_US && (hub == NULL || strcmp(hub, "running") != 0)))
		return;
	c->leaf_held = 0;
	cluster_send_json(c->leaf, MSG_SETTINGS, settings(c->rep));
	leaflink_kick(c);
}

static void
settings_run(void *arg)
{
	struct cluster *c = arg;

	if (c->hub != NULL)
		cluster_send_json(c->hub, MSG_SETTINGS, settings(c->rep));
	if (c->leaf != NULL && c->leaf_held == 0)
		cluster_send_json(c->leaf, MSG_SETTINGS, settings(c->rep));
	leaflink_kick(c);
}

void
cluster_settings(struct cluster *c)
{
	if (c != NULL)
		post(c->rep->data->svc->post, settings_run, c);
}

struct restarting {
	struct cluster	*c;
	unsigned	 which;
};

static void
restart_run(void *arg)
{
	struct restarting *r = arg;

	if ((r->which & RESTART_HUBD) != 0 && r->c->hub != NULL)
		chan_send(r->c->hub, MSG_RESTART, NULL);
	if ((r->which & RESTART_LEAFD) != 0 && r->c->leaf != NULL)
		chan_send(r->c->leaf, MSG_RESTART, NULL);
	free(r);
}

void
cluster_restart(struct cluster *c, unsigned which)
{
	struct restarting *r = xcalloc(1, sizeof(*r));

	*r = (struct restarting){ c, which };
	post(c->rep->data->svc->post, restart_run, r);
}

/* ---- who is there ---- */

int
cluster_reachable_locked(struct cluster *c, const char *node)
{
	json_t *n;
	size_t i;

	json_array_foreach(json_object_get(c->mesh, "nodes"), i, n)
		if (strcmp(json_string_value(n), node) == 0)
			return (1);
	return (0);
}

int
cluster_answers_locked(struct cluster *c, const char *name, const char *hex)
{
	const json_t *ids = json_object_get(c->mesh, "ids"), *n;
	size_t i;

	json_array_foreach(json_object_get(c->mesh, "nodes"), i, n)
		if (strcmp(json_string_value(n), name) == 0) {
			const char *id = json_string_value(json_array_get(ids, i));

			return (id == NULL || id[0] == '\0' || strcmp(id, hex) == 0);
		}
	return (0);
}

int
cluster_peer_reachable(struct cluster *c, const struct peer *p)
{
	int yes;

	pthread_mutex_lock(&c->lock);
	yes = cluster_answers_locked(c, p->name, p->hex);
	pthread_mutex_unlock(&c->lock);
	return (yes);
}

int
cluster_reachable(struct cluster *c, const char *node)
{
	int yes;

	pthread_mutex_lock(&c->lock);
	yes = cluster_reachable_locked(c, node);
	pthread_mutex_unlock(&c->lock);
	return (yes);
}

int
cluster_recovering(struct cluster *c)
{
	struct replication *rep = c->rep;
	struct cursor **cursors;
	size_t n;
	int yes = 0, early = mono_us() - rep->data->started_us < ARRIVAL_US;

	cursors = cursors_all(rep->cursors, NULL, &n);
	for (size_t i = 0; i < n; i++) {
		if (cursors[i]->recovering && !yes) {
			struct peer *p = nodes_by_id(rep->nodes, cursors[i]->peer);

			yes = early || (p != NULL && cluster_peer_reachable(c, p));
			peer_free(p);
		}
		cursor_free(cursors[i]);
	}
	free(cursors);
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
	out->reachable = p != NULL && cluster_answers_locked(c, p->name, p->hex);
	out->latency_ms = v->latency_ms;
	/* As it is with the clock of now, which may have been set since it was measured. */
	out->skew_ms = v->skew_ms - (cluster_clock() - v->skew_from);
	out->uptime_ms = v->uptime_ms;
	out->seen_ms = v->seen_ms;
	out->cluster_port = v->cluster_port;
	out->api_port = v->api_port;
	out->system_info = json_incref(v->system_info);
	out->received = positions_ref(v->received);
	out->incarnation = c->rep->data->log.incarnation;
	pthread_mutex_unlock(&c->lock);
	peer_free(p);
}

void
peer_view_clear(struct peer_view *v)
{
	json_decref(v->system_info);
	positions_free(v->received);
	memset(v, 0, sizeof(*v));
}

uint64_t
peer_view_has(const struct peer_view *v, uint32_t table, uint64_t *ms)
{
	struct position at = { 0 };

	/* What it has of another incarnation is not of this log. */
	if (positions_get(v->received, table, &at) == -1 || at.incarnation != v->incarnation)
		at = (struct position){ 0 };
	if (ms != NULL)
		*ms = at.ms;
	return (at.seq);
}

json_t *
cluster_servers(struct cluster *c)
{
	json_t *o;

	pthread_mutex_lock(&c->lock);
	o = json_pack("{s:O?, s:O?}", "hub", json_object_get(c->mesh, "server"), "leaf",
	    json_object_get(c->leaf_state, "server"));
	pthread_mutex_unlock(&c->lock);
	return (o);
}

int
cluster_daemon_up(struct cluster *c, enum role role)
{
	int up;

	pthread_mutex_lock(&c->lock);
	up = (role == ROLE_HUBD ? c->hub : c->leaf) != NULL;
	pthread_mutex_unlock(&c->lock);
	return (up);
}

/* A copy of c->mesh or c->leaf_state. */
static json_t *
copy_state(struct cluster *c, json_t **what)
{
	json_t *copy;

	pthread_mutex_lock(&c->lock);
	copy = json_deep_copy(*what);
	pthread_mutex_unlock(&c->lock);
	return (copy);
}

json_t *
cluster_mesh(struct cluster *c)
{
	return (copy_state(c, &c->mesh));
}

json_t *
cluster_leaf(struct cluster *c)
{
	return (copy_state(c, &c->leaf_state));
}

json_t *
cluster_read_json(struct rd *r)
{
	size_t n;
	const uint8_t *p = rd_blob(r, &n);

	return (rd_done(r) ? json_loadb((const char *)p, n, JSON_DECODE_ANY, NULL) : NULL);
}

int
cluster_take_json(struct cluster *c, struct msg *m, json_t **into)
{
	json_t *o = cluster_read_json(&m->body);

	if (o == NULL)
		return (-1);
	pthread_mutex_lock(&c->lock);
	json_decref(*into);
	*into = o;
	pthread_mutex_unlock(&c->lock);
	return (0);
}

/* ---- life ---- */

static void
peer_up(struct chan *ch, enum role role, void *arg)
{
	struct cluster *c = arg;

	log_info("%s is here", role_name(role));
	pthread_mutex_lock(&c->lock);
	if (role == ROLE_HUBD) {
		c->hub = ch;
		pulse_up(&c->hub_pulse);
	}
	if (role == ROLE_LEAFD) {
		c->leaf = ch;
		pulse_up(&c->leaf_pulse);
	}
	pthread_mutex_unlock(&c->lock);
	if (role == ROLE_HUBD)
		cluster_send_json(ch, MSG_SETTINGS, settings(c->rep));
	if (role == ROLE_LEAFD) {
		c->leaf_gen++;
		c->reading = 0;
		free(c->cursors_sent);
		c->cursors_sent = NULL;
		c->leaf_held = mono_us();
		cluster_settle(c);
	}
}

static void
peer_down(struct chan *ch, enum role role, void *arg)
{
	struct cluster *c = arg;

	log_info("%s is gone", role_name(role));
	pthread_mutex_lock(&c->lock);
	if (c->hub == ch) {
		c->hub = NULL;
		json_decref(c->mesh);
		c->mesh = NULL;
		pulse_down(&c->hub_pulse);
	}
	if (c->leaf == ch) {
		c->leaf = NULL;
		c->leaf_gen++;
		c->reading = 0;
		json_decref(c->leaf_state);
		c->leaf_state = NULL;
		pulse_down(&c->leaf_pulse);
	}
	pthread_mutex_unlock(&c->lock);
}

static const struct chan_handler handlers[] = {
	{ MSG_LOG_TAIL, on_log_tail }, { MSG_LOG_READ, on_log_read }, { MSG_LOG_ACK, on_log_ack },
	{ MSG_APPLY, on_apply }, { MSG_SERVE, on_serve }, { MSG_LEAF_STATE, on_leaf_state },
	{ MSG_NODE_REQ, on_node_req }, { MSG_MESH, on_mesh }, { 0, NULL }
};

static const struct chan_ops chan_ops = { handlers, peer_up, peer_down };

static void
cluster_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct cluster *c = arg;

	pulse_beat(c);
	cluster_settle(c);
	if (c->rep->data->live.clustering) {
		hublink_exchange(c);
		leaflink_pull(c);
	}
	if (mono_us() - c->retained_us > RETAIN_US) {
		c->retained_us = mono_us();
		retain_run(c->rep, c->retentions++ % AUDIT_EVERY == 0);
		tombstone_run(c->rep);
		expire_run(c->rep->data);
	}
}

struct cluster *
cluster_start(struct replication *rep, char **err)
{
	struct cluster *c = xcalloc(1, sizeof(*c));
	char *path = conf_run_path(rep->data->svc->conf, "ops.sock");
	struct timeval tv = { 0, TICK_US };

	c->rep = rep;
	c->retained_us = mono_us();
	crypto_random(&c->life, sizeof(c->life));
	c->life &= INT64_MAX;
	pulse_init(c);
	c->outlet = outlet_new(rep);
	pthread_mutex_init(&c->lock, NULL);
	c->listener = chan_listen(rep->data->svc->base, path, ROLE_OPSD, &chan_ops, c);
	if (c->listener == NULL) {
		*err = xasprintf("%s: %s", path, strerror(errno));
		free(path);
		outlet_free(c->outlet);
		free(c);
		return (NULL);
	}
	free(path);
	c->tick = event_new(rep->data->svc->base, -1, EV_PERSIST, cluster_tick_cb, c);
	event_add(c->tick, &tv);
	return (c);
}

void
cluster_quiet(struct cluster *c)
{
	struct chan_listener *l = c->listener;

	pthread_mutex_lock(&c->lock);
	c->quiet = 1;
	c->hub = c->leaf = NULL;
	pthread_mutex_unlock(&c->lock);
	event_free(c->tick);
	c->leaf_gen++;
	c->listener = NULL;
	chan_listener_free(l);
	event_base_loop(c->rep->data->svc->base, EVLOOP_NONBLOCK);	/* who waits already */
}

void
cluster_stop(struct cluster *c)
{
	struct view *v, *tmp;

	if (c == NULL)
		return;
	HASH_ITER(hh, c->views, v, tmp) {
		HASH_DEL(c->views, v);
		json_decref(v->system_info);
		positions_free(v->received);
		json_decref(v->topology);
		free(v);
	}
	json_decref(c->mesh);
	json_decref(c->leaf_state);
	json_decref(c->topology);
	free(c->cursors_sent);
	outlet_free(c->outlet);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
