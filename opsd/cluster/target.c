#include "config.h"

#include "opsd/cluster/target.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/progress.h"
#include "opsd/cluster/subscribe.h"

#define TRIES_MAX 3 /* while the peer has newer entries than are known here */

struct target *
target_new(struct replication *rep, const char *name)
{
	struct target *t = xcalloc(1, sizeof(*t));

	t->rep = rep;
	t->name = xstrdup(name);
	t->peer = nodes_get(rep->nodes, name);
	t->hex = t->peer != NULL ? xstrdup(t->peer->hex) : NULL;
	t->entries = json_array();
	t->done = json_array();
	t->skipped = json_array();
	return (t);
}

void
target_free(struct target *t)
{
	if (t == NULL)
		return;
	if (t->expected)
		cluster_expect(t->rep->cluster, t->entries, 0);
	free(t->name);
	peer_free(t->peer);
	free(t->hex);
	json_decref(t->entries);
	json_decref(t->done);
	json_decref(t->skipped);
	json_decref(t->answer);
	free(t->error);
	free(t);
}

/* Newer than the entry that is known. */
struct stamp
entry_next_stamp(struct replication *rep, struct stamp known)
{
	return (subscription_next(known, wall_ms(), stamp_node(rep->data->node_id)));
}

json_t *
entry_json(const char *db, const char *table, int publish, int subscribe, int removed,
    uint64_t start_ms, struct stamp s)
{
	return (json_pack("{s:s, s:s, s:b, s:b, s:b, s:[I,I], s:I}", "database", db, "table", table,
	    "publish", publish, "subscribe", subscribe, "removed", removed, "stamp",
	    (json_int_t)s.time, (json_int_t)s.node, "start_ms", (json_int_t)start_ms));
}

json_t *
entry_tombstone(struct replication *rep, const struct subscription *e)
{
	return (entry_json(e->database, e->table, 0, 0, 1, 0, entry_next_stamp(rep, e->stamp)));
}

const char *
entry_text(const json_t *sub, const char *field)
{
	return (json_string_value(json_object_get(sub, field)));
}

int
entry_flag(const json_t *sub, const char *field)
{
	return (json_is_true(json_object_get(sub, field)));
}

const struct subscription *
target_known(const struct target *t, const json_t *sub)
{
	return (t->peer == NULL ? NULL :
				  subscriptions_find(&t->peer->subs, entry_text(sub, "database"),
				      entry_text(sub, "table")));
}

struct stamp
entry_stamp(const json_t *entry)
{
	const json_t *s = json_object_get(entry, "stamp");

	return ((struct stamp){ (uint64_t)json_integer_value(json_array_get(s, 0)),
	    (uint64_t)json_integer_value(json_array_get(s, 1)) });
}

/* Whether asking again could mend something: the table went away, or its cursor has failed. */
static int
is_whole(const struct target *t, const struct subscription *e, const struct progress *all)
{
	const struct cursor *cur = all[e - t->peer->subs.list].worst;
	struct table *table;

	if (cur != NULL && cur->state == CURSOR_FAILED)
		return (0);
	if (strcmp(e->table, "*") == 0)
		return (1);
	table = catalog_get(t->rep->data->catalog, e->database, e->table);
	table_unref(table);
	return (table != NULL);
}

/* Adds the subscription to what is asked for, unless it is as it should be already. */
static void
plan(struct target *t, const json_t *s, const struct progress *all)
{
	const struct subscription *had = target_known(t, s);
	int publish = entry_flag(s, "publish"), subscribe = entry_flag(s, "subscribe");
	uint64_t start = (uint64_t)json_integer_value(json_object_get(s, "start_ms"));
	json_t *shown = json_pack("{s:s, s:s, s:s, s:b, s:b}", "schema", entry_text(s, "database"),
	    "database", entry_text(s, "database"), "table", entry_text(s, "table"), "publish",
	    publish, "subscribe", subscribe);

	if (had != NULL && !had->removed && had->publish == publish &&
	    had->subscribe == subscribe && start == 0 && is_whole(t, had, all)) {
		json_array_append_new(t->skipped, shown);
		return;
	}
	json_array_append_new(t->done, shown);
	json_array_append_new(t->entries,
	    entry_json(entry_text(s, "database"), entry_text(s, "table"), publish, subscribe, 0,
		start,
		entry_next_stamp(t->rep, had != NULL ? had->stamp : (struct stamp){ 0, 0 })));
}

void
target_plan(struct target *t, const json_t *subs)
{
	struct progress *all = NULL;
	struct cursor **cursors = NULL;
	json_t *s;
	size_t n = 0, i;

	if (t->peer != NULL) {
		cursors = cursors_all(t->rep->cursors, t->peer->id, &n);
		all = progress_new(t->peer, cursors, n);
	}
	json_array_foreach((json_t *)(uintptr_t)subs, i, s)
		plan(t, s, all);
	for (i = 0; i < n; i++)
		cursor_free(cursors[i]);
	free(cursors);
	free(all);
}

/* Whatever the peer has beside these goes. */
void
target_plan_removals(struct target *t, const json_t *subs)
{
	struct subscriptions listed = { 0 }; /* to find them in */
	json_t *s;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)subs, i, s)
		subscriptions_take(&listed,
		    &(struct subscription){
			.database = (char *)(uintptr_t)entry_text(s, "database"),
			.table = (char *)(uintptr_t)entry_text(s, "table") });
	for (i = 0; t->peer != NULL && i < t->peer->subs.n; i++) {
		const struct subscription *e = &t->peer->subs.list[i];

		if (!e->removed && subscriptions_find(&listed, e->database, e->table) == NULL)
			json_array_append_new(t->entries, entry_tombstone(t->rep, e));
	}
	subscriptions_clear(&listed);
}

static unsigned
request_timeout(struct replication *rep)
{
	struct conf *conf = data_conf(rep->data);
	unsigned ms = (unsigned)conf_int(conf, CL_REQUEST_TIMEOUT);

	conf_free(conf);
	return (ms);
}

static int
fail(struct target *t, int status, const json_t *answer, unsigned timeout_ms)
{
	const char *text = json_string_value(json_object_get(answer, "error"));

	free(t->error);
	if (status == 503 && !json_is_object(answer)) {
		t->status = 503;
		t->error =
		    xstrdup("This node is not connected to the cluster: is its hub or its leaf "
			    "server not running?");
	} else if (status == 503 || status == 504) {
		t->status = 504;
		t->error = xasprintf("Node '%s' did not answer within %u ms%s", t->name, timeout_ms,
		    cluster_reachable(t->rep->cluster, t->name) ?
			"" :
			": it is not in the network, see cluster_network for who is");
	} else {
		t->status = status >= 400 && status < 500 ? status : 502;
		t->error = t->status == status && text != NULL ?
		    xstrdup(text) :
		    xasprintf("Node '%s': %s", t->name,
			text != NULL ? text : "its answer makes no sense");
	}
	return (-1);
}

/* Who has the name: whatever is undone later is kept under the id. */
static int
learn_id(struct target *t, unsigned timeout_ms)
{
	char *own = data_node_name(t->rep->data);
	json_t *question = json_pack("{s:s, s:s, s:I, s:I, s:i, s:[]}", "id",
		   t->rep->data->node_hex, "name", own, "incarnation",
		   (json_int_t)t->rep->data->log.incarnation, "now", (json_int_t)wall_ms(),
		   "digest", 0, "cursors"),
	       *answer = NULL;
	int status = cluster_ask(t->rep->cluster, t->name, "status", question, timeout_ms, &answer);
	const char *hex = json_string_value(json_object_get(answer, "id"));
	uint8_t id[NODE_ID_LEN];

	free(own);
	json_decref(question);
	if (status == 200 && node_id_read(hex, id) == -1)
		status = 502;
	if (status == 200)
		t->hex = xstrdup(hex);
	else
		fail(t, status, answer, timeout_ms);
	json_decref(answer);
	return (status == 200 ? 0 : -1);
}

/* Entries that the peer has newer than asked for: given a stamp beyond; how many. */
static int
outdated(struct target *t)
{
	struct subscriptions theirs = { 0 };
	struct peerjson w = { 0 };
	json_t *e;
	size_t i;
	int n = 0;

	subscriptions_read(&theirs, t->answer, "entries", &w);
	free(w.fault);
	json_array_foreach(t->entries, i, e) {
		const struct subscription *o = subscriptions_find(&theirs,
		    entry_text(e, "database"), entry_text(e, "table"));
		struct stamp s;

		if (o == NULL || o->stamp.time < entry_stamp(e).time ||
		    o->stamp.time + 1 >= STAMP_TIME_MAX || stamp_cmp(o->stamp, entry_stamp(e)) == 0)
			continue;
		s = entry_next_stamp(t->rep, o->stamp);
		json_object_set_new(e, "stamp",
		    json_pack("[I,I]", (json_int_t)s.time, (json_int_t)s.node));
		n++;
	}
	subscriptions_clear(&theirs);
	return (n);
}

/* 0 with the peer's view as answer, or -1 with status and error. */
int
target_ask(struct target *t)
{
	unsigned timeout_ms = request_timeout(t->rep);
	json_t *offer;
	uint8_t id[NODE_ID_LEN];
	int status;

	if (t->hex == NULL && learn_id(t, timeout_ms) == -1)
		return (-1);
	if (!t->expected)
		cluster_expect(t->rep->cluster, t->entries, t->expected = 1);
	for (int try = 0; try < TRIES_MAX; try++) {
		json_decref(t->answer);
		t->answer = NULL;
		offer = offer_new(t->rep, t->entries, 1);
		t->asked = 1;
		status = cluster_ask(t->rep->cluster, t->name, "entries", offer, timeout_ms,
		    &t->answer);
		json_decref(offer);
		if (status != 200 || node_id_read(entry_text(t->answer, "id"), id) == -1) {
			if (status >= 400 && status < 500 && try == 0)
				t->asked = 0; /* refused as a whole */
			return (fail(t, status, t->answer, timeout_ms));
		}
		if (outdated(t) == 0)
			break;
	}
	t->status = 200;
	return (0);
}
