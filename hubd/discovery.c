#include "config.h"

#include "hubd/hub_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "hubd/hubconf.h"
#include "hubd/kick.h"

#define PING_MS       1000
#define PING_FAST_MS  500 /* while somebody is missing */
#define PING_EAGER_MS 100 /* while somebody is missing and something has just come up */
#define EAGER_US      5000000
#define LATE_US       1500000  /* an answer more than this ago is overdue */
#define DOUBLED_US    10000000 /* a node is reported as doubled for so long */
#define REMEMBER_US   60000000 /* who is gone longer is no longer missing */
#define PING_NAME_MAX 255

/* What opsd is told */

/* A node that shares its name or id with another takes no part, nor do we if we do. */
static int
is_shut_out(const struct hub *h, const char *name)
{
	const json_t *c;
	size_t i;

	json_array_foreach(h->conflicts, i, c)
		if (json_is_true(json_object_get(c, "own")) ||
		    mesh_has_name(json_object_get(c, "nodes"), name))
			return (1);
	return (0);
}

static json_t *
reachable_now(const struct hub *h)
{
	json_t *list = h->mesh != NULL ? mesh_reachable(h->mesh, mono_us() - REACHABLE_US) :
					 json_array();
	size_t i = json_array_size(list);

	while (i-- > 0)
		if (is_shut_out(h, json_string_value(json_array_get(list, i))))
			json_array_remove(list, i);
	return (list);
}

/* The ids of the nodes with these names, in the order of the names. */
static json_t *
ids_of(const struct hub *h, const json_t *names)
{
	json_t *ids = json_array();
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
		json_array_append_new(ids, mesh_id(h->mesh, json_string_value(name)));
	return (ids);
}

static void
log_changes(const struct hub *h, const json_t *now)
{
	static struct log_brake brake = { .most = 200 };
	const json_t *name;
	size_t i;

	json_array_foreach(now, i, name)
		if (!mesh_has_name(h->reachable, json_string_value(name)))
			log_braked(&brake, LOG_INFO, "node %s: reachable", json_string_value(name));
	json_array_foreach(h->reachable, i, name)
		if (!mesh_has_name(now, json_string_value(name)))
			log_braked(&brake, LOG_INFO, "node %s: not reachable",
			    json_string_value(name));
}

/* "n1 AND n1b"; caller frees. */
static char *
names_and(const json_t *names)
{
	struct buf b = { 0 };
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
		buf_addf(&b, "%s%s", i > 0 ? " AND " : "", json_string_value(name));
	buf_u8(&b, '\0');
	return ((char *)b.data);
}

static void
log_conflict(const json_t *conflict)
{
	const json_t *names = json_object_get(conflict, "nodes");
	char *who = names_and(names);

	if (strcmp(json_string_value(json_object_get(conflict, "same")), "name") == 0)
		log_line(LOG_ERROR,
		    "TWO NODES ARE CALLED %s: they are shut out of the cluster until one "
		    "of them is stopped or gets another clustering.nodeName",
		    who);
	else
		log_line(LOG_ERROR,
		    "%s%s ARE COPIES OF ONE NODE: they are shut out of the cluster until "
		    "one of them is stopped or gets an id of its own (renew_node_id)",
		    json_array_size(names) == 1 ? "TWO NODES CALLED " : "", who);
	free(who);
}

/* Nodes that cannot both be in the cluster. */
static void
check_copies(struct hub *h)
{
	json_t *now = h->copies != NULL ? copies_found(h->copies, mono_us() - REACHABLE_US) :
					  json_array(),
	       *conflict;
	size_t i;

	if (!json_equal(now, h->conflicts)) {
		json_array_foreach(now, i, conflict)
			log_conflict(conflict);
		if (json_array_size(now) == 0)
			log_info("no two nodes have one name or id any more");
	}
	json_decref(h->conflicts);
	h->conflicts = now;
}

/* Who answers each question more than once. */
static void
check_doubled(struct hub *h)
{
	json_t *now = h->mesh != NULL ? mesh_doubled(h->mesh, mono_us() - DOUBLED_US) :
					json_array();
	int some = json_array_size(now) > 0;

	if (some && json_array_size(h->doubled) == 0)
		log_warnx(
		    "all that is exchanged with %s%s arrives twice: does a leaf route of this or "
		    "of that node lead into the mesh that its own hub belongs to?",
		    json_string_value(json_array_get(now, 0)),
		    json_array_size(now) > 1 ? " and others" : "");
	else if (!some && json_array_size(h->doubled) > 0)
		log_info("nothing arrives twice any more");
	json_decref(h->doubled);
	h->doubled = now;
}

void
discovery_state(json_t *state, void *arg)
{
	struct hub *h = arg;
	json_t *names = reachable_now(h);

	check_doubled(h);
	log_changes(h, names);
	json_decref(h->reachable);
	h->reachable = names;
	json_object_set(state, "nodes", names);
	json_object_set_new(state, "ids", ids_of(h, names));
	json_object_set(state, "conflicts", h->conflicts);
	json_object_set(state, "doubled", h->doubled);
	json_object_set(state, "unrouted", h->unrouted);
	json_object_set_new(state, "lasting", kick_lasting(h));
	json_object_set_new(json_object_get(state, "counts"), "reconnects",
	    json_pack("{s:i, s:i}", "hub", h->hub_ups > 0 ? (int)h->hub_ups - 1 : 0, "leaf",
		h->leaf_ups > 0 ? (int)h->leaf_ups - 1 : 0));
}

/* Looking around */

json_t *
discovery_self(const struct hub *h)
{
	return (json_pack("{s:s, s:s, s:s, s:o, s:o, s:O?}", "name", h->set->node, "node_id",
	    h->set->node_hex, "instance", supervisor_instance(h->sup), "connected_nodes",
	    mesh_connected(h->mesh, mono_us() - REACHABLE_US), "routes", hubconf_routes(h->set),
	    "dials", h->dials));
}

static void look_around(struct hub *h);

/* Who asks and is not seen as reachable yet will answer a question now. */
static void
notice_node(struct hub *h, const struct nats_msg *m)
{
	char *name = xstrndup((const char *)m->data, m->len);

	if (*name != '\0' && strcmp(name, h->set->node) != 0 &&
	    !mesh_has_name(h->reachable, name) && !is_shut_out(h, name) &&
	    mono_us() - h->looked > PING_EAGER_MS * 1000)
		look_around(h);
	free(name);
}

/* A question of another hubd, with its node's name, or of one that lists the network. */
void
discovery_ping_cb(const struct nats_msg *m, void *arg)
{
	struct hub *h = arg;
	json_t *self;
	char *text;

	if (!nats_is_inbox(m->reply))
		return;
	if (m->len <= PING_NAME_MAX)
		notice_node(h, m);
	self = discovery_self(h);
	text = json_dumps(self, JSON_COMPACT);
	json_decref(self);
	if (text != NULL)
		(void)nats_reply(h->leaf, m->reply, text, strlen(text));
	free(text);
}

void
discovery_pong_cb(const struct nats_msg *m, void *arg)
{
	struct hub *h = arg;
	char *instance = NULL;
	const char *round = strrchr(m->subject, '.');
	json_t *pong = mesh_read_pong(m->data, m->len, &instance);

	if (pong != NULL && round != NULL) {
		uint64_t n = strtoull(round + 1, NULL, 10), now = mono_us();

		mesh_on_pong(h->mesh, now, n, pong, instance);
		dialers_on_word(h->dialers, now, pong);
		copies_on_pong(h->copies, now, n, json_string_value(json_object_get(pong, "name")),
		    json_string_value(json_object_get(pong, "node_id")), instance);
		supervisor_changed(h->sup);
	}
	json_decref(pong);
	free(instance);
}

void
discovery_statsz_cb(const struct nats_msg *m, void *arg)
{
	struct hub *h = arg;
	json_t *statsz = mesh_read_statsz(m->data, m->len);

	if (statsz != NULL)
		mesh_on_statsz(h->mesh, mono_us(), statsz);
	json_decref(statsz);
}

static int
somebody_missing(const struct hub *h)
{
	uint64_t now = mono_us();
	json_t *routes = hubconf_routes(h->set);
	int few = json_array_size(h->reachable) < json_array_size(routes);

	json_decref(routes);
	return (few || !nats_is_up(h->leaf) || (h->hub != NULL && !nats_is_up(h->hub)) ||
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
	unsigned ms = look_again_ms(h);
	struct timeval next = { ms / 1000, (ms % 1000) * 1000 };
	char *reply;

	h->looked = mono_us();
	check_copies(h);
	links_look(h);
	kick_look(h);
	if (nats_is_up(h->hub))
		(void)nats_publish(h->hub, MESH_STATSZ_SUBJECT, h->hub_inbox, NULL, 0);
	if (nats_is_up(h->leaf)) {
		reply = xasprintf("%s.%" PRIu64, h->leaf_inbox, ++h->round);
		(void)nats_publish(h->leaf, h->ping, reply, h->set->node, strlen(h->set->node));
		free(reply);
	}
	evtimer_add(h->tick, &next);
}

/* Something came up or was changed: whom we look for may be there in a moment. */
void
discovery_eagerly(struct hub *h)
{
	h->eager = mono_us() + EAGER_US;
	look_around(h);
}

void
discovery_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct hub *h = arg;

	mesh_forget(h->mesh, mono_us() - REMEMBER_US);
	copies_forget(h->copies, mono_us() - REMEMBER_US);
	supervisor_changed(h->sup);
	look_around(h);
}
