#include "config.h"

#include "opsd/cluster/subscribe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/subscribed.h"
#include "opsd/cluster/target.h"
#include "opsd/store/group_priv.h"

#define ENTRIES_MAX 20000 /* at once; twice as many in all between two nodes */

static void take_run(struct group *g, struct commit_job *j);

json_t *
ops_system_info(void)
{
	struct utsname u;

	uname(&u);
	return (json_pack("{s:s, s:s, s:s}", "hdb_version", PACKAGE_VERSION, "node_version",
	    "hubleaf", "platform", u.sysname));
}

struct take *
take_new(json_t *offer)
{
	struct take *t = xcalloc(1, sizeof(*t));

	t->job.run = take_run;
	t->offer = offer;
	return (t);
}

void
take_free(struct take *t)
{
	if (t == NULL)
		return;
	json_decref(t->offer);
	json_decref(t->answer);
	free(t->job.error);
	free(t);
}

static json_t *
table_json(const struct table *t)
{
	struct log_pos head = table_head(t);

	return (json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "table", t->name, "id",
	    (json_int_t)t->id, "head", (json_int_t)head.seq, "head_mark", (json_int_t)head.mark,
	    "head_ms", (json_int_t)head.ms, "definition", table_definition(t)));
}

/* What we have of the tables that an entry names. */
static json_t *
entry_tables(struct replication *rep, const char *db, const char *name)
{
	json_t *list = json_array();
	struct table **all, *t;
	size_t n;

	if (strcmp(name, "*") != 0) {
		t = catalog_get(rep->data->catalog, db, name);
		if (t != NULL)
			json_array_append_new(list, table_json(t));
		table_unref(t);
		return (list);
	}
	all = catalog_tables(rep->data->catalog, db, &n);
	for (size_t i = 0; i < n; i++) {
		json_array_append_new(list, table_json(all[i]));
		table_unref(all[i]);
	}
	free(all);
	return (list);
}

json_t *
offer_new(struct replication *rep, const json_t *entries, int strict)
{
	json_t *list = json_array(), *e, *o;
	char *name = data_node_name(rep->data);
	size_t i;

	json_array_foreach((json_t *)entries, i, e) {
		const char *db = json_string_value(json_object_get(e, "database"));
		const char *table = json_string_value(json_object_get(e, "table"));

		o = json_copy(e);
		json_object_set_new(o, "tables",
		    json_is_true(json_object_get(e, "removed")) ? json_array() :
								  entry_tables(rep, db, table));
		json_object_set_new(o, "has_database",
		    json_boolean(catalog_has_database(rep->data->catalog, db)));
		json_array_append_new(list, o);
	}
	o = json_pack("{s:s, s:s, s:I, s:o, s:b, s:o}", "id", rep->data->node_hex, "name", name,
	    "incarnation", (json_int_t)rep->data->log.incarnation, "system_info", ops_system_info(),
	    "strict", strict, "entries", list);
	free(name);
	return (o);
}

struct offered { /* one entry as read */
	const char *database, *table;
	int publish, subscribe, removed; /* as seen from here */
	struct stamp stamp;
	uint64_t start_ms;
	int has_database; /* the sender has it, perhaps without tables */
	json_t *tables;
	uint64_t incarnation; /* of the sender's log */
	int newer;            /* than what was here: a call asks for it */
};

static int
read_offered(const json_t *e, struct offered *o)
{
	json_int_t time, node, start;

	/* What the sender publishes, we subscribe to. */
	if (json_unpack((json_t *)e, "{s:s, s:s, s:b, s:b, s:b, s:[I,I], s:I, s:o}", "database",
		&o->database, "table", &o->table, "publish", &o->subscribe, "subscribe",
		&o->publish, "removed", &o->removed, "stamp", &time, &node, "start_ms", &start,
		"tables", &o->tables) == -1 ||
	    strcmp(o->database, "system") == 0 || table_name_fault(o->database) != NULL ||
	    table_name_fault(o->table) != NULL)
		return (-1);
	o->stamp = (struct stamp){ (uint64_t)time, (uint64_t)node };
	o->start_ms = (uint64_t)start;
	o->has_database = json_is_true(json_object_get(e, "has_database"));
	return (o->stamp.time < STAMP_TIME_MAX ? 0 : -1);
}

/* How many tables were offered; -1: one of them cannot stand beside ours. */
static int
check_tables(struct group *g, struct take *t, const struct offered *o)
{
	const json_t *jt;
	size_t i;
	int found = 0, same;

	json_array_foreach(o->tables, i, jt) {
		const char *name = json_string_value(json_object_get(jt, "table"));
		const char *key = json_string_value(json_object_get(json_object_get(jt,
									"definition"),
		    "primary_key"));
		struct table *mine;

		if (name == NULL || key == NULL)
			continue;
		found++;
		mine = catalog_get(group_data(g)->catalog, o->database, name);
		same = mine == NULL || strcmp(mine->primary_key, key) == 0;
		if (!same)
			commit_fail(&t->job, 400, "Primary keys of '%s.%s' differ: '%s' and '%s'",
			    o->database, name, mine->primary_key, key);
		table_unref(mine);
		if (!same)
			return (-1);
	}
	return (found);
}

/* -1: the entry cannot be, the job has failed. */
static int
check_entry(struct group *g, struct take *t, const struct offered *o)
{
	struct catalog *c = group_data(g)->catalog;
	int found = check_tables(g, t, o);
	struct table *mine;

	if (found != 0)
		return (found == -1 ? -1 : 0);
	if (strcmp(o->table, "*") == 0) {
		if (o->has_database || catalog_has_database(c, o->database))
			return (0);
		commit_fail(&t->job, 404, "database '%s' does not exist", o->database);
		return (-1);
	}
	if ((mine = catalog_get(c, o->database, o->table)) == NULL) {
		commit_fail(&t->job, 404, "Table '%s.%s' does not exist", o->database, o->table);
		return (-1);
	}
	table_unref(mine);
	return (0);
}

/* Under "*" a database comes as its tables do; one that was dropped here, by a call. */
static void
take_database(struct group *g, const struct offered *o)
{
	if (strcmp(o->table, "*") == 0 && o->has_database && (o->publish || o->subscribe) &&
	    (o->newer || !group_database_dropped(g, o->database)))
		group_put_database(g, o->database);
}

/* Of a name that was never dropped here: what was comes back only by a call. */
static int
is_new(struct group *g, const char *db, const char *table)
{
	return (stamp_none(group_dropped(g, db, table)) && !group_database_dropped(g, db));
}

static void
begin_offered(struct group *g, const uint8_t *peer, const struct offered *o, const json_t *jt,
    struct table *mine, int made)
{
	struct subscribed s = { .id = (uint32_t)json_integer_value(json_object_get(jt, "id")),
		.head.seq = (uint64_t)json_integer_value(json_object_get(jt, "head")),
		.head.mark = (uint64_t)json_integer_value(json_object_get(jt, "head_mark")),
		.head.ms = (uint64_t)json_integer_value(json_object_get(jt, "head_ms")),
		.incarnation = o->incarnation,
		.start_ms = o->newer ? o->start_ms : 0,
		.called = o->newer,
		.made = made };

	subscribed_begin(g, peer, &s, mine);
}

static void
take_tables(struct group *g, const struct peer *p, const struct offered *o)
{
	const json_t *jt;
	const char *why;
	size_t i;

	json_array_foreach(o->tables, i, jt) {
		const char *name = json_string_value(json_object_get(jt, "table"));
		const json_t *def = json_object_get(jt, "definition");
		const char *key = json_string_value(json_object_get(def, "primary_key"));
		const struct subscription *e;
		struct table *mine;
		int made;

		if (name == NULL || key == NULL || table_name_fault(name) != NULL ||
		    table_name_fault(key) != NULL)
			continue;
		e = peer_effective(p, o->database, name);
		if (e == NULL)
			continue;
		mine = group_table_named(g, o->database, strlen(o->database), name, strlen(name));
		made = mine == NULL && (e->subscribe || e->publish) &&
		    (o->newer || is_new(g, o->database, name));
		if (made)
			mine = group_create_table(g, o->database, name, key, def, "", &why);
		if (mine == NULL)
			continue;
		if (strcmp(mine->primary_key, key) != 0) {
			if (e->subscribe)
				subscribed_fail(g, p->id, mine,
				    (uint32_t)json_integer_value(json_object_get(jt, "id")), key);
			continue;
		}
		if (group_add_attrs(g, mine, json_object_get(def, "attributes")))
			mine = group_table_named(g, o->database, strlen(o->database), name,
			    strlen(name));
		if (e->subscribe)
			begin_offered(g, p->id, o, jt, mine, made);
	}
}

/* Room for one more node; those that only tombstones are left of count less. */
static int
has_room(struct replication *rep, const uint8_t *id)
{
	char *known = nodes_name(rep->nodes, id);
	size_t all, active = nodes_count(rep->nodes, &all);
	int room = known != NULL || (active < NODES_MAX && all < 4 * NODES_MAX);

	free(known);
	return (room);
}

/* Who sends it, into `id`.  What is let in here every part of the node must be able to take. */
static int
check_sender(struct group *g, struct take *t, uint8_t id[NODE_ID_LEN])
{
	struct replication *rep = replication_of(g);
	const char *name = json_string_value(json_object_get(t->offer, "name"));
	json_t *entries = json_object_get(t->offer, "entries");

	if (node_id_read(json_string_value(json_object_get(t->offer, "id")), id) == -1 ||
	    name == NULL || !json_is_array(entries))
		commit_fail(&t->job, 400, "the entries cannot be read");
	else if (!node_name_ok(name, strlen(name)))
		commit_fail(&t->job, 400,
		    "'name' must be 1 to %d characters without '.', ',', '*', '>', white "
		    "space and control characters",
		    NODE_NAME_MAX);
	else if (json_array_size(entries) > ENTRIES_MAX)
		commit_fail(&t->job, 400, "'entries' must contain at most %d items", ENTRIES_MAX);
	else if (memcmp(id, rep->data->node_id, NODE_ID_LEN) == 0)
		commit_fail(&t->job, 400, "a node cannot subscribe to itself");
	else if (!has_room(rep, id))
		commit_fail(&t->job, 409, "this node knows %d other nodes, and cannot know more",
		    NODES_MAX);
	else
		return (0);
	return (-1);
}

/* A call of a node that has the name of another: that one was wiped and made anew. */
static void
retire_namesakes(struct group *g, const uint8_t *id, const char *name)
{
	struct replication *rep = replication_of(g);
	struct peer **all, *old;
	size_t n;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		if (peer_active(all[i]) && strcmp(all[i]->name, name) == 0 &&
		    memcmp(all[i]->id, id, NODE_ID_LEN) != 0) {
			log_info("node %s has another id now: the subscriptions of before end",
			    name);
			old = nodes_edit(g, all[i]->id, NULL);
			for (size_t k = 0; k < old->subs.n; k++) {
				struct subscription s = old->subs.list[k];

				subscription_end(&s, entry_next_stamp(rep, s.stamp));
				if (!old->subs.list[k].removed)
					subscriptions_take(&old->subs, &s);
			}
			subscribed_end(g, old);
			nodes_store(g, old);
		}
		peer_free(all[i]);
	}
	free(all);
}

static void
take_run(struct group *g, struct commit_job *j)
{
	struct take *t = (struct take *)j;
	struct replication *rep = replication_of(g);
	const char *name = json_string_value(json_object_get(t->offer, "name"));
	json_t *entries = json_object_get(t->offer, "entries"), *e;
	json_t *info = json_object_get(t->offer, "system_info");
	uint64_t incarnation = (uint64_t)json_integer_value(json_object_get(t->offer,
	    "incarnation"));
	uint8_t id[NODE_ID_LEN];
	struct offered o;
	struct peer *p;
	size_t i;
	int changed = 0;

	if (check_sender(g, t, id) == -1)
		return;
	json_array_foreach(entries, i, e) {
		if (read_offered(e, &o) == -1) {
			commit_fail(j, 400, "the entries cannot be read");
			return;
		}
		if (!o.removed && json_is_true(json_object_get(t->offer, "strict")) &&
		    check_entry(g, t, &o) == -1)
			return;
	}
	p = nodes_edit(g, id, name);
	if (p->subs.n + json_array_size(entries) > 2 * ENTRIES_MAX) {
		commit_fail(j, 409, "there are too many entries between the two nodes");
		peer_free(p);
		return;
	}
	if (info != NULL && !json_equal(info, p->system_info)) {
		json_decref(p->system_info);
		p->system_info = json_incref(info);
		changed = 1;
	}
	json_array_foreach(entries, i, e) {
		read_offered(e, &o);
		o.incarnation = incarnation;
		o.newer = subscriptions_take(&p->subs,
		    &(struct subscription){ (char *)(uintptr_t)o.database,
			(char *)(uintptr_t)o.table, o.publish, o.subscribe, o.removed, o.stamp,
			o.start_ms });
		changed |= o.newer;
		if (!o.removed) {
			take_database(g, &o);
			take_tables(g, p, &o);
		}
	}
	subscribed_end(g, p);
	if (t->answered) {
		json_t *mine = subscriptions_write(&p->subs);

		t->answer = offer_new(rep, mine, 0);
		json_decref(mine);
	}
	if (changed) {
		if (json_is_true(json_object_get(t->offer, "strict")) &&
		    cluster_peer_reachable(rep->cluster, p))
			retire_namesakes(g, id, name);
		nodes_store(g, p);
	} else
		peer_free(p);
	cluster_kick(rep->cluster);
}
