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
consumer_find(const struct consume *c, const uint8_t id[NODE_ID_LEN])
{
	struct consumer *cr;

	DL_FOREACH(c->consumers, cr)
		if (memcmp(cr->peer_id, id, NODE_ID_LEN) == 0)
			return (cr);
	return (NULL);
}

/* CONSUME */

static int
take_wanted(struct consume *c, const json_t *wanted)
{
	const char *name = json_string_value(json_object_get(wanted, "name"));
	json_int_t seq = json_integer_value(json_object_get(wanted, "stream_seq"));
	uint8_t id[NODE_ID_LEN];
	struct consumer *cr;
	json_t *filters;

	if (name == NULL || !node_name_ok(name, strlen(name)) || seq < 0 ||
	    node_id_read(json_string_value(json_object_get(wanted, "id")), id) == -1)
		return (-1);
	filters = filter_subjects(name, json_object_get(wanted, "tables"));
	if (filters == NULL)
		return (-1);
	cr = consumer_find(c, id);
	if (cr != NULL && strcmp(cr->peer, name) != 0) {
		consumer_free(cr); /* its stream has another name now */
		cr = NULL;
	}
	if (cr == NULL)
		cr = consumer_new(c, name, id, (uint64_t)seq);
	if (cr->filters != NULL && json_equal(cr->filters, filters)) {
		json_decref(filters);
		return (0);
	}
	json_decref(cr->filters);
	cr->filters = filters;
	cr->strict = 0;
	if (c->a != NULL) {
		consumer_end(cr);
		consumer_start(cr);
	}
	return (0);
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

json_t *
consume_state(const struct consume *c)
{
	json_t *list = json_array(), *o;
	char hex[NODE_HEX_LEN];
	struct consumer *cr;

	DL_FOREACH(c->consumers, cr) {
		node_id_hex(cr->peer_id, hex);
		o = json_pack("{s:s, s:s, s:b}", "name", cr->peer, "id", hex, "consuming",
		    cr->state == CONSUMER_FLOWING);
		if (cr->error != NULL)
			json_object_set_new(o, "error", json_string(cr->error));
		json_array_append_new(list, o);
	}
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
	c->me = subject_stream(jsapi_names(a), node);
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
