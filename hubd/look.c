#include "config.h"

#include "hub_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hubconf.h"
#include "log.h"
#include "logbrake.h"
#include "mem.h"

#define PING_MS		1000
#define PING_FAST_MS	500		/* while somebody is missing */
#define PING_EAGER_MS	100		/* and something has just come up */
#define EAGER_US	5000000
#define REACHABLE_US	3000000		/* since its last answer */
#define LATE_US		1500000		/* an answer more than this ago is overdue */
#define DOUBLED_US	10000000	/* so long it counts */
#define REMEMBER_US	60000000	/* who is gone longer is no longer missing */
#define PING_NAME_MAX	255

/* What opsd is told */

static json_t *
counts_json(const struct hub *h)
{
	return (json_pack("{s:i, s:i, s:{s:i, s:i}}", "ended", (int)natsd_restarts(h->server, 1),
	    "renewed", (int)natsd_restarts(h->server, 0), "reconnects",
	    "hub", h->hub_ups > 0 ? (int)h->hub_ups - 1 : 0,
	    "leaf", h->leaf_ups > 0 ? (int)h->leaf_ups - 1 : 0));
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
	static struct log_brake	 brake = { .most = 200 };
	const json_t		*name;
	size_t			 i;

	json_array_foreach(now, i, name)
		if (!has_name(h->reachable, json_string_value(name)))
			log_braked(&brake, LOG_INFO, "node %s: reachable", json_string_value(name));
	json_array_foreach(h->reachable, i, name)
		if (!has_name(now, json_string_value(name)))
			log_braked(&brake, LOG_INFO, "node %s: not reachable", json_string_value(name));
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
void
look_report(struct hub *h)
{
	json_t	*names = reachable_now(h), *mesh;
	char	*text;

	check_duplicate(h);
	check_doubled(h);
	log_changes(h, names);
	json_decref(h->reachable);
	h->reachable = names;
	mesh = json_pack("{s:o, s:O, s:b, s:O, s:o}", "server", natsd_json(h->server, h->error), "nodes", names,
	    "duplicate", h->duplicate, "doubled", h->doubled, "counts", counts_json(h));
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

/* Looking around */

json_t *
look_self(const struct hub *h)
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
void
look_ping_cb(const struct nats_msg *m, void *arg)
{
	struct hub	*h = arg;
	json_t		*self;
	char		*text;

	if (!nats_is_inbox(m->reply))
		return;
	if (m->len <= PING_NAME_MAX)
		notice(h, m);
	self = look_self(h);
	text = json_dumps(self, JSON_COMPACT);
	json_decref(self);
	if (text != NULL)
		(void)nats_reply(h->leaf, m->reply, text, strlen(text));
	free(text);
}

void
look_pong_cb(const struct nats_msg *m, void *arg)
{
	struct hub	*h = arg;
	char		*instance = NULL;
	const char	*round = strrchr(m->subject, '.');
	json_t		*pong = mesh_read_pong(m->data, m->len, &instance);

	if (pong != NULL && round != NULL) {
		mesh_on_pong(h->mesh, mono_us(), strtoull(round + 1, NULL, 10), pong, instance);
		look_report(h);
	}
	json_decref(pong);
	free(instance);
}

void
look_statsz_cb(const struct nats_msg *m, void *arg)
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
void
look_eagerly(struct hub *h)
{
	h->eager = mono_us() + EAGER_US;
	look_around(h);
}

void
look_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct hub *h = arg;

	mesh_forget(h->mesh, mono_us() - REMEMBER_US);
	look_report(h);
	look_around(h);
}
