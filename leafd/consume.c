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

static struct peer *
peer_find(const struct consume *c, const char *name)
{
	struct peer *p;

	DL_FOREACH(c->peers, p)
		if (strcmp(p->name, name) == 0)
			return (p);
	return (NULL);
}

/* CONSUME */

static int
take_wanted(struct consume *c, const json_t *wanted)
{
	const char	*name = json_string_value(json_object_get(wanted, "name"));
	json_int_t	 seq = json_integer_value(json_object_get(wanted, "stream_seq"));
	uint8_t		 id[NODE_ID_LEN];
	struct peer	*p;
	json_t		*filters;

	if (name == NULL || !node_name_ok(name, strlen(name)) || seq < 0 ||
	    node_id_read(json_string_value(json_object_get(wanted, "id")), id) == -1)
		return (-1);
	filters = filter_subjects(name, json_object_get(wanted, "tables"));
	if (filters == NULL)
		return (-1);
	p = peer_find(c, name);
	if (p != NULL && memcmp(p->id, id, NODE_ID_LEN) != 0) {
		peer_free(p);	/* another node of that name */
		p = NULL;
	}
	if (p == NULL)
		p = peer_new(c, name, id, (uint64_t)seq);
	if (p->filters != NULL && json_equal(p->filters, filters)) {
		json_decref(filters);
		return (0);
	}
	json_decref(p->filters);
	p->filters = filters;
	p->strict = 0;
	if (c->a != NULL) {
		peer_end(p);
		peer_start(p);
	}
	return (0);
}

static int
is_listed(const json_t *list, const char *name)
{
	const json_t	*wanted;
	const char	*other;
	size_t		 i;

	json_array_foreach(list, i, wanted) {
		other = json_string_value(json_object_get(wanted, "name"));
		if (other != NULL && strcmp(other, name) == 0)
			return (1);
	}
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
	const json_t	*list = json_object_get(whole, "peers"), *wanted;
	struct peer	*p, *tmp;
	size_t		 i;

	if (!json_is_array(list))
		return (-1);
	DL_FOREACH_SAFE(c->peers, p, tmp)
		if (!is_listed(list, p->name))
			peer_free(p);
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
	while (c->peers != NULL)
		peer_free(c->peers);
}

json_t *
consume_state(const struct consume *c)
{
	json_t		*list = json_array(), *o;
	struct peer	*p;

	DL_FOREACH(c->peers, p) {
		o = json_pack("{s:s, s:b}", "name", p->name, "consuming",
		    p->state == PEER_FLOWING);
		if (p->error != NULL)
			json_object_set_new(o, "error", json_string(p->error));
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
consume_start(struct consume *c, struct asker *a, const char *node)
{
	struct peer *p;

	if (c->a != NULL)
		return;
	c->a = a;
	c->me = subject_stream(node);
	DL_FOREACH(c->peers, p)
		peer_start(p);
}

void
consume_stop(struct consume *c)
{
	struct peer *p;

	if (c->a == NULL)
		return;
	DL_FOREACH(c->peers, p) {
		peer_end(p);
		peer_set_error(p, "the leaf server is away");
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
