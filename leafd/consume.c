#include "config.h"

#include "leafd/consume_priv.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/conf/settings.h"
#include "common/nats/subject.h"
#include "leafd/filter.h"
#include "leafd/jsapi.h"

static struct consumer *
consumer_find(const struct consume *c, const uint8_t id[NODE_ID_LEN], unsigned k)
{
	struct consumer *cr;

	DL_FOREACH(c->consumers, cr)
		if (memcmp(cr->peer_id, id, NODE_ID_LEN) == 0 && cr->shard.k == k)
			return (cr);
	return (NULL);
}

static void
forget_peer(struct consume *c, const uint8_t id[NODE_ID_LEN])
{
	struct consumer *cr, *tmp;

	DL_FOREACH_SAFE(c->consumers, cr, tmp)
		if (memcmp(cr->peer_id, id, NODE_ID_LEN) == 0)
			consumer_free(cr);
}

/* CONSUME */

/* -1: tables is no such list. */
static int
want_stream(struct consumer *cr, json_t *tables)
{
	json_t *filters = filter_subjects(cr->peer, cr->shard, tables);

	if (filters == NULL)
		return (-1);
	json_decref(cr->tables);
	cr->tables = json_incref(tables);
	if (cr->filters != NULL && json_equal(cr->filters, filters)) {
		json_decref(filters);
		return (0);
	}
	json_decref(cr->filters);
	cr->filters = filters;
	cr->strict = 0;
	if (cr->c->a != NULL) {
		consumer_end(cr);
		consumer_start(cr);
	}
	return (0);
}

/* Of a peer that is not consumed yet; seqs: where opsd is in each, or NULL. */
static void
add_peer(struct consume *c, const char *name, const uint8_t id[NODE_ID_LEN], unsigned n,
    const json_t *seqs)
{
	for (unsigned k = 0; k < n; k++)
		consumer_new(c, name, id, (struct shard){ k, n },
		    (uint64_t)json_integer_value(json_array_get(seqs, k)));
}

static int
want_streams(struct consume *c, const uint8_t id[NODE_ID_LEN], json_t *tables)
{
	struct consumer *cr;

	for (unsigned k = 0; (cr = consumer_find(c, id, k)) != NULL; k++)
		if (want_stream(cr, tables) == -1)
			return (-1);
	return (0);
}

static int
are_seqs(const json_t *seqs)
{
	const json_t *seq;
	size_t k;

	json_array_foreach(seqs, k, seq)
		if (!json_is_integer(seq) || json_integer_value(seq) < 0)
			return (0);
	return (json_is_array(seqs) && json_array_size(seqs) <= SHARDS_MAX);
}

static int
take_wanted(struct consume *c, const json_t *wanted)
{
	const char *name = json_string_value(json_object_get(wanted, "name"));
	const json_t *seqs = json_object_get(wanted, "stream_seqs");
	json_t *tables = json_object_get(wanted, "tables"), *filters;
	unsigned n = (unsigned)json_array_size(seqs);
	uint8_t id[NODE_ID_LEN];
	struct consumer *cr;

	if (name == NULL || !node_name_ok(name, strlen(name)) || !are_seqs(seqs) ||
	    node_id_read(json_string_value(json_object_get(wanted, "id")), id) == -1)
		return (-1);
	filters = filter_subjects(name, (struct shard){ 0, 1 }, tables);
	if (filters == NULL)
		return (-1);
	json_decref(filters);
	cr = consumer_find(c, id, 0);
	if (cr != NULL && strcmp(cr->peer, name) != 0) {
		forget_peer(c, id); /* its stream has another name now */
		cr = NULL;
	}
	if (cr == NULL)
		add_peer(c, name, id, n > 0 ? n : 1, seqs);
	return (want_streams(c, id, tables));
}

void
consume_streams(struct consumer *cr, unsigned n)
{
	struct consume *c = cr->c;
	char *name = xstrdup(cr->peer);
	json_t *tables = json_incref(cr->tables);
	uint8_t id[NODE_ID_LEN];

	memcpy(id, cr->peer_id, sizeof(id));
	forget_peer(c, id);
	add_peer(c, name, id, n, NULL);
	want_streams(c, id, tables);
	json_decref(tables);
	free(name);
	c->changed(c->arg);
}

static int
is_listed(const json_t *list, const uint8_t id[NODE_ID_LEN])
{
	uint8_t other[NODE_ID_LEN];
	const json_t *wanted;
	size_t i;

	json_array_foreach(list, i, wanted)
		if (node_id_read(json_string_value(json_object_get(wanted, "id")), other) == 0 &&
		    memcmp(other, id, NODE_ID_LEN) == 0)
			return (1);
	return (0);
}

static const char *
shown_name(const json_t *wanted)
{
	const char *name = json_string_value(json_object_get(wanted, "name"));

	return (name != NULL && node_name_ok(name, strlen(name)) ? name : "(no name)");
}

int
consume_want(struct consume *c, const json_t *whole)
{
	static struct log_brake brake = { .most = 10 };
	const json_t *list = json_object_get(whole, "peers"), *wanted;
	struct consumer *cr, *tmp;
	size_t i;

	if (!json_is_array(list))
		return (-1);
	DL_FOREACH_SAFE(c->consumers, cr, tmp)
		if (!is_listed(list, cr->peer_id))
			consumer_free(cr);
	/* One that cannot be read costs its peer, not the others. */
	json_array_foreach(list, i, wanted)
		if (take_wanted(c, wanted) == -1)
			log_braked(&brake, LOG_WARN, "peer %s: what is wanted of it cannot be read",
			    shown_name(wanted));
	c->changed(c->arg);
	return (0);
}

void
consume_forget(struct consume *c)
{
	while (c->consumers != NULL)
		consumer_free(c->consumers);
}

/* Of all its streams that there is something to consume of. */
static json_t *
peer_state(const struct consume *c, const struct consumer *first)
{
	char hex[NODE_HEX_LEN];
	const char *error = NULL;
	const struct consumer *cr;
	int consuming = 1;
	json_t *o;

	DL_FOREACH(c->consumers, cr) {
		if (memcmp(cr->peer_id, first->peer_id, NODE_ID_LEN) != 0 ||
		    json_array_size(cr->filters) == 0)
			continue;
		consuming = consuming && cr->state == CONSUMER_FLOWING;
		error = error != NULL ? error : cr->error;
	}
	node_id_hex(first->peer_id, hex);
	o = json_pack("{s:s, s:s, s:b}", "name", first->peer, "id", hex, "consuming", consuming);
	if (error != NULL)
		json_object_set_new(o, "error", json_string(error));
	return (o);
}

json_t *
consume_state(const struct consume *c)
{
	json_t *list = json_array();
	struct consumer *cr;

	DL_FOREACH(c->consumers, cr)
		if (cr->shard.k == 0)
			json_array_append_new(list, peer_state(c, cr));
	return (list);
}

/* The whole */

struct consume *
consume_new(struct event_base *base, struct chan *opsd, void (*changed)(void *arg), void *arg)
{
	struct consume *c = xcalloc(1, sizeof(*c));

	c->base = base;
	c->opsd = opsd;
	c->changed = changed;
	c->arg = arg;
	c->batch = 100;
	return (c);
}

void
consume_free(struct consume *c)
{
	if (c == NULL)
		return;
	consume_stop(c);
	consume_forget(c);
	free(c);
}

void
consume_start(struct consume *c, struct jsapi *a, const char *node)
{
	struct consumer *cr;

	if (c->a != NULL)
		return;
	c->a = a;
	c->me = subject_stream(jsapi_names(a), node, (struct shard){ 0, 1 });
	DL_FOREACH(c->consumers, cr)
		consumer_start(cr);
}

void
consume_stop(struct consume *c)
{
	struct consumer *cr;

	if (c->a == NULL)
		return;
	DL_FOREACH(c->consumers, cr) {
		consumer_end(cr);
		consumer_set_error(cr, "there is no connection to the servers");
	}
	c->a = NULL;
	free(c->me);
	c->me = NULL;
}

void
consume_set_batch(struct consume *c, int64_t messages)
{
	c->batch = messages;
}
