#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/jsonlist.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/cluster/carrier.h"
#include "opsd/cluster/daemons_priv.h"
#include "opsd/cluster/warnings.h"

#define HOLD_US 3000000 /* the longest that leafd waits for the hub */

/* ---- settings ---- */

void
daemons_send(struct chan *c, enum msg_type type, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);
	struct buf b = { 0 };

	buf_blob(&b, text, strlen(text));
	chan_send(c, type, &b);
	free(text);
	json_decref(o);
}

static void
send_settings(struct daemons *d, struct chan *c)
{
	json_t *o = c != NULL ? daemons_settings_json(d) : NULL;

	if (o != NULL)
		daemons_send(c, MSG_SETTINGS, o);
}

static void
tell_leaf_changed(struct daemons *d)
{
	for (size_t i = 0; i < d->nabove; i++)
		d->above[i].leaf_changed(d->above[i].arg);
}

/*
 * A leaf server that does not find its hub tries again only a second later, and the node
 * is not reachable for so long: leafd is told to start it when the hub is there.
 */
static void
settle_leaf(struct daemons *d)
{
	const char *hub = json_string_value(json_object_get(json_object_get(d->mesh, "server"),
	    "status"));

	if (d->leaf_held == 0 || d->leaf == NULL ||
	    (d->rep->data->live.clustering && mono_us() - d->leaf_held < HOLD_US &&
		(hub == NULL || strcmp(hub, "running") != 0)))
		return;
	d->leaf_held = 0;
	send_settings(d, d->leaf);
	cluster_changed(d->rep->cluster);
}

static void
settings_run(void *arg)
{
	struct daemons *d = arg;

	send_settings(d, d->hub);
	if (d->leaf_held == 0)
		send_settings(d, d->leaf);
	cluster_changed(d->rep->cluster);
}

void
daemons_settings(struct daemons *d)
{
	if (d != NULL)
		post(d->rep->data->svc->post, settings_run, d);
}

struct restarting {
	struct daemons *d;
	unsigned which;
};

static void
restart_run(void *arg)
{
	struct restarting *r = arg;

	if ((r->which & RESTART_HUBD) != 0 && r->d->hub != NULL)
		chan_send(r->d->hub, MSG_RESTART, NULL);
	if ((r->which & RESTART_LEAFD) != 0 && r->d->leaf != NULL)
		chan_send(r->d->leaf, MSG_RESTART, NULL);
	free(r);
}

void
daemons_restart(struct daemons *d, unsigned which)
{
	struct restarting *r = xcalloc(1, sizeof(*r));

	*r = (struct restarting){ d, which };
	post(d->rep->data->svc->post, restart_run, r);
}

/* ---- what they say ---- */

/* What was not among the failures before. */
static void
log_handshakes(struct daemons *d, const json_t *before, const json_t *now)
{
	const json_t *failures = json_object_get(now, "handshakes"), *failure;
	char *text;
	size_t i;

	json_array_foreach(failures, i, failure)
		if (!jsonlist_has(json_object_get(before, "handshakes"), failure) &&
		    (text = warnings_handshake_text(d->rep, failure)) != NULL) {
			log_warnx("%s", text);
			free(text);
		}
}

/* A message that is one blob of JSON takes the place of what was there; -1: it is not. */
static int
take_json(struct daemons *d, struct msg *m, json_t **into)
{
	size_t n;
	const uint8_t *p = rd_blob(&m->body, &n);
	json_t *o = rd_done(&m->body) ? json_loadb((const char *)p, n, JSON_DECODE_ANY, NULL) :
					NULL;

	if (o == NULL)
		return (-1);
	log_handshakes(d, *into, o);
	pthread_mutex_lock(&d->lock);
	json_decref(*into);
	*into = o;
	pthread_mutex_unlock(&d->lock);
	return (0);
}

static int
on_leaf_state(struct chan *ch, struct msg *m, void *arg)
{
	struct daemons *d = arg;

	return (take_json(d, m, &d->leaf_state));
}

static int
on_mesh(struct chan *ch, struct msg *m, void *arg)
{
	struct daemons *d = arg;

	if (take_json(d, m, &d->mesh) == -1)
		return (-1);
	settle_leaf(d);
	cluster_changed(d->rep->cluster);
	return (0);
}

const json_t *
daemons_lock_mesh(struct daemons *d)
{
	pthread_mutex_lock(&d->lock);
	return (d->mesh);
}

void
daemons_unlock_mesh(struct daemons *d)
{
	pthread_mutex_unlock(&d->lock);
}

static json_t *
copy_state(struct daemons *d, json_t **what)
{
	json_t *copy;

	pthread_mutex_lock(&d->lock);
	copy = json_deep_copy(*what);
	pthread_mutex_unlock(&d->lock);
	return (copy);
}

json_t *
daemons_mesh(struct daemons *d)
{
	return (copy_state(d, &d->mesh));
}

json_t *
daemons_conflicts(struct daemons *d)
{
	json_t *copy;

	pthread_mutex_lock(&d->lock);
	copy = json_deep_copy(json_object_get(d->mesh, "conflicts"));
	pthread_mutex_unlock(&d->lock);
	return (copy);
}

json_t *
daemons_leaf_state(struct daemons *d)
{
	return (copy_state(d, &d->leaf_state));
}

char *
daemons_linkcert_fault(struct daemons *d)
{
	return (linkcert_fault(d->linkcert));
}

json_t *
daemons_servers(struct daemons *d)
{
	json_t *o;

	pthread_mutex_lock(&d->lock);
	o = json_pack("{s:O?, s:O?}", "hub", json_object_get(d->mesh, "server"), "leaf",
	    json_object_get(d->leaf_state, "server"));
	pthread_mutex_unlock(&d->lock);
	return (o);
}

/* ---- who is there ---- */

struct replication *
daemons_rep(const struct daemons *d)
{
	return (d->rep);
}

struct chan *
daemons_hub(struct daemons *d)
{
	return (d->hub);
}

struct chan *
daemons_leaf(struct daemons *d)
{
	return (d->leaf);
}

int
daemons_leaf_ready(const struct daemons *d)
{
	return (d->leaf != NULL && d->leaf_held == 0);
}

int
daemons_up(struct daemons *d, enum role role)
{
	int up;

	pthread_mutex_lock(&d->lock);
	up = (role == ROLE_HUBD ? d->hub : d->leaf) != NULL;
	pthread_mutex_unlock(&d->lock);
	return (up);
}

static void
peer_up(struct chan *ch, enum role role, void *arg)
{
	struct daemons *d = arg;

	log_info("%s is here", role_name(role));
	pthread_mutex_lock(&d->lock);
	if (role == ROLE_HUBD) {
		d->hub = ch;
		pulse_up(&d->hub_pulse);
	}
	if (role == ROLE_LEAFD) {
		d->leaf = ch;
		pulse_up(&d->leaf_pulse);
	}
	pthread_mutex_unlock(&d->lock);
	if (role == ROLE_HUBD)
		send_settings(d, ch);
	if (role == ROLE_LEAFD) {
		tell_leaf_changed(d);
		d->leaf_held = mono_us();
		settle_leaf(d);
	}
}

static void
peer_down(struct chan *ch, enum role role, void *arg)
{
	struct daemons *d = arg;
	int gone = 0;

	log_info("%s is gone", role_name(role));
	pthread_mutex_lock(&d->lock);
	if (d->hub == ch) {
		d->hub = NULL;
		json_decref(d->mesh);
		d->mesh = NULL;
		pulse_down(&d->hub_pulse);
	}
	if (d->leaf == ch) {
		d->leaf = NULL;
		json_decref(d->leaf_state);
		d->leaf_state = NULL;
		pulse_down(&d->leaf_pulse);
		gone = 1;
	}
	pthread_mutex_unlock(&d->lock);
	if (gone)
		tell_leaf_changed(d);
}

/* ---- life ---- */

static void
add_handler(struct daemons *d, size_t *n, struct chan_handler h)
{
	d->handlers = xrealloc(d->handlers, (*n + 2) * sizeof(*d->handlers));
	d->handlers[(*n)++] = h;
	d->handlers[*n] = (struct chan_handler){ 0 };
}

static void
add_handlers(struct daemons *d)
{
	const struct chan_handler *h;
	size_t n = 0;

	add_handler(d, &n, (struct chan_handler){ MSG_LEAF_STATE, on_leaf_state });
	add_handler(d, &n, (struct chan_handler){ MSG_MESH, on_mesh });
	for (size_t i = 0; i < d->nabove; i++)
		for (h = d->above[i].handlers; h->type != 0; h++)
			add_handler(d, &n, *h);
}

struct daemons *
daemons_start(struct replication *rep, const struct daemons_above *above, size_t n, char **err)
{
	struct daemons *d = xcalloc(1, sizeof(*d));
	char *path = conf_run_path(rep->data->svc->conf, "ops.sock");

	d->rep = rep;
	memcpy(d->above, above, n * sizeof(*above));
	d->nabove = n;
	pulse_init(d);
	pthread_mutex_init(&d->lock, NULL);
	add_handlers(d);
	d->linkcert = linkcert_new(rep->data, settings_run, d);
	d->ops = (struct chan_ops){ d->handlers, peer_up, peer_down };
	json_decref(daemons_settings_json(d)); /* what they wait for is made meanwhile */
	d->listener = chan_listen(rep->data->svc->base, path, ROLE_OPSD, &d->ops, d);
	if (d->listener == NULL) {
		*err = xasprintf("%s: %s", path, strerror(errno));
		daemons_stop(d);
		d = NULL;
	}
	free(path);
	return (d);
}

void
daemons_beat(struct daemons *d)
{
	pulse_beat(d);
	linkcert_beat(d->linkcert);
	/* Somebody may have been removed, or let in again. */
	if (daemons_removed_changed(d))
		send_settings(d, d->hub);
	settle_leaf(d);
}

void
daemons_quiet(struct daemons *d)
{
	struct chan_listener *l = d->listener;

	pthread_mutex_lock(&d->lock);
	d->hub = d->leaf = NULL;
	pthread_mutex_unlock(&d->lock);
	tell_leaf_changed(d);
	d->listener = NULL;
	chan_listener_free(l);
}

void
daemons_stop(struct daemons *d)
{
	if (d == NULL)
		return;
	json_decref(d->mesh);
	json_decref(d->leaf_state);
	json_decref(d->removed);
	linkcert_free(d->linkcert);
	pthread_mutex_destroy(&d->lock);
	free(d->handlers);
	free(d);
}
