#include "config.h"

#include "nodes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cluster.h"
#include "log.h"
#include "mem.h"
#include "ops.h"
#include "settings.h"

struct nodes {
	struct ops	*ops;
	pthread_mutex_t	 lock;
	struct peer	**list;
	size_t		 n;
	_Atomic uint64_t changes;
	_Atomic int	any;
};

static struct peer *
peer_new(const uint8_t *id, const char *name)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	memcpy(p->id, id, NODE_ID_LEN);
	node_id_hex(id, p->hex);
	p->name = xstrdup(name);
	p->added_ms = wall_ms();
	return (p);
}

void
peer_free(struct peer *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++) {
		free(p->entries[i].database);
		free(p->entries[i].table);
	}
	free(p->entries);
	free(p->name);
	json_decref(p->system_info);
	free(p);
}

static struct peer *
peer_copy(const struct peer *p)
{
	struct peer *c;

	if (p == NULL)
		return (NULL);
	c = xmalloc(sizeof(*c));
	*c = *p;
	c->name = xstrdup(p->name);
	c->system_info = json_deep_copy(p->system_info);
	c->entries = xmemdup(p->entries, p->n * sizeof(*p->entries));
	for (size_t i = 0; i < p->n; i++) {
		c->entries[i].database = xstrdup(p->entries[i].database);
		c->entries[i].table = xstrdup(p->entries[i].table);
	}
	return (c);
}

int
peer_active(const struct peer *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->entries[i].removed)
			return (1);
	return (0);
}

const struct entry *
peer_entry(const struct peer *p, const char *database, const char *table)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->entries[i].database, database) == 0 &&
		    strcmp(p->entries[i].table, table) == 0)
			return (&p->entries[i]);
	return (NULL);
}

static int
same(const char *s, const char *p, size_t n)
{
	return (strlen(s) == n && memcmp(s, p, n) == 0);
}

const struct entry *
peer_effective(const struct peer *p, const char *db, size_t dblen, const char *table, size_t tlen)
{
	const struct entry *all = NULL;

	for (size_t i = 0; i < p->n; i++) {
		const struct entry *e = &p->entries[i];

		if (e->removed || !same(e->database, db, dblen))
			continue;
		if (same(e->table, table, tlen))
			return (e);
		if (strcmp(e->table, "*") == 0)
			all = e;
	}
	return (all);
}

static uint64_t
mix(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n-- > 0)
		h = (h ^ *b++) * UINT64_C(1099511628211);
	return (h);
}

uint64_t
peer_digest(const struct peer *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct entry *e = &p->entries[i];
		uint64_t h = UINT64_C(14695981039346656037);

		h = mix(h, e->database, strlen(e->database) + 1);
		h = mix(h, e->table, strlen(e->table) + 1);
		h = mix(h, &e->stamp, sizeof(e->stamp));
		sum += h;
	}
	return (sum);
}

json_t *
peer_entries_json(const struct peer *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->n; i++) {
		const struct entry *e = &p->entries[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:b, s:b, s:[I,I], s:I}",
		    "database", e->database, "table", e->table, "publish", e->publish,
		    "subscribe", e->subscribe, "removed", e->removed, "stamp",
		    (json_int_t)e->stamp.time, (json_int_t)e->stamp.node, "start_ms",
		    (json_int_t)e->start_ms));
	}
	return (list);
}

struct entry *
peer_set_entry(struct peer *p, const char *database, const char *table, int publish,
    int subscribe, uint64_t start_ms, int removed, struct stamp stamp)
{
	struct entry *e = (struct entry *)peer_entry(p, database, table);

	if (e != NULL && stamp_cmp(stamp, e->stamp) <= 0)
		return (NULL);
	if (e == NULL) {
		p->entries = xrealloc(p->entries, (p->n + 1) * sizeof(*p->entries));
		e = &p->entries[p->n++];
		e->database = xstrdup(database);
		e->table = xstrdup(table);
	}
	e->publish = publish;
	e->subscribe = subscribe;
	e->start_ms = start_ms;
	e->removed = removed;
	e->stamp = stamp;
	return (e);
}

static struct peer *
peer_from_json(const uint8_t *id, const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "name"));
	json_t *e;
	size_t i;
	struct peer *p;

	if (name == NULL)
		return (NULL);
	p = peer_new(id, name);
	p->added_ms = (uint64_t)json_integer_value(json_object_get(o, "added"));
	p->system_info = json_incref(json_object_get(o, "system_info"));
	json_array_foreach(json_object_get(o, "entries"), i, e) {
		const char *db, *table;
		int publish, subscribe, removed;
		json_int_t time, node, start;

		if (json_unpack(e, "{s:s, s:s, s:b, s:b, s:b, s:[I,I], s:I}", "database", &db,
		    "table", &table, "publish", &publish, "subscribe", &subscribe, "removed",
		    &removed, "stamp", &time, &node, "start_ms", &start) == 0)
			peer_set_entry(p, db, table, publish, subscribe, (uint64_t)start, removed,
			    (struct stamp){ (uint64_t)time, (uint64_t)node });
	}
	return (p);
}

static struct peer *
find_id(struct nodes *n, const uint8_t *id)
{
	for (size_t i = 0; i < n->n; i++)
		if (memcmp(n->list[i]->id, id, NODE_ID_LEN) == 0)
			return (n->list[i]);
	return (NULL);
}

static void
append(struct nodes *n, struct peer *p)
{
	n->list = xrealloc(n->list, (n->n + 1) * sizeof(*n->list));
	n->list[n->n++] = p;
}

static void
look_for_any(struct nodes *n)
{
	int any = 0;

	for (size_t i = 0; i < n->n && !any; i++)
		any = peer_active(n->list[i]);
	n->any = any;
}

int
nodes_any(const struct nodes *n)
{
	return (n->any);
}

struct nodes *
nodes_load(struct ops *ops, char **err)
{
	struct nodes *n = xcalloc(1, sizeof(*n));
	struct store_iter *it = store_iter_new(ops->store, NULL, CF_META, "N", 1, "O", 1);
	int rc = 0;

	n->ops = ops;
	pthread_mutex_init(&n->lock, NULL);
	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);
		json_t *o = json_loadb((const char *)v, vlen, 0, NULL);
		struct peer *p = klen == 1 + NODE_ID_LEN ? peer_from_json(k + 1, o) : NULL;

		json_decref(o);
		if (p == NULL)
			rc = -1;
		else
			append(n, p);
	}
	if (store_iter_failed(it))
		rc = -1;
	store_iter_free(it);
	look_for_any(n);
	if (rc == -1) {
		*err = xasprintf("store: the manifest of nodes cannot be read");
		nodes_free(n);
		return (NULL);
	}
	return (n);
}

void
nodes_free(struct nodes *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->n; i++)
		peer_free(n->list[i]);
	free(n->list);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

struct peer *
nodes_get(struct nodes *n, const char *name)
{
	struct peer *found = NULL;

	/* A name may have moved to another id: the one with live entries counts. */
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n; i++)
		if (strcmp(n->list[i]->name, name) == 0 &&
		    (found == NULL || peer_active(n->list[i])))
			found = n->list[i];
	found = peer_copy(found);
	pthread_mutex_unlock(&n->lock);
	return (found);
}

struct peer *
nodes_by_id(struct nodes *n, const uint8_t *id)
{
	struct peer *p;

	pthread_mutex_lock(&n->lock);
	p = peer_copy(find_id(n, id));
	pthread_mutex_unlock(&n->lock);
	return (p);
}

char *
nodes_name(struct nodes *n, const uint8_t *id)
{
	struct peer *p;
	char *name;

	pthread_mutex_lock(&n->lock);
	p = find_id(n, id);
	name = p != NULL ? xstrdup(p->name) : NULL;
	pthread_mutex_unlock(&n->lock);
	return (name);
}

char *
nodes_shown(struct nodes *n, const uint8_t *id)
{
	char *name = nodes_name(n, id);

	if (name == NULL) {
		name = xmalloc(2 * NODE_ID_LEN + 1);
		node_id_hex(id, name);
	}
	return (name);
}

struct peer **
nodes_all(struct nodes *n, size_t *count)
{
	struct peer **list;

	pthread_mutex_lock(&n->lock);
	list = xcalloc(n->n + 1, sizeof(*list));
	for (size_t i = 0; i < n->n; i++)
		list[i] = peer_copy(n->list[i]);
	*count = n->n;
	pthread_mutex_unlock(&n->lock);
	return (list);
}

struct peer *
nodes_edit(struct group *g, const uint8_t *id, const char *name)
{
	struct nodes *n = group_ops(g)->nodes;
	struct peer *p;

	pthread_mutex_lock(&n->lock);
	p = peer_copy(find_id(n, id));
	pthread_mutex_unlock(&n->lock);
	if (p == NULL)
		return (peer_new(id, name));
	if (name != NULL && strcmp(p->name, name) != 0) {
		free(p->name);
		p->name = xstrdup(name);
	}
	return (p);
}

static void
put_row(struct group *g, const struct peer *p)
{
	json_t *subs = json_array(), *row;

	for (size_t i = 0; i < p->n; i++) {
		const struct entry *e = &p->entries[i];

		if (!e->removed)
			json_array_append_new(subs, json_pack("{s:s, s:s, s:s, s:b, s:b}", "schema",
			    e->database, "database", e->database, "table", e->table, "publish",
			    e->publish, "subscribe", e->subscribe));
	}
	row = json_pack("{s:s, s:s, s:o, s:O?}", "name", p->name, "node_id", p->hex,
	    "subscriptions", subs, "system_info", p->system_info);
	group_system_put(g, SYS_NODES, row);
	json_decref(row);
}

void
nodes_store(struct group *g, struct peer *p)
{
	struct nodes *n = group_ops(g)->nodes;
	json_t *o = json_pack("{s:s, s:I, s:O?, s:o}", "name", p->name, "added",
	    (json_int_t)p->added_ms, "system_info", p->system_info,
	    "entries", peer_entries_json(p));
	char *text = json_dumps(o, JSON_COMPACT), *before;
	struct buf k = { 0 };
	int known = 0;

	buf_u8(&k, 'N');
	buf_add(&k, p->id, NODE_ID_LEN);
	store_batch_put(group_batch(g), CF_META, k.data, k.len, text, strlen(text));
	before = nodes_name(n, p->id);
	if (before != NULL && strcmp(before, p->name) != 0)
		group_system_delete(g, SYS_NODES, before);
	free(before);
	if (peer_active(p))
		put_row(g, p);
	else
		group_system_delete(g, SYS_NODES, p->name);
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n && !known; i++)
		if (memcmp(n->list[i]->id, p->id, NODE_ID_LEN) == 0) {
			peer_free(n->list[i]);
			n->list[i] = p;
			known = 1;
		}
	if (!known)
		append(n, p);
	look_for_any(n);
	pthread_mutex_unlock(&n->lock);
	n->changes++;
	buf_free(&k);
	free(text);
	json_decref(o);
}

uint64_t
nodes_changes(const struct nodes *n)
{
	return (n->changes);
}

struct rename {
	struct job	 job;	/* first */
	uint8_t		 id[NODE_ID_LEN];
	char		*name;
};

static void
rename_run(struct group *g, struct job *j)
{
	struct rename *r = (struct rename *)j;
	struct ops *ops = group_ops(g);
	char *was = nodes_name(ops->nodes, r->id);

	if (was != NULL && strcmp(was, r->name) != 0) {
		log_info("node %s is called %s now", was, r->name);
		nodes_store(g, nodes_edit(g, r->id, r->name));
		cluster_kick(ops->cluster);
	}
	free(was);
}

static void
rename_done(struct job *j)
{
	struct rename *r = (struct rename *)j;

	free(j->error);
	free(r->name);
	free(r);
}

struct job *
nodes_rename_job(const uint8_t *id, const char *name)
{
	struct rename *r = xcalloc(1, sizeof(*r));

	r->job.run = rename_run;
	r->job.done = rename_done;
	memcpy(r->id, id, NODE_ID_LEN);
	r->name = xstrdup(name);
	return (&r->job);
}
