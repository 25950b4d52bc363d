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
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/target.h"
#include "opsd/store/group_priv.h"

#define ENTRIES_MAX	20000	/* at once; twice as many in all between two nodes */

static void take_run(struct group *g, struct job *j);

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
	    "head_ms", (json_int_t)head.ms,
	    "definition", table_definition(t)));
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
		json_object_set_new(o, "tables", json_is_true(json_object_get(e, "removed")) ?
		    json_array() : entry_tables(rep, db, table));
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

struct offered {		/* one entry as read */
	const char	*database, *table;
	int		 publish, subscribe, removed;	/* as seen from here */
	struct stamp	 stamp;
	uint64_t	 start_ms;
	int		 has_database;		/* the sender has it, perhaps without tables */
	json_t		*tables;
	uint64_t	 incarnation;		/* of the sender's log */
	int		 newer;			/* than what was here: a call asks for it */
};

static int
read_offered(const json_t *e, struct offered *o)
{
	json_int_t time, node, start;

	/* What the sender publishes, we subscribe to. */
	if (json_unpack((json_t *)e, "{s:s, s:s, s:b, s:b, s:b, s:[I,I], s:I, s:o}", "database",
	    &o->database, "table", &o->table, "publish", &o->subscribe, "subscribe", &o->publish,
	    "removed", &o->removed, "stamp", &time, &node, "start_ms", &start, "tables",
	    &o->tables) == -1 || strcmp(o->database, "system") == 0 ||
	    table_name_fault(o->database) != NULL || table_name_fault(o->table) != NULL)
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
		    "definition"), "primary_key"));
		struct table *mine;

		if (name == NULL || key == NULL)
			continue;
		found++;
		mine = catalog_get(group_data(g)->catalog, o->database, name);
		same = mine == NULL || strcmp(mine->primary_key, key) == 0;
		if (!same)
			job_fail(&t->job, 400, "Primary keys of '%s.%s' differ: '%s' and '%s'",
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
		job_fail(&t->job, 404, "database '%s' does not exist", o->database);
		return (-1);
	}
	if ((mine = catalog_get(c, o->database, o->table)) == NULL) {
		job_fail(&t->job, 404, "Table '%s.%s' does not exist", o->database, o->table);
		return (-1);
	}
	table_unref(mine);
	return (0);
}

/* Nothing of the peer's table can come into ours, and that shows. */
static void
fail_cursor(struct group *g, const uint8_t *peer, const struct table *mine, uint32_t id, const char *key)
{
	struct cursors *f = replication_of(g)->cursors;
	struct cursor *cur = cursors_find_named(f, peer, mine->database, strlen(mine->database),
	    mine->name, strlen(mine->name));

	if (id == 0 || (cur != NULL && (cur->state == CURSOR_RECOVER || cur->table > id)))
		return;
	if (cur != NULL && cur->table != id) {
		cursors_remove(g, cur);
		cur = NULL;
	}
	if (cur == NULL)
		cur = cursors_add(g, peer, id, mine->database, mine->name);
	cursor_other_key(g, cur, mine, key, strlen(key));
}

/*
 * A start time asks for what was removed here alone as well; it and what is not above the
 * horizon come in as rows only.
 */
static int
needs_copy(struct group *g, struct table **t, uint64_t start_ms)
{
	return (group_recall(g, t) || (*t)->horizon.time >= start_ms << 16);
}

/* The cursor of one table that was offered; `made`: there was none of its name here. */
static void
begin_cursor(struct group *g, const uint8_t *peer, const struct offered *o, const json_t *jt,
    struct table *mine, int made)
{
	struct cursors *f = replication_of(g)->cursors;
	uint32_t id = (uint32_t)json_integer_value(json_object_get(jt, "id"));
	struct cursor *cur = cursors_find(f, peer, id), *old;
	uint64_t start_ms = o->newer ? o->start_ms : 0;
	int copied = start_ms != 0 && needs_copy(g, &mine, start_ms);

	if (id == 0)
		return;
	if (cur != NULL && (strcmp(cur->name, mine->name) != 0 ||
	    strcmp(cur->database, mine->database) != 0)) {
		cursors_remove(g, cur);	/* of another life of the peer */
		cur = NULL;
	}
	if (cur != NULL) {
		/* An explicit start time on a cursor that runs: rows since then, beside it. */
		if (start_ms != 0) {
			cur->from_ms = start_ms;
			cursor_copy_anew(g, cur, 0);
		} else if (made && !o->newer)
			cursor_copy_anew(g, cur, 0);	/* what came for it is gone */
		else if (cur->state == CURSOR_FAILED)
			cursor_set(g, cur, CURSOR_FETCH, NULL);
		return;
	}
	old = cursors_find_named(f, peer, mine->database, strlen(mine->database), mine->name,
	    strlen(mine->name));
	if (old != NULL && old->state != CURSOR_RECOVER) {
		if (old->table > id && old->incarnation >= o->incarnation)
			return;
		cursors_remove(g, old);
	}
	cur = cursors_add(g, peer, id, mine->database, mine->name);
	cur->incarnation = o->incarnation;
	if (old != NULL || !o->newer) {
		/* Made (again) over there while we did not look: all of it is new to us. */
		cursor_copy_anew(g, cur, 0);
		return;
	}
	cur->from_ms = start_ms;
	if (start_ms != 0) {
		if (copied)
			cursor_copy_anew(g, cur, 0);
		else
			cursor_set(g, cur, CURSOR_FETCH, NULL);
		return;
	}
	cur->seq = (uint64_t)json_integer_value(json_object_get(jt, "head"));
	cur->mark = (uint64_t)json_integer_value(json_object_get(jt, "head_mark"));
	cur->ms = (uint64_t)json_integer_value(json_object_get(jt, "head_ms"));
	cursor_set(g, cur, CURSOR_LIVE, NULL);
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
take_tables(struct group *g, const struct peer *p, const struct offered *o)
{
	const json_t *jt;
	const char *why;
	size_t i;

	json_array_foreach(o->tables, i, jt) {
		const char *name = json_string_value(json_object_get(jt, "table"));
		const json_t *def = json_object_get(jt, "definition");
		const char *key = json_string_value(json_object_get(def, "primary_key"));
		const struct entry *e;
		struct table *mine;
		int made;

		if (name == NULL || key == NULL || table_name_fault(name) != NULL ||
		    table_name_fault(key) != NULL)
			continue;
		e = peer_effective(p, o->database, strlen(o->database), name, strlen(name));
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
				fail_cursor(g, p->id, mine, (uint32_t)json_integer_value(
				    json_object_get(jt, "id")), key);
			continue;
		}
		if (group_add_attrs(g, mine, json_object_get(def, "attributes")))
			mine = group_table_named(g, o->database, strlen(o->database), name,
			    strlen(name));
		if (e->subscribe)
			begin_cursor(g, p->id, o, jt, mine, made);
	}
}

void
subscribe_end_cursors(struct group *g, const struct peer *p)
{
	struct cursor *cur, *next;

	for (cur = cursors_first(replication_of(g)->cursors); cur != NULL; cur = next) {
		const struct entry *e;

		next = cursors_next(cur);
		if (memcmp(cur->peer, p->id, NODE_ID_LEN) != 0)
			continue;
		e = peer_effective(p, cur->database, strlen(cur->database), cur->name,
		    strlen(cur->name));
		if (e == NULL || (!e->subscribe && cur->state != CURSOR_RECOVER))
			cursors_remove(g, cur);
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
		job_fail(&t->job, 400, "the entries cannot be read");
	else if (!node_name_ok(name, strlen(name)))
		job_fail(&t->job, 400, "'name' must be 1 to %d characters without '.', ',', '*', '>', white "
		    "space and control characters", NODE_NAME_MAX);
	else if (json_array_size(entries) > ENTRIES_MAX)
		job_fail(&t->job, 400, "'entries' must contain at most %d items", ENTRIES_MAX);
	else if (memcmp(id, rep->data->node_id, NODE_ID_LEN) == 0)
		job_fail(&t->job, 400, "a node cannot subscribe to itself");
	else if (!has_room(rep, id))
		job_fail(&t->job, 409, "this node knows %d other nodes, and cannot know more",
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
			log_info("node %s has another id now: the subscriptions of before end", name);
			old = nodes_edit(g, all[i]->id, NULL);
			for (size_t k = 0; k < old->n; k++) {
				const struct entry *e = &old->entries[k];

				if (!e->removed)
					peer_set_entry(old, e->database, e->table, 0, 0, 0, 1,
					    entry_next_stamp(rep, e->stamp.time));
			}
			subscribe_end_cursors(g, old);
			nodes_store(g, old);
		}
		peer_free(all[i]);
	}
	free(all);
}

static void
take_run(struct group *g, struct job *j)
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
			job_fail(j, 400, "the entries cannot be read");
			return;
		}
		if (!o.removed && json_is_true(json_object_get(t->offer, "strict")) &&
		    check_entry(g, t, &o) == -1)
			return;
	}
	p = nodes_edit(g, id, name);
	if (p->n + json_array_size(entries) > 2 * ENTRIES_MAX) {
		job_fail(j, 409, "there are too many entries between the two nodes");
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
		o.newer = peer_set_entry(p, o.database, o.table, o.publish, o.subscribe,
		    o.start_ms, o.removed, o.stamp) != NULL;
		changed |= o.newer;
		if (!o.removed) {
			take_database(g, &o);
			take_tables(g, p, &o);
		}
	}
	subscribe_end_cursors(g, p);
	if (t->answered) {
		json_t *mine = peer_entries_json(p);

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

struct incarnation {
	struct job	job;	/* first */
	uint64_t	seen;
	char		*who;	/* NULL: our stream */
};

/* By name, at a peer that we only publish to: its copies of our own writes. */
static void
recover_from(struct group *g, const struct peer *p, struct table *t)
{
	struct cursors *f = replication_of(g)->cursors;
	uint32_t id = UINT32_C(0x80000000) | t->id;
	struct cursor *cur = cursors_find(f, p->id, id);

	if (cur == NULL)
		cur = cursors_add(g, p->id, id, t->database, t->name);
	cur->state = CURSOR_RECOVER;
	cursor_copy_anew(g, cur, 1);
}

static void
incarnation_run(struct group *g, struct job *j)
{
	struct incarnation *inc = (struct incarnation *)j;
	struct replication *rep = replication_of(g);
	uint64_t now = group_wall_ms(g);
	struct cursor *cur;
	struct peer **peers;
	struct table **tables;
	size_t n, m;

	if (rep->data->log.incarnation > inc->seen)
		return;		/* begun meanwhile */
	rep->data->log.incarnation = now > inc->seen ? now : inc->seen + 1;
	rep->data->log.acked = 0;
	log_warnx("what %s%s has of the log is not in it (a restored copy?): "
	    "incarnation %llu begins, own lost writes are fetched",
	    inc->who != NULL ? "node " : "the stream", inc->who != NULL ? inc->who : "",
	    (unsigned long long)rep->data->log.incarnation);
	for (cur = cursors_first(rep->cursors); cur != NULL; cur = cursors_next(cur))
		if (cur->state != CURSOR_RECOVER)
			cursor_copy_anew(g, cur, 1);
	peers = nodes_all(rep->nodes, &n);
	tables = catalog_tables(rep->data->catalog, NULL, &m);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < m; k++) {
			const struct entry *e = peer_effective(peers[i], tables[k]->database,
			    strlen(tables[k]->database), tables[k]->name, strlen(tables[k]->name));

			if (e != NULL && e->publish && !e->subscribe)
				recover_from(g, peers[i], tables[k]);
		}
		peer_free(peers[i]);
	}
	for (size_t k = 0; k < m; k++)
		table_unref(tables[k]);
	free(tables);
	free(peers);
	cluster_kick(rep->cluster);
}

static void
incarnation_done(struct job *j)
{
	free(((struct incarnation *)j)->who);
	free(j->error);
	free(j);
}

struct job *
incarnation_job(uint64_t seen, const char *who)
{
	struct incarnation *inc = xcalloc(1, sizeof(*inc));

	inc->job.run = incarnation_run;
	inc->job.done = incarnation_done;
	inc->seen = seen;
	inc->who = xstrdup(who);
	return (&inc->job);
}
