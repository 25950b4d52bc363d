#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/roster_priv.h"

/* Who has introduced whom (roster.h). */

#define SHOWN_BYTES 10000 /* a link's first message has room for that (leafd/link/link_priv.h) */

static const struct roster_entry *
introducer_of(struct roster *r, const struct roster_entry *e)
{
	return (e->introduction != NULL ? roster_find_id(r, e->introduction->by) : NULL);
}

/* ---- what is shown ---- */

json_t *
roster_shown(struct roster *r)
{
	json_t *list = json_array(), *one;
	const struct roster_entry *e;
	size_t bytes = 0;

	pthread_mutex_lock(&r->lock);
	e = roster_find_id(r, r->own_id);
	while (roster_is_live(e) && e->introduction != NULL &&
	    json_array_size(list) < ROSTER_SHOWN) {
		one = roster_entry_write(e);
		bytes += json_dumpb(one, NULL, 0, JSON_COMPACT);
		if (bytes > SHOWN_BYTES) {
			json_decref(one);
			break;
		}
		json_array_append_new(list, one);
		e = introducer_of(r, e);
	}
	pthread_mutex_unlock(&r->lock);
	return (list);
}

/* ---- by one that is removed ---- */

/* It came here so long after the removal that it may have been signed after that, too. */
static int
is_late(struct roster *r, const struct roster_entry *e)
{
	const struct roster_entry *by = introducer_of(r, e);

	return (roster_is_locked(by) && e->seen_ms << 16 > by->said->time + ROSTER_AHEAD);
}

static char *
late_text(struct roster *r, const struct roster_entry *e)
{
	const struct roster_entry *introducer = introducer_of(r, e);
	char *by = roster_shown_remover(r, introducer);
	char *text = xasprintf("'%s' is no member any more: '%s', which was removed from the "
			       "cluster by '%s', has let it in. If it is to be one, run add_node "
			       "on it, with a join token of this node",
	    statement_field(e->said, "hostname"), statement_field(introducer->said, "hostname"),
	    by);

	free(by);
	return (text);
}

json_t *
roster_late(struct roster *r)
{
	json_t *all = json_object();
	const struct roster_entry *e;
	char *text;

	pthread_mutex_lock(&r->lock);
	for (e = r->entries; e != NULL; e = e->hh.next) {
		if (e->kind != STATEMENT_MEMBER || !roster_is_live(e) || !is_late(r, e) ||
		    e == roster_find_id(r, r->own_id))
			continue;
		text = late_text(r, e);
		json_object_set_new(all, e->key, json_string(text));
		free(text);
	}
	pthread_mutex_unlock(&r->lock);
	return (all);
}

/* With the lock held. */
static char *
left_behind_by(struct roster *r, const struct roster_offer *o)
{
	const struct roster_entry *by = o->introduction != NULL ?
	    roster_find_id(r, o->introduction->by) :
	    NULL;
	char *remover, *text;

	if (o->said == NULL || o->said->removed || !roster_is_locked(by) ||
	    by == roster_find_id(r, r->own_id))
		return (NULL);
	remover = roster_shown_remover(r, by);
	text = xasprintf("'%s' was let in by '%s', which '%s' has removed from the cluster before "
			 "this node had heard of it",
	    statement_field(o->said, "hostname"), statement_field(by->said, "hostname"), remover);
	free(remover);
	return (text);
}

char *
roster_left_behind(struct roster *r, const json_t *shown)
{
	struct roster_offer o = { 0 };
	char *text = NULL, *fault = NULL;

	if (roster_offer_read(&o, shown, &fault) == 0) {
		pthread_mutex_lock(&r->lock);
		text = left_behind_by(r, &o);
		pthread_mutex_unlock(&r->lock);
	}
	roster_offer_clear(&o);
	free(fault);
	return (text);
}

int
roster_has_heard(struct roster *r, const uint8_t *id, const json_t *shown)
{
	const char *text = json_string_value(json_object_get(json_object_get(shown, "introduction"),
	    "text"));
	const struct roster_entry *e;
	int yes;

	pthread_mutex_lock(&r->lock);
	e = roster_find_id(r, id);
	/* Without what it says itself it is no member yet. */
	yes = text != NULL && roster_is_live(e) && e->introduction != NULL &&
	    strcmp(e->introduction->text, text) == 0;
	pthread_mutex_unlock(&r->lock);
	return (yes);
}

int
roster_introduced_here(struct roster *r, const uint8_t *id)
{
	const struct roster_entry *e;
	int yes;

	pthread_mutex_lock(&r->lock);
	e = roster_find_id(r, id);
	yes = roster_is_live(e) && e->introduction != NULL &&
	    memcmp(e->introduction->by, r->own_id, NODE_ID_LEN) == 0;
	pthread_mutex_unlock(&r->lock);
	return (yes);
}

/* ---- those whom nobody introduces ---- */

static int
needs_introduction(struct roster *r, const struct roster_facts *f, const struct roster_entry *e)
{
	return (e->kind == STATEMENT_MEMBER && roster_is_live(e) &&
	    e != roster_find_id(r, r->own_id) && !is_late(r, e) &&
	    !roster_is_distrusted(r, e, statement_field(e->said, "spki")) &&
	    (e->introduction == NULL || !roster_is_direct(r, f, e->introduction, 1) ||
		e->outdone > e->introduction->time ||
		strcmp(statement_field(e->introduction, "spki"),
		    statement_field(e->said, "spki")) != 0));
}

uint8_t *
roster_unintroduced(struct roster *r, const struct roster_facts *f, size_t *n)
{
	uint8_t *ids;
	const struct roster_entry *e;

	*n = 0;
	pthread_mutex_lock(&r->lock);
	ids = xcalloc(HASH_COUNT(r->entries) + 1, NODE_ID_LEN);
	for (e = r->entries; e != NULL; e = e->hh.next)
		if (needs_introduction(r, f, e))
			node_id_read(e->key, ids + (*n)++ * NODE_ID_LEN);
	pthread_mutex_unlock(&r->lock);
	return (ids);
}
