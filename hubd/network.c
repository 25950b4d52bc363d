#include "config.h"

#include "hubd/network.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/nats/nats.h"
#include "hubd/mesh.h"

#define NODES_MAX 4096

struct network {
	struct event *timer;
	struct nats_sub *pongs, *statszs;
	uint64_t began; /* mono_us */
	json_t *self;
	json_t *wanted;  /* names as keys: who has not answered yet */
	json_t *nodes;   /* by name: hubds' answers */
	json_t *servers; /* by name: hub servers' answers */
	void (*done)(const json_t *nodes, void *arg);
	void *arg;
};

void
network_cancel(struct network *n)
{
	if (n == NULL)
		return;
	nats_unsubscribe(n->pongs);
	nats_unsubscribe(n->statszs);
	event_free(n->timer);
	json_decref(n->self);
	json_decref(n->wanted);
	json_decref(n->nodes);
	json_decref(n->servers);
	free(n);
}

/* Takes what a node said; the first answer counts. */
static void
add_answer(struct network *n, json_t *into, json_t *said)
{
	const char *name = json_string_value(json_object_get(said, "name"));

	if (json_object_get(into, name) == NULL && json_object_size(into) < NODES_MAX) {
		json_object_set_new(said, "response_time",
		    json_integer((json_int_t)((mono_us() - n->began + 500) / 1000)));
		json_object_set(into, name, said);
	}
	json_decref(said);
}

/* Our own node first, the others by name. */
static json_t *
list_nodes(struct network *n)
{
	const char *own = json_string_value(json_object_get(n->self, "name"));
	json_t *list = json_array(), *names = json_array(), *self, *name, *node;
	const char *key;
	size_t i;

	json_object_update_missing(n->nodes, n->servers);
	if ((self = json_object_get(n->nodes, own)) == NULL) {
		json_object_set_new(n->self, "response_time", json_integer(0));
		self = n->self;
	}
	json_array_append(list, self);
	json_object_foreach(n->nodes, key, node)
		if (strcmp(key, own) != 0)
			json_array_append_new(names, json_string(key));
	names = mesh_sorted(names);
	json_array_foreach(names, i, name)
		json_array_append(list, json_object_get(n->nodes, json_string_value(name)));
	json_decref(names);
	return (list);
}

static void
network_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct network *n = arg;
	json_t *list = list_nodes(n);
	void (*done)(const json_t *, void *) = n->done;
	void *done_arg = n->arg;

	network_cancel(n);
	done(list, done_arg);
	json_decref(list);
}

static void
finish_soon(struct network *n)
{
	const struct timeval now = { 0, 0 };

	evtimer_add(n->timer, &now);
}

static void
network_pong_cb(const struct nats_msg *m, void *arg)
{
	struct network *n = arg;
	char *instance = NULL;
	json_t *pong = mesh_read_pong(m->data, m->len, &instance);

	free(instance);
	if (pong == NULL)
		return;
	json_object_del(pong, "node_id");
	json_object_del(pong, "dials");
	json_object_del(n->wanted, json_string_value(json_object_get(pong, "name")));
	add_answer(n, n->nodes, pong);
	if (json_object_size(n->wanted) == 0)
		finish_soon(n);
}

static void
network_statsz_cb(const struct nats_msg *m, void *arg)
{
	struct network *n = arg;
	json_t *statsz = mesh_read_statsz(m->data, m->len);

	if (statsz != NULL)
		add_answer(n, n->servers, statsz);
}

static struct nats_sub *
send_ping(struct nats *nats, const char *subject, void (*cb)(const struct nats_msg *m, void *arg),
    struct network *n)
{
	char *inbox;
	struct nats_sub *sub;

	if (!nats_is_up(nats))
		return (NULL);
	inbox = nats_inbox(nats);
	sub = nats_subscribe(nats, inbox, cb, n);
	(void)nats_publish(nats, subject, inbox, "{}", 2);
	free(inbox);
	return (sub);
}

struct network *
network_ask(const struct network_env *e, unsigned timeout_ms,
    void (*done)(const json_t *nodes, void *arg), void *arg)
{
	struct network *n = xcalloc(1, sizeof(*n));
	struct timeval wait = { timeout_ms / 1000, (timeout_ms % 1000) * 1000 };
	const json_t *name;
	size_t i;

	n->done = done;
	n->arg = arg;
	n->self = json_deep_copy(e->self);
	n->wanted = json_object();
	n->nodes = json_object();
	n->servers = json_object();
	n->began = mono_us();
	n->timer = evtimer_new(e->base, network_timer_cb, n);
	if (n->timer == NULL)
		fatalx("network: no timer");
	evtimer_add(n->timer, &wait);
	json_array_foreach(e->known, i, name)
		json_object_set_new(n->wanted, json_string_value(name), json_true());
	/* The servers first: their answers do not end it. */
	n->statszs = send_ping(e->hub, MESH_STATSZ_SUBJECT, network_statsz_cb, n);
	n->pongs = send_ping(e->leaf, e->ping, network_pong_cb, n);
	if (n->pongs == NULL)
		finish_soon(n);
	else
		json_object_set(n->wanted, json_string_value(json_object_get(n->self, "name")),
		    json_true());
	return (n);
}
