#include "config.h"

#include "hubd/hub_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/natsconf.h"
#include "common/nats/natstext.h"
#include "common/nats/subject.h"
#include "common/tls/cert.h"
#include "hubd/advertise.h"
#include "hubd/hubconf.h"
#include "hubd/kick.h"
#include "hubd/network.h"
#include "hubd/request.h"

#define HUB_FOLDER     "clustering/hub"
#define NETWORK_MAX_MS 600000

/* opsd's NETWORK being worked on. */
struct network_call {
	struct hub *hub;
	struct chan_deferred *reply;
	struct network *network;
	struct network_call *prev, *next;
};

/* Connections to the two servers */

static void
hub_hub_state_cb(int up, void *arg)
{
	struct hub *h = arg;

	links_changed(h);
	if (!up)
		return;
	h->hub_ups++;
	discovery_eagerly(h);
}

static void
hub_leaf_state_cb(int up, void *arg)
{
	struct hub *h = arg;
	char *server = up && h->hub == NULL ? nats_server(h->leaf) : NULL;

	log_info("%s: %s",
	    server != NULL     ? server :
		h->hub != NULL ? "leaf server" :
				 "nats.urls",
	    up ? "connected" : "connection lost");
	free(server);
	if (up)
		h->leaf_ups++;
	else
		mesh_lost(h->mesh);
	supervisor_changed(h->sup);
	if (up)
		discovery_eagerly(h);
}

/* The system account of our own hub server. */
static void
connect_hub(struct hub *h)
{
	const struct conf *c = h->set->conf;
	char *url = natstext_url(conf_str(c, HUB_HOST), conf_int(c, HUB_PORT));
	struct nats_opts o = { .url = url,
		.user = NATSTEXT_SYS_USER,
		.password = supervisor_secret(h->sup),
		.name = "hubd",
		.conf = c };

	h->hub = nats_open(h->svc->base, &o, hub_hub_state_cb, h);
	h->hub_inbox = nats_inbox(h->hub);
	nats_subscribe(h->hub, h->hub_inbox, discovery_statsz_cb, h);
	free(url);
}

/* Where the nodes talk: our own leaf server, or external ones. */
static void
connect_leaf(struct hub *h)
{
	int own = !natsconf_is_external(h->set->conf);
	char *url = own ? natstext_leaf_url(h->set->conf) : NULL;
	char *name = own ? xstrdup("hubd") : xasprintf("%s-hubd", h->set->node);
	struct nats_opts o = { .url = url,
		.user = own ? h->set->user : NULL,
		.password = own ? h->set->password : NULL,
		.name = name,
		.conf = h->set->conf };

	h->leaf = nats_open(h->svc->base, &o, hub_leaf_state_cb, h);
	h->leaf_inbox = nats_inbox(h->leaf);
	free(name);
	free(url);
}

static void
connect_servers(struct hub *h)
{
	char *answers, *routes;

	h->mesh = mesh_new(h->set->node);
	h->dialers = dialers_new(h->set->node);
	h->copies = copies_new(h->set->node, h->set->node_hex, supervisor_instance(h->sup));
	if (!natsconf_is_external(h->set->conf))
		connect_hub(h);
	connect_leaf(h);
	answers = xasprintf("%s.*", h->leaf_inbox);
	nats_subscribe(h->leaf, answers, discovery_pong_cb, h);
	free(answers);
	h->ping = subject_word(nats_names(h->leaf), MESH_PING_WORD);
	nats_subscribe(h->leaf, h->ping, discovery_ping_cb, h);
	if (h->hub != NULL) {
		routes = subject_word(nats_names(h->leaf), MESH_ROUTES_WORD);
		nats_subscribe(h->leaf, routes, links_word_cb, h);
		free(routes);
	}
	requests_set_leaf(h->requests, h->leaf, h->set->node);
	discovery_eagerly(h);
}

/* [..] of nodes; NULL: none. */
static void
reply_nodes(struct chan_deferred *reply, const json_t *nodes)
{
	struct buf b = { 0 };
	char *text = nodes != NULL ? json_dumps(nodes, JSON_COMPACT) : NULL;

	buf_blob(&b, text != NULL ? text : "[]", text != NULL ? strlen(text) : 2);
	free(text);
	chan_deferred_reply(reply, &b);
}

/* Nobody can be asked any more, or nobody wants to know. */
static void
drop_calls(struct hub *h)
{
	struct network_call *c;

	while ((c = h->calls) != NULL) {
		DL_DELETE(h->calls, c);
		network_cancel(c->network);
		reply_nodes(c->reply, NULL);
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
	free(h->ping);
	h->hub_inbox = h->leaf_inbox = h->ping = NULL;
	mesh_free(h->mesh);
	h->mesh = NULL;
	dialers_free(h->dialers);
	h->dialers = NULL;
	copies_free(h->copies);
	h->copies = NULL;
	kick_clear(h->kick);
	json_array_clear(h->conflicts);
	json_decref(h->unrouted);
	h->unrouted = json_array();
}

/* The server */

static int
make_route_cert(const struct hub *h, char **err)
{
	char *key = xasprintf("%s/route.key", h->dir);
	char *cert = xasprintf("%s/route.crt", h->dir);
	char *ca = xasprintf("%s/route-ca.crt", h->dir);
	int rc = cert_make_open(key, cert, ca, h->set->node, err);

	free(key);
	free(cert);
	free(ca);
	return (rc);
}

/* Certificates for routes that nobody verifies: new ones with each restart of the server. */
static int
hub_prepare_cb(void *arg, char **err)
{
	struct hub *h = arg;

	if (!h->new_certs || !hubconf_open_routes(h->set))
		return (0);
	if (make_route_cert(h, err) == -1)
		return (-1);
	h->new_certs = 0;
	return (0);
}

static char *
server_text(const struct hub *h, const struct settings *s, int live)
{
	struct hubconf_run run = {
		.instance = supervisor_instance(h->sup),
		.sys_password = supervisor_secret(h->sup),
		.advertise = h->advertise,
		.dir = h->dir,
	};

	return (hubconf_text(s, &run, live));
}

/* Start the server or let it know of a change. */
static void
run_server(struct hub *h, int restart)
{
	char *text = server_text(h, h->set, 1);

	h->new_certs |= restart;
	supervisor_configure(h->sup, text, restart);
	free(text);
}

/* Settings */

/* Settings that need more than a reload of the server: its fixed part, our connection, our id. */
static char *
fixed_part(const struct hub *h, const struct settings *s)
{
	char *text, *url, *all;

	if (s == NULL || !s->enabled)
		return (NULL);
	if (natsconf_is_external(s->conf))
		return (xasprintf("%s\n%s", s->node, s->node_hex));
	text = server_text(h, s, 0);
	url = natstext_leaf_url(s->conf);
	all = xasprintf("%s\n%s\n%s", text, url, s->node_hex);
	free(text);
	free(url);
	return (all);
}

/* Where certificates are verified, others have to dial it by a name that its own has. */
static void
name_itself(struct hub *h)
{
	const struct conf *c = h->set->conf;
	const char *set = conf_str(c, HUB_CLUSTER_ADVERTISE);
	char *why = NULL;

	free(h->advertise);
	h->advertise = NULL;
	/* One that opsd makes has all names. */
	if (h->set->insecure || h->set->made != NULL || (set != NULL && *set != '\0'))
		return;
	h->advertise = advertise_name(h->set->cert, conf_str(c, HUB_CLUSTER_HOST), &why);
	if (h->advertise != NULL)
		log_info("hub: others are told its name %s, which its certificate has",
		    h->advertise);
	else if (why != NULL)
		log_warnx("hub: %s: others that are told of it will not trust it; set "
			  "clustering.hubServer.cluster.network.advertise",
		    why);
	free(why);
}

static void
hub_apply_cb(const struct settings *was, const struct settings *now, void *arg)
{
	struct hub *h = arg;
	char *before = fixed_part(h, was), *after = fixed_part(h, now);
	int changed = before == NULL || after == NULL || strcmp(before, after) != 0;
	int lost = links_lost(was, now);
	int removed = was == NULL || !json_equal(was->removed, now->removed);

	free(before);
	free(after);
	if (changed && h->leaf != NULL)
		disconnect_servers(h);
	h->set = now;
	if (!now->enabled)
		return;
	if (natsconf_is_external(now->conf)) {
		if (changed)
			connect_servers(h);
		return;
	}
	links_changed(h);
	if (removed)
		kick_changed(h);
	if (lost) {
		links_farewell(h);
		natsd_pause(supervisor_natsd(h->sup), FORGET_MS);
	}
	if (changed)
		name_itself(h);
	run_server(h, changed || lost);
	if (changed)
		connect_servers(h);
	else
		discovery_eagerly(h);
}

/* Questions of opsd */

static int
on_peer_req(struct chan *c, struct msg *m, void *arg)
{
	struct hub *h = arg;

	return (requests_on_peer_req(h->requests, c, m));
}

static void
hub_network_cb(const json_t *nodes, void *arg)
{
	struct network_call *call = arg;
	struct hub *h = call->hub;

	DL_DELETE(h->calls, call);
	reply_nodes(call->reply, nodes);
	free(call);
}

static int
on_network(struct chan *c, struct msg *m, void *arg)
{
	struct hub *h = arg;
	unsigned timeout_ms = rd_u32(&m->body);
	struct network_call *call;
	json_t *self;

	if (!rd_done(&m->body))
		return (-1);
	if (h->mesh == NULL) {
		reply_nodes(chan_defer(c, m), NULL);
		return (0);
	}
	self = discovery_self(h);
	call = xcalloc(1, sizeof(*call));
	call->hub = h;
	call->reply = chan_defer(c, m);
	DL_APPEND(h->calls, call);
	call->network = network_ask(&(struct network_env){ .base = h->svc->base,
					.leaf = h->leaf,
					.hub = h->hub,
					.ping = h->ping,
					.self = self,
					.known = json_object_get(self, "connected_nodes") },
	    timeout_ms < NETWORK_MAX_MS ? timeout_ms : NETWORK_MAX_MS, hub_network_cb, call);
	json_decref(self);
	return (0);
}

/* opsd */

static void
hub_up_cb(struct chan *c, void *arg)
{
	struct hub *h = arg;

	requests_set_ops(h->requests, c);
}

static void
hub_down_cb(struct chan *c, void *arg)
{
	struct hub *h = arg;

	requests_set_ops(h->requests, NULL);
	drop_calls(h);
}

static int
hub_restart_cb(void *arg)
{
	struct hub *h = arg;

	if (!links_unrouted(h))
		return (0);
	disconnect_servers(h);
	h->set = NULL;
	supervisor_stop(h->sup);
	links_restart_later(h);
	return (1);
}

static const struct chan_handler hub_handlers[] = {
	{ MSG_PEER_REQ, on_peer_req },
	{ MSG_NETWORK, on_network },
	{ 0 },
};

static struct nats *
hub_connection_cb(void *arg)
{
	struct hub *h = arg;

	return (h->leaf);
}

static const struct supervisor_ops hub_ops = {
	.name = "hub",
	.folder = HUB_FOLDER,
	.role = ROLE_HUBD,
	.state_type = MSG_MESH,
	.handlers = hub_handlers,
	.up = hub_up_cb,
	.down = hub_down_cb,
	.apply = hub_apply_cb,
	.connection = hub_connection_cb,
	.prepare = hub_prepare_cb,
	.state = discovery_state,
	.restart = hub_restart_cb,
};

/* Life */

struct hub *
hub_start(struct svc *svc)
{
	struct hub *h = xcalloc(1, sizeof(*h));

	h->svc = svc;
	h->dir = conf_path(svc->conf, HUB_FOLDER);
	h->requests = requests_new(svc->base);
	h->reachable = json_array();
	h->doubled = json_array();
	h->conflicts = json_array();
	h->unrouted = json_array();
	h->kick = kick_new();
	h->tick = evtimer_new(svc->base, discovery_tick_cb, h);
	if (h->tick == NULL)
		fatalx("hub: no timer");
	h->sup = supervisor_new(svc, &hub_ops, h);
	return (h);
}

void
hub_stop(struct hub *h)
{
	disconnect_servers(h);
	supervisor_free(h->sup);
	requests_free(h->requests);
	event_free(h->tick);
	json_decref(h->reachable);
	json_decref(h->doubled);
	json_decref(h->conflicts);
	json_decref(h->unrouted);
	json_decref(h->dials);
	kick_free(h->kick);
	free(h->advertise);
	free(h->dir);
	free(h);
}
