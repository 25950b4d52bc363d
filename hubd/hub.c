#include "config.h"

#include "hubd/hub_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/logconf.h"
#include "common/nats/natstext.h"
#include "common/tls/cert.h"
#include "common/tls/crypto.h"
#include "hubd/advertise.h"
#include "hubd/hubconf.h"
#include "hubd/network.h"
#include "hubd/request.h"

#define NETWORK_MAX_MS	600000

/* opsd's NETWORK being worked on. */
struct network_call {
	struct hub		*hub;
	struct chan_deferred	*reply;
	struct network		*network;
	struct network_call	*prev, *next;
};

static void
set_error(struct hub *h, char *error)
{
	if (error != NULL)
		log_errorx("hub: %s", error);
	free(h->error);
	h->error = error;
}

/* Connections to the two servers */

static void
hub_hub_state_cb(int up, void *arg)
{
	struct hub *h = arg;

	links_changed(h);
	if (!up)
		return;
	h->hub_ups++;
	look_eagerly(h);
}

static void
hub_leaf_state_cb(int up, void *arg)
{
	struct hub *h = arg;

	log_info("leaf server: %s", up ? "connected" : "connection lost");
	if (up)
		h->leaf_ups++;
	else
		mesh_lost(h->mesh);
	look_report(h);
	if (up)
		look_eagerly(h);
}

static struct nats *
open_nats(struct hub *h, const char *host, int64_t port, const char *user, const char *password,
    void (*state)(int up, void *arg))
{
	char			*url = natstext_url(host, port);
	struct nats_opts	 o = { .url = url, .user = user, .password = password, .name = "hubd" };
	struct nats		*n = nats_open(h->svc->base, &o, state, h);

	free(url);
	return (n);
}

static void
connect_servers(struct hub *h)
{
	const struct conf	*c = h->set->conf;
	char			*answers;

	h->mesh = mesh_new(h->set->node);
	h->dialers = dialers_new(h->set->node);
	h->copies = copies_new(h->set->node, h->set->node_hex, h->instance);
	h->hub = open_nats(h, conf_str(c, HUB_HOST), conf_int(c, HUB_PORT), NATSTEXT_SYS_USER,
	    h->sys_password, hub_hub_state_cb);
	h->leaf = open_nats(h, conf_str(c, LEAF_HOST), conf_int(c, LEAF_PORT), h->set->user,
	    h->set->password, hub_leaf_state_cb);
	h->hub_inbox = nats_inbox(h->hub);
	h->leaf_inbox = nats_inbox(h->leaf);
	nats_subscribe(h->hub, h->hub_inbox, look_statsz_cb, h);
	answers = xasprintf("%s.*", h->leaf_inbox);
	nats_subscribe(h->leaf, answers, look_pong_cb, h);
	free(answers);
	nats_subscribe(h->leaf, MESH_PING_SUBJECT, look_ping_cb, h);
	nats_subscribe(h->leaf, MESH_ROUTES_SUBJECT, links_word_cb, h);
	requests_set_leaf(h->requests, h->leaf, h->set->node);
	look_eagerly(h);
}

/* [..] of nodes; NULL: none. */
static void
reply_nodes(struct chan_deferred *reply, const json_t *nodes)
{
	struct buf	 b = { 0 };
	char		*text = nodes != NULL ? json_dumps(nodes, JSON_COMPACT) : NULL;

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
	h->hub_inbox = h->leaf_inbox = NULL;
	mesh_free(h->mesh);
	h->mesh = NULL;
	dialers_free(h->dialers);
	h->dialers = NULL;
	copies_free(h->copies);
	h->copies = NULL;
	json_array_clear(h->conflicts);
	json_decref(h->unrouted);
	h->unrouted = json_array();
}

/* The server */

static void
hub_server_cb(void *arg)
{
	look_report(arg);
}

static int
make_route_cert(const struct hub *h, char **err)
{
	char	*key = xasprintf("%s/route.key", h->dir);
	char	*cert = xasprintf("%s/route.crt", h->dir);
	char	*ca = xasprintf("%s/route-ca.crt", h->dir);
	int	 rc = cert_make_open(key, cert, ca, h->set->node, err);

	free(key);
	free(cert);
	free(ca);
	return (rc);
}

/* The certificates of routes that nobody verifies; each time is soon enough for a new one. */
static int
hub_prepare_cb(void *arg, char **err)
{
	struct hub	*h = arg;

	if (!h->new_certs || !hubconf_open_routes(h->set))
		return (0);
	if (make_route_cert(h, err) == -1)
		return (-1);
	h->new_certs = 0;
	return (0);
}

static struct natsd *
new_server(struct hub *h)
{
	const struct conf	*c = h->set->conf;
	struct natsd_opts	 o = {
		.name = "hub", .binary = conf_str(c, NATS_SERVER), .dir = h->dir,
		.allow_old = conf_bool(c, NATS_ENABLE_OLD),
		.hang_ms = (unsigned)conf_int(c, NATS_HANG),
		.prepare = hub_prepare_cb, .changed = hub_server_cb, .arg = h,
	};

	return (natsd_new(h->svc->base, &o));
}

static char *
server_text(const struct hub *h, const struct settings *s, int live)
{
	struct hubconf_run run = {
		.instance = h->instance, .sys_password = h->sys_password,
		.advertise = h->advertise, .dir = h->dir,
	};

	return (hubconf_text(s, &run, live));
}

/* Start the server or let it know of a change. */
static void
run_server(struct hub *h, int restart)
{
	char	*text;

	if (h->server == NULL) {
		h->server = new_server(h);
		restart = 1;
	}
	h->new_certs |= restart;
	text = server_text(h, h->set, 1);
	natsd_configure(h->server, text, restart);
	free(text);
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

/* Where certificates are verified, others have to dial it by a name that its own has. */
static void
name_itself(struct hub *h)
{
	const struct conf	*c = h->set->conf;
	const char		*set = conf_str(c, HUB_CLUSTER_ADVERTISE);
	char			*why = NULL;

	free(h->advertise);
	h->advertise = NULL;
	if (h->set->insecure || (set != NULL && *set != '\0'))
		return;
	h->advertise = advertise_name(h->set->cert, conf_str(c, HUB_CLUSTER_HOST), &why);
	if (h->advertise != NULL)
		log_info("hub: others are told its name %s, which its certificate has", h->advertise);
	else if (why != NULL)
		log_warnx("hub: %s: others that are told of it will not trust it; set "
		    "clustering.hubServer.cluster.network.advertise", why);
	free(why);
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
	char	*before = fixed_part(h, h->set), *after = fixed_part(h, s);
	int	 changed = before == NULL || after == NULL || strcmp(before, after) != 0;
	int	 lost = links_lost(h->set, s);

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
	links_changed(h);
	if (lost) {
		links_farewell(h);
		natsd_pause(h->server, FORGET_MS);
	}
	if (changed)
		name_itself(h);
	run_server(h, changed || lost);
	set_error(h, NULL);
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
	look_report(h);
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
hub_network_cb(const json_t *nodes, void *arg)
{
	struct network_call	*call = arg;
	struct hub		*h = call->hub;

	DL_DELETE(h->calls, call);
	reply_nodes(call->reply, nodes);
	free(call);
}

static int
on_network(struct chan *c, struct msg *m, void *arg)
{
	struct hub		*h = arg;
	unsigned		 timeout_ms = rd_u32(&m->body);
	struct network_call	*call;
	json_t			*self;

	if (!rd_done(&m->body))
		return (-1);
	if (h->mesh == NULL) {
		reply_nodes(chan_defer(c, m), NULL);
		return (0);
	}
	self = look_self(h);
	call = xcalloc(1, sizeof(*call));
	call->hub = h;
	call->reply = chan_defer(c, m);
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
	look_report(h);
}

static void
hub_ops_down(struct chan *c, enum role peer, void *arg)
{
	struct hub *h = arg;

	requests_set_ops(h->requests, NULL);
	drop_calls(h);
}

static int
on_restart(struct chan *c, struct msg *m, void *arg)
{
	struct hub *h = arg;

	if (!rd_done(&m->body))
		return (-1);
	if (links_unrouted(h)) {
		stop_all(h);
		settings_free(h->set);
		h->set = NULL;
		links_restart_later(h);
		return (0);
	}
	log_info("restarting");
	svc_restart(h->svc);
	return (0);
}

static const struct chan_handler hub_handlers[] = {
	{ MSG_SETTINGS,	on_settings },
	{ MSG_RESTART,	on_restart },
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
	h->conflicts = json_array();
	h->unrouted = json_array();
	h->tick = evtimer_new(svc->base, look_tick_cb, h);
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
	json_decref(h->conflicts);
	json_decref(h->unrouted);
	json_decref(h->dials);
	free(h->reported);
	free(h->advertise);
	free(h->error);
	free(h->dir);
	free(h);
}
