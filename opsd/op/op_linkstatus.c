#include "config.h"

#include "opsd/op/op_linkstatus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/peer_view.h"
#include "opsd/cluster/progress.h"

/* As in "Wed, 12 Feb 2025 19:09:34 GMT"; 0: it has not been. */
static json_t *
rfc1123_json(uint64_t ms)
{
	time_t at = (time_t)(ms / 1000);
	char text[40];
	struct tm tm;

	if (ms == 0)
		return (json_null());
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &tm));
	return (json_string(text));
}

static uint64_t
ms_of(const json_t *link, const char *field)
{
	json_int_t ms = json_integer_value(json_object_get(link, field));

	return (ms > 0 ? (uint64_t)ms : 0);
}

/* What leafd says of the link with it; NULL: there is none. */
static const json_t *
link_of(const struct op_linkstatus *s)
{
	const json_t *link;
	size_t i;

	json_array_foreach(json_object_get(s->leaf, "links"), i, link) {
		const char *id = json_string_value(json_object_get(link, "id"));

		if (id != NULL && strcmp(id, s->peer->hex) == 0)
			return (link);
	}
	return (NULL);
}

/* ---- databases ---- */

/* What goes between the two of one database. */
struct database_seen {
	const char *name; /* borrowed */
	struct progress at;
	uint64_t remote_ms, local_ms; /* when what came last was written there, and came */
	UT_hash_handle hh;
};

static struct database_seen *
seen_get(struct database_seen **all, const char *name)
{
	struct database_seen *d;

	HASH_FIND_STR(*all, name, d);
	if (d == NULL) {
		d = xcalloc(1, sizeof(*d));
		d->name = name;
		HASH_ADD_KEYPTR(hh, *all, d->name, strlen(d->name), d);
	}
	return (d);
}

static void
see_cursor(struct database_seen *d, const struct cursor_view *cur)
{
	progress_add_cursor(&d->at, cur);
	if (cur->state == CURSOR_RECOVER || cur->came_ms <= d->local_ms)
		return;
	d->remote_ms = cur->ms;
	d->local_ms = cur->came_ms;
}

/* Those of tables that come from it, and of ours that go to it. */
static struct database_seen *
databases_seen(const struct op_linkstatus *s)
{
	struct database_seen *all = NULL, *d;

	for (size_t i = 0; i < s->ncursors; i++)
		see_cursor(seen_get(&all, s->cursors[i]->database), s->cursors[i]);
	for (size_t i = 0; i < s->ntables; i++) {
		const struct subscription *e = peer_effective_for(s->peer, s->tables[i]);

		if (!subscription_gives(e) && !subscription_brings(e))
			continue;
		d = seen_get(&all, s->tables[i]->database);
		if (subscription_gives(e))
			progress_add_table(&d->at, s->tables[i], s->view);
	}
	return (all);
}

static void
add_progress(json_t *o, const struct progress *at, int away)
{
	const struct cursor_view *worst = at->worst;

	json_object_set_new(o, "state",
	    json_string(worst != NULL ? progress_word(worst, away) :
		    away              ? "waiting" :
					"live"));
	json_object_set_new(o, "tables", json_integer((json_int_t)at->tables));
	json_object_set_new(o, "lag", json_integer((json_int_t)at->lag));
	json_object_set_new(o, "lag_ms",
	    at->lag_ms != -1 ? json_integer((json_int_t)at->lag_ms) : json_null());
	if (worst != NULL && worst->state == CURSOR_COPY) {
		json_object_set_new(o, "rows_copied", json_integer((json_int_t)at->rows));
		json_object_set_new(o, "rows_total",
		    at->total != 0 ? json_integer((json_int_t)at->total) : json_null());
	}
	if (worst != NULL && worst->why != NULL && worst->why[0] != '\0')
		json_object_set_new(o, "error", json_string(worst->why));
}

static json_t *
socket_json(const struct op_linkstatus *s, const struct database_seen *d, const json_t *link)
{
	int connected = carrier_link_has(s->ops->rep.link, s->peer->id);
	const json_t *rtt = json_object_get(link, "rtt_ms");
	json_t *o = json_pack("{s:s, s:b, s:o, s:i, s:[s], s:o, s:o, s:o, s:o}", "database",
	    d->name, "connected", connected, "latency",
	    json_is_number(rtt) ? json_real(round(json_number_value(rtt) * 1000) / 1000) :
				  json_null(),
	    "thread_id", 1, "nodes", s->peer->hostname, "lastCommitConfirmed",
	    rfc1123_json(ms_of(link, "confirmed_ms")), "lastReceivedRemoteTime",
	    rfc1123_json(d->remote_ms), "lastReceivedLocalTime", rfc1123_json(d->local_ms),
	    "lastSendTime", rfc1123_json(ms_of(link, "sent_ms")));

	if (ms_of(link, "sending_ms") != 0)
		json_object_set_new(o, "sendingMessage", rfc1123_json(ms_of(link, "sending_ms")));
	add_progress(o, &d->at, !connected);
	/* Null until the peer has said where it is. */
	json_object_set_new(o, "peer_lag",
	    s->view->received != NULL ? json_integer((json_int_t)d->at.peer_lag) : json_null());
	return (o);
}

static int
by_database(const struct database_seen *a, const struct database_seen *b)
{
	return (strcmp(a->name, b->name));
}

static json_t *
sockets_json(const struct op_linkstatus *s)
{
	struct database_seen *all = databases_seen(s), *d, *tmp;
	json_t *list = json_array();
	const json_t *link = link_of(s);

	HASH_SORT(all, by_database);
	HASH_ITER(hh, all, d, tmp) {
		json_array_append_new(list, socket_json(s, d, link));
		HASH_DEL(all, d);
		free(d);
	}
	return (list);
}

/* ---- the connection ---- */

/* Those that somebody asked for, without the one for all; null: there are none. */
static json_t *
explicit_json(const json_t *subscriptions)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach(subscriptions, i, one)
		if (strcmp(json_string_value(json_object_get(one, "database")), "*") != 0)
			json_array_append(list, one);
	if (json_array_size(list) > 0)
		return (list);
	json_decref(list);
	return (json_null());
}

/* Credentials of its API are kept here; never shown. */
static int
are_retained(const struct op_linkstatus *s)
{
	const json_t *host;
	size_t i;

	json_array_foreach(s->retained, i, host)
		if (strcasecmp(json_string_value(host), s->peer->hostname) == 0)
			return (1);
	return (0);
}

/* A word for the whole, and why there is no link; a peer that NATS reaches needs none. */
static void
add_link_state(json_t *o, const struct op_linkstatus *s)
{
	int connected = carrier_link_has(s->ops->rep.link, s->peer->id);
	const char *status = json_string_value(json_object_get(o, "status"));
	struct op_unlinked u;

	json_object_set_new(o, "connected", json_boolean(connected));
	if (connected || strcmp(status, "closed") != 0 || !carrier_link_on(s->ops->rep.link))
		return;
	u = op_unlinked_why(s->unlinked, s->peer->hostname);
	if (u.refused)
		json_object_set_new(o, "status", json_string("refused"));
	json_object_set_new(o, "error", json_string(u.why));
	free(u.why);
}

void
op_linkstatus_add(json_t *o, const struct op_linkstatus *s)
{
	const struct subscription *all = subscriptions_find(&s->peer->subs, SUBSCRIPTION_ALL,
	    SUBSCRIPTION_ALL);
	char *url;

	if (s->peer->hostname == NULL)
		return;
	url = members_url(&s->ops->rep, s->peer->id, s->peer->hostname);
	json_object_set_new(o, "name", json_string(s->peer->hostname));
	json_object_set_new(o, "url", url != NULL ? json_string(url) : json_null());
	free(url);
	add_link_state(o, s);
	json_object_set_new(o, "replicateByDefault", json_boolean(all != NULL && !all->removed));
	json_object_set_new(o, "replicates", json_boolean(peer_active(s->peer)));
	json_object_set_new(o, "shard", members_shard(&s->ops->rep, s->peer->id));
	json_object_set_new(o, "retain_authorization", json_boolean(are_retained(s)));
	json_object_set_new(o, "subscriptions", explicit_json(json_object_get(o, "subscriptions")));
	json_object_set_new(o, "database_sockets", sockets_json(s));
}
