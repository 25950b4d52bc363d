#include "config.h"

#include "hubd/hub_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/jsonlist.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/nats/subject.h"
#include "hubd/hubconf.h"

/*
 * Servers also link because they heard of each other, and such a link outlives the route that led
 * to it.  Here each node says where its routes lead, and one that no route leads to any more lets
 * its links go.
 */
#define ASK_US  5000000 /* where our routes lead changes seldom */
#define ASK_MS  2000
#define CALM_US 10000000 /* no node may have a route to us for so long before we act on it */

static int
has_routes(const struct hub *h)
{
	json_t *routes = hubconf_routes(h->set);
	int some = json_array_size(routes) > 0;

	json_decref(routes);
	return (some);
}

static void
set_dials(struct hub *h, json_t *names)
{
	json_decref(h->dials);
	h->dials = names;
}

int
links_lost(const struct settings *was, const struct settings *now)
{
	json_t *before, *after, *route;
	size_t i;
	int lost = 0;

	if (was == NULL || !was->enabled || !now->enabled)
		return (0);
	before = hubconf_routes(was);
	after = hubconf_routes(now);
	json_array_foreach(before, i, route)
		lost |= !jsonlist_has(after, route);
	json_decref(before);
	json_decref(after);
	return (lost);
}

void
links_changed(struct hub *h)
{
	set_dials(h, has_routes(h) ? NULL : json_array());
	h->dials_asked = 0;
	h->none_since = h->ended_since = 0;
}

static void
links_routez_cb(const struct nats_msg *m, void *arg)
{
	struct hub *h = arg;
	json_t *names = m != NULL ? mesh_read_routez(m->data, m->len) : NULL;

	if (names != NULL && has_routes(h))
		set_dials(h, names);
	else
		json_decref(names);
}

/* Our own server knows whom it reaches by which route, whatever host that has. */
static void
ask_dials(struct hub *h, uint64_t now)
{
	char *question;

	if (!nats_is_up(h->hub) || !has_routes(h) ||
	    (h->dials_asked != 0 && now >= h->eager && now - h->dials_asked < ASK_US))
		return;
	h->dials_asked = now;
	question = xasprintf("{\"server_name\":\"%s-hub.%s\"}", h->set->node,
	    supervisor_instance(h->sup));
	nats_request(h->hub, MESH_ROUTEZ_SUBJECT, question, strlen(question), ASK_MS,
	    links_routez_cb, h);
	free(question);
}

/* Since when it holds; 0: it does not. */
static uint64_t
holds_since(uint64_t before, int holds, uint64_t now)
{
	return (!holds ? 0 : before != 0 ? before : now);
}

static void
set_unrouted(struct hub *h, json_t *linked)
{
	if (json_array_size(linked) > 0 && json_array_size(h->unrouted) == 0)
		log_warnx("hub: no route leads to this node, which has links all the same");
	json_decref(h->unrouted);
	h->unrouted = linked;
}

static void
leave_mesh(struct hub *h)
{
	log_info("hub: the last route to this node was deleted: it leaves the mesh");
	dialers_free(h->dialers);
	h->dialers = dialers_new(h->set->node);
	h->none_since = h->ended_since = 0;
	natsd_renew(supervisor_natsd(h->sup), FORGET_MS);
}

void
links_look(struct hub *h)
{
	uint64_t now = mono_us();
	json_t *linked = mesh_linked(h->mesh, now - REACHABLE_US);
	enum dialers_state state = DIALERS_SOME;
	int warn;

	ask_dials(h, now);
	if (!has_routes(h) && json_array_size(linked) > 0 && nats_is_up(h->leaf))
		state = dialers_look(h->dialers, linked, now - REACHABLE_US);
	h->none_since = holds_since(h->none_since, state != DIALERS_SOME, now);
	h->ended_since = holds_since(h->ended_since, state == DIALERS_ENDED, now);
	warn = state == DIALERS_NONE && now - h->none_since >= CALM_US;
	set_unrouted(h, warn ? json_incref(linked) : json_array());
	json_decref(linked);
	if (h->ended_since != 0 && now - h->ended_since >= CALM_US)
		leave_mesh(h);
}

void
links_farewell(struct hub *h)
{
	json_t *self;
	char *text, *subject;

	if (has_routes(h) || !nats_is_up(h->leaf))
		return;
	self = discovery_self(h);
	text = json_dumps(self, JSON_COMPACT);
	subject = subject_word(nats_names(h->leaf), MESH_ROUTES_WORD);
	if (text != NULL)
		(void)nats_publish(h->leaf, subject, NULL, text, strlen(text));
	free(subject);
	free(text);
	json_decref(self);
}

int
links_unrouted(const struct hub *h)
{
	return (json_array_size(h->unrouted) > 0);
}

static void
links_restart_cb(evutil_socket_t fd, short what, void *arg)
{
	struct hub *h = arg;

	log_info("restarting");
	svc_restart(h->svc);
}

void
links_restart_later(struct hub *h)
{
	const struct timeval later = { FORGET_MS / 1000, 0 };

	log_info("restarting in %d s, when others have let go of this node", FORGET_MS / 1000);
	if (event_base_once(h->svc->base, -1, EV_TIMEOUT, links_restart_cb, h, &later) == -1)
		svc_restart(h->svc);
}

void
links_word_cb(const struct nats_msg *m, void *arg)
{
	struct hub *h = arg;
	char *instance = NULL;
	json_t *word = mesh_read_pong(m->data, m->len, &instance);

	if (word != NULL)
		dialers_on_word(h->dialers, mono_us(), word);
	json_decref(word);
	free(instance);
}
