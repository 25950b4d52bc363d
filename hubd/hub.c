#include "config.h"

#include "hub.h"

#include <event2/event.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "chan.h"
#include "clock.h"
#include "crypto.h"
#include "hubconf.h"
#include "log.h"
#include "logconf.h"
#include "mem.h"
#include "mesh.h"
#include "nats.h"
#include "natsd.h"
#include "natstext.h"
#include "network.h"
#include "request.h"
#include "svc.h"

#define PING_MS		1000
#define PING_FAST_MS	500		/* while somebody is missing */
#define PING_EAGER_MS	100		/* and something has just come up */
#define EAGER_US	5000000
#define REACHABLE_US	3000000		/* since its last answer */
#define LATE_US		1500000		/* an answer more than this ago is overdue */
#define DOUBLED_US	10000000	/* so long it counts */
#define REMEMBER_US	60000000	/* who is gone longer is no longer missing */
#define NETWORK_MAX_MS	600000
#define PING_NAME_MAX	255
#define SECRET_LEN	32
#define INSTANCE_LEN	8

/* opsd's NETWORK being worked on. */
struct network_call {
	struct hub		*hub;
	uint32_t		 id;
	struct network		*network;
	struct network_call	*prev, *next;
};

struct hub {
	struct svc		*svc;
	struct chan		*ops;
	struct settings		*set;		/* NULL: not told yet */
	char			*dir;		/* the server's files */
	char			 sys_password[2 * SECRET_LEN + 1];	/* both made at the start */
	char			 instance[2 * INSTANCE_LEN + 1];
	struct natsd		*server;
	char			*error;		/* why there is no server, or an older one */
	struct nats		*hub, *leaf;	/* our connections to the two servers */
	char			*hub_inbox, *leaf_inbox;
	struct mesh		*mesh;
	uint64_t		 round;		/* the last look around */
	uint64_t		 looked;	/* when that was, mono_us */
	uint64_t		 eager;		/* look around more often until then */
	struct requests		*requests;
	struct network_call	*calls;
	struct event		*tick;
	char			*reported;	/* the last MESH */
	json_t			*reachable;	/* in it */
	json_t			*doubled;	/* in it as well */
	int			 duplicate;
};

/* What opsd is told */

static json_t *
server_json(const struct hub *h)
{
	const char *status = natsd_status(h->server);

	if (h->error != NULL && natsd_pid(h->server) == 0)
		status = "errored";
	return (json_pack("{s:s, s:i, s:s*, s:s*}", "status", status,
	    "pid", natsd_pid(h->server), "version", natsd_version(h->server),
	    "error", h->error));
}

static json_t *
reachable_now(const struct hub *h)
{
	return (h->mesh != NULL ? mesh_reachable(h->mesh, mono_us() - REACHABLE_US) : json_array());
}

static int
has_name(const json_t *names, const char *name)
{
	const json_t	*n;
	size_t		 i;

	json_array_foreach(names, i, n)
		if (strcmp(json_string_value(n), name) == 0)
			return (1);
	return (0);
}

static void
log_changes(const struct hub *h, const json_t *now)
{
	const json_t	*name;
	size_t		 i;

	json_array_foreach(now, i, name)
		if (!has_name(h->reachable, json_string_value(name)))
			log_info("node %s: reachable", json_string_value(name));
	json_array_foreach(h->reachable, i, name)
		if (!has_name(now, json_string_value(name)))
			log_info("node %s: not reachable", json_string_value(name));
}

static void
check_duplicate(struct hub *h)
{
	int now = h->mesh != NULL && mesh_duplicate(h->mesh, mono_us() - REACHABLE_US);

	if (now && !h->duplicate)
		log_line(LOG_ERROR, "ANOTHER NODE IS CALLED %s TOO: give one of them another "
		    "clustering.nodeName, or stop the copy; their data may be mixed up", h->set->node);
	h->duplicate = now;
}

/* Who answers each question more than once. */
static void
check_doubled(struct hub *h)
{
	json_t	*now = h->mesh != NULL ? mesh_doubled(h->mesh, mono_us() - DOUBLED_US) :
		    json_array();
	int	 some = json_array_size(now) > 0;

	if (some && json_array_size(h->doubled) == 0)
		log_warnx("all that is exchanged with %s%s arrives twice: does a leaf route of this or "
		    "of that node lead into the mesh that its own hub belongs to?",
		    json_string_value(json_array_get(now, 0)),
		    json_array_size(now) > 1 ? " and others" : "");
	else if (!some && json_array_size(h->doubled) > 0)
		log_info("nothing arrives twice any more");
	json_decref(h->doubled);
	h->doubled = now;
}

/* Tell opsd if it has not been told the same. */
static void
report(struct hub *h)
{
	json_t	*names = reachable_now(h), *mesh;
	char	*text;

	check_duplicate(h);
	check_doubled(h);
	log_changes(h, names);
	json_decref(h->reachable);
	h->reachable = names;
	mesh = json_pack("{s:o, s:O, s:b, s:O}", "server", server_json(h), "nodes", names,
	    "duplicate", h->duplicate, "doubled", h->doubled);
	text = json_dumps(mesh, JSON_COMPACT);
	json_decref(mesh);
	if (text != NULL && chan_is_up(h->ops) &&
	    (h->reported == NULL || strcmp(h->reported, text) != 0)) {
		struct buf b = { 0 };

		buf_blob(&b, text, strlen(text));
		chan_send(h->ops, MSG_MESH, &b);
		free(h->reported);
		h->reported = text;
		text = NULL;
	}
	free(text);
}

static void
set_error(struct hub *h, char *error)
{
	if (error != NULL)
		log_warnx("hub: %s", error);
	free(h->error);
	h->error = error;
}

/* Looking around */

static json_t *
self_json(const struct hub *h)
{
	return (json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", h->set->node,
	    "node_id", h->set->node_hex, "instance", h->instance,
	    "connected_nodes", mesh_connected(h->mesh, mono_us() - REACHABLE_US),
	    "routes", hubconf_routes(h->set)));
}

static void look_around(struct hub *h);

/* Somebody asks whom we do not see yet: it will answer now. */
static void
notice(struct hub *h, const struct nats_msg *m)
{
	char	*name = xstrndup((const char *)m->data, m->len);

	if (*name != '\0' && strcmp(name, h->set->node) != 0 && !has_name(h->reachable, name) &&
	    mono_us() - h->looked > PING_EAGER_MS * 1000)
		look_around(h);
	free(name);
}

/* A question of another hubd, with its node's name, or of one that lists the network. */
static void
hub_ping_cb(const struct nats_msg *m, void *arg)
{
	struct hub	*h = arg;
	json_t		*self;
	char		*text;

	if (m->reply == NULL)
		return;
	if (m->len <= PING_NAME_MAX)
		notice(h, m);
	self = self_json(h);
	text = json_dumps(self, JSON_COMPACT);
	json_decref(self);
	if (text != NULL)
		(void)nats_publish(h->leaf, m->reply, NULL, text, strlen(text));
	free(text);
}

static void
hub_pong_cb(const struct nats_msg *m, void *arg)
{
	struct hub	*h = arg;
	char		*instance = NULL;
	const char	*round = strrchr(m->subject, '.');
	json_t		*pong = mesh_read_pong(m->data, m->len, &instance);

	if (pong != NULL && round != NULL) {
		mesh_on_pong(h->mesh, mono_us(), strtoull(round + 1, NULL, 10), pong, instance);
		report(h);
	}
	json_decref(pong);
	free(instance);
}

static void
hub_statsz_cb(const struct nats_msg *m, void *arg)
{
	struct hub	*h = arg;
	json_t		*statsz = mesh_read_statsz(m->data, m->len);

	if (statsz != NULL)
		mesh_on_statsz(h->mesh, mono_us(), statsz);
	json_decref(statsz);
}

static int
somebody_missing(const struct hub *h)
{
	uint64_t	 now = mono_us();
	json_t		*routes = hubconf_routes(h->set);
	int		 few = json_array_size(h->reachable) < json_array_size(routes);

	json_decref(routes);
	return (few || !nats_is_up(h->leaf) || !nats_is_up(h->hub) ||
	    mesh_missing(h->mesh, now - REMEMBER_US, now - LATE_US));
}

static unsigned
look_again_ms(const struct hub *h)
{
	if (!somebody_missing(h))
		return (PING_MS);
	return (h->looked < h->eager ? PING_EAGER_MS : PING_FAST_MS);
}

static void
look_around(struct hub *h)
{
	unsigned	ms = look_again_ms(h);
	struct timeval	next = { ms / 1000, (ms % 1000) * 1000 };
	char		*reply;

	h->looked = mono_us();
	if (nats_is_up(h->hub))
		(void)nats_publish(h->hub, MESH_STATSZ_SUBJECT, h->hub_inbox, NULL, 0);
	if (nats_is_up(h->leaf)) {
		reply = xasprintf("%s.%" PRIu64, h->leaf_inbox, ++h->round);
		(void)nats_publish(h->leaf, MESH_PING_SUBJECT, reply, h->set->node,
		    strlen(h->set->node));
		free(reply);
	}
	evtimer_add(h->tick, &next);
}

/* Something came up or was changed: whom we look for may be there in a moment. */
static void
look_eagerly(struct hub *h)
{
	h->eager = mono_us() + EAGER_US;
	look_around(h);
}

static void
hub_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct hub *h = arg;

	mesh_forget(h->mesh, mono_us() - REMEMBER_US);
	report(h);
	look_around(h);
}

/* Connections to the two servers */

static void
hub_hub_state_cb(int up, void *arg)
{
	if (up)
		look_eagerly(arg);
}

static void
hub_leaf_state_cb(int up, void *arg)
{
	struct hub *h = arg;

	log_info("leaf server: %s", up ? "connected" : "connection lost");
	if (!up)
		mesh_lost(h->mesh);
	report(h);
	if (up)
		look_eagerly(h);
}

static struct nats *
open_nats(struct hub *h, const char *host, int64_t port, const char *user, const char *password,
    void (*state)(int up, void *arg))
{
	char			*url = natstext_url(host, port);
	struct nats_opts	 o = { .url = url, .user = user, .password = password, .name = "hubd" };
	struct nats		*n = nats_open(h->svc->base, h->svc->post, &o, state, h);

	free(url);
	return (n);
}

static void
connect_servers(struct hub *h)
{
	const struct conf	*c = h->set->conf;
	char			*answers;

	h->mesh = mesh_new(h->set->node, h->instance);
	h->hub = open_nats(h, conf_str(c, HUB_HOST), conf_int(c, HUB_PORT), NATSTEXT_SYS_USER,
	    h->sys_password, hub_hub_state_cb);
	h->leaf = open_nats(h, conf_str(c, LEAF_HOST), conf_int(c, LEAF_PORT), h->set->user,
	    h->set->password, hub_leaf_state_cb);
	h->hub_inbox = nats_inbox(h->hub);
	h->leaf_inbox = nats_inbox(h->leaf);
	nats_subscribe(h->hub, h->hub_inbox, hub_statsz_cb, h);
	answers = xasprintf("%s.*", h->leaf_inbox);
	nats_subscribe(h->leaf, answers, hub_pong_cb, h);
	free(answers);
	nats_subscribe(h->leaf, MESH_PING_SUBJECT, hub_ping_cb, h);
	requests_set_leaf(h->requests, h->leaf, h->set->node);
	look_eagerly(h);
}

static void
drop_calls(struct hub *h)
{
	struct network_call *c;

	while ((c = h->calls) != NULL) {
		DL_DELETE(h->calls, c);
		network_cancel(c->network);
		free(c);
	}
}

static void
disconnect_servers(struct hub *h)
{
	evtimer_del(h->tick);
	drop_calls(h);
	requests_set_leaf(h->requests, NULL, NULL);
	nats_close(h->hub);
	nats_close(h->leaf);
	h->hub = h->leaf = NULL;
	free(h->hub_inbox);
	free(h->leaf_inbox);
	h->hub_inbox = h->leaf_inbox = NULL;
	mesh_free(h->mesh);
	h->mesh = NULL;
}

/* The server */

static void
hub_server_cb(int ready, void *arg)
{
	report(arg);
}

static int
new_server(struct hub *h, char **err)
{
	const struct conf	*c = h->set->conf;
	char			*binary = natsd_find(conf_str(c, NATS_SERVER), err);
	struct natsd_opts	 o = {
		.name = "hub", .binary = binary, .dir = h->dir,
		.allow_old = conf_bool(c, NATS_ENABLE_OLD),
	};

	if (binary == NULL)
		return (-1);
	h->server = natsd_new(h->svc->base, &o, hub_server_cb, h);
	free(binary);
	return (0);
}

static int
make_route_cert(const struct hub *h, char **err)
{
	char	*key = xasprintf("%s/route.key", h->dir);
	char	*cert = xasprintf("%s/route.crt", h->dir);
	char	*ca = xasprintf("%s/route-ca.crt", h->dir);
	int	 rc = crypto_make_open_cert(key, cert, ca, h->set->node, err);

	free(key);
	free(cert);
	free(ca);
	return (rc);
}

static char *
server_text(const struct hub *h, const struct settings *s, int live)
{
	struct hubconf_run run = {
		.instance = h->instance, .sys_password = h->sys_password, .dir = h->dir,
	};

	return (hubconf_text(s, &run, live));
}

/* Start the server or let it know of a change. */
static int
run_server(struct hub *h, int restart, char **err)
{
	char	*text;
	int	 rc;

	if (h->server == NULL) {
		if (new_server(h, err) == -1)
			return (-1);
		restart = 1;
	}
	if (restart && hubconf_open_routes(h->set) && make_route_cert(h, err) == -1)
		return (-1);
	text = server_text(h, h->set, 1);
	rc = natsd_configure(h->server, text, restart, err);
	free(text);
	return (rc);
}

/* Settings */

/* What needs more than a reload of the server: its fixed part, our connection, who we are. */
static char *
fixed_part(const struct hub *h, const struct settings *s)
{
	char	*text, *url, *all;

	if (s == NULL || !s->enabled)
		return (NULL);
	text = server_text(h, s, 0);
	url = natstext_url(conf_str(s->conf, LEAF_HOST), conf_int(s->conf, LEAF_PORT));
	all = xasprintf("%s\n%s\n%s", text, url, s->node_hex);
	free(text);
	free(url);
	return (all);
}

static void
stop_all(struct hub *h)
{
	disconnect_servers(h);
	natsd_free(h->server);
	h->server = NULL;
	set_error(h, NULL);
}

/* Takes the settings. */
static void
apply(struct hub *h, struct settings *s)
{
	char	*before = fixed_part(h, h->set), *after = fixed_part(h, s), *err = NULL;
	int	 changed = before == NULL || after == NULL || strcmp(before, after) != 0;

	free(before);
	free(after);
	if (changed && h->hub != NULL)
		disconnect_servers(h);
	settings_free(h->set);
	h->set = s;
	if (!s->enabled) {
		stop_all(h);
		return;
	}
	(void)run_server(h, changed, &err);
	set_error(h, err);
	if (changed)
		connect_servers(h);
	else
		look_eagerly(h);
}

static int
on_settings(struct chan *c, struct msg *m, void *arg)
{
	struct hub		*h = arg;
	size_t			 len;
	const uint8_t		*json = rd_blob(&m->body, &len);
	struct settings		*s;
	char			*err = NULL;

	if (!rd_done(&m->body))
		return (-1);
	s = settings_read(json, len, &err);
	if (s == NULL)
		set_error(h, xasprintf("settings: %s", err));
	else {
		log_conf("hubd", s->conf);
		apply(h, s);
	}
	free(err);
	report(h);
	return (0);
}

/* Questions of opsd */

static int
on_peer_req(struct chan *c, struct msg *m, void *arg)
{
	struct hub *h = arg;

	return (requests_on_peer_req(h->requests, c, m));
}

static void
reply_nodes(struct chan *c, uint32_t id, const json_t *nodes)
{
	struct buf	 b = { 0 };
	char		*text = json_dumps(nodes, JSON_COMPACT);

	buf_blob(&b, text != NULL ? text : "[]", text != NULL ? strlen(text) : 2);
	free(text);
	chan_reply(c, id, &b);
}

static void
hub_network_cb(const json_t *nodes, void *arg)
{
	struct network_call	*call = arg;
	struct hub		*h = call->hub;

	DL_DELETE(h->calls, call);
	reply_nodes(h->ops, call->id, nodes);
	free(call);
}

static int
on_network(struct chan *c, struct msg *m, void *arg)
{
	struct hub		*h = arg;
	unsigned		 timeout_ms = rd_u32(&m->body);
	struct network_call	*call;
	json_t			*self, *none;

	if (!rd_done(&m->body))
		return (-1);
	if (h->mesh == NULL) {
		none = json_array();
		reply_nodes(c, m->id, none);
		json_decref(none);
		return (0);
	}
	self = self_json(h);
	call = xcalloc(1, sizeof(*call));
	call->hub = h;
	call->id = m->id;
	DL_APPEND(h->calls, call);
	call->network = network_ask(&(struct network_env){ .base = h->svc->base, .leaf = h->leaf,
	    .hub = h->hub, .self = self, .known = json_object_get(self, "connected_nodes") },
	    timeout_ms < NETWORK_MAX_MS ? timeout_ms : NETWORK_MAX_MS, hub_network_cb, call);
	json_decref(self);
	return (0);
}

/* opsd */

static void
hub_ops_up(struct chan *c, enum role peer, void *arg)
{
	struct hub *h = arg;

	requests_set_ops(h->requests, c);
	free(h->reported);
	h->reported = NULL;
	report(h);
}

static void
hub_ops_down(struct chan *c, enum role peer, void *arg)
{
	struct hub *h = arg;

	requests_set_ops(h->requests, NULL);
	drop_calls(h);
}

static const struct chan_handler hub_handlers[] = {
	{ MSG_SETTINGS,	on_settings },
	{ MSG_PEER_REQ,	on_peer_req },
	{ MSG_NETWORK,	on_network },
	{ 0 }
};

static const struct chan_ops hub_chan_ops = {
	.handlers = hub_handlers,
	.up = hub_ops_up,
	.down = hub_ops_down,
};

/* Life */

struct hub *
hub_start(struct svc *svc)
{
	struct hub	*h = xcalloc(1, sizeof(*h));
	char		*path = conf_run_path(svc->conf, "ops.sock");

	h->svc = svc;
	h->dir = conf_path(svc->conf, "clustering/hub");
	crypto_random_hex(h->sys_password, SECRET_LEN);
	crypto_random_hex(h->instance, INSTANCE_LEN);
	h->requests = requests_new(svc->base);
	h->reachable = json_array();
	h->doubled = json_array();
	h->tick = evtimer_new(svc->base, hub_tick_cb, h);
	if (h->tick == NULL)
		fatalx("hub: no timer");
	h->ops = chan_dial(svc->base, path, ROLE_HUBD, ROLE_OPSD, &hub_chan_ops, h);
	free(path);
	return (h);
}

void
hub_stop(struct hub *h)
{
	disconnect_servers(h);
	chan_free(h->ops);
	natsd_free(h->server);
	requests_free(h->requests);
	event_free(h->tick);
	settings_free(h->set);
	json_decref(h->reachable);
	json_decref(h->doubled);
	free(h->reported);
	free(h->error);
	free(h->dir);
	free(h);
}
