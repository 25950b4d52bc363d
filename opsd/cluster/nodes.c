#include "config.h"

#include "opsd/cluster/nodes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/discovery.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/roster.h"

struct nodes {
	struct replication *rep;
	struct scope scope;
	pthread_mutex_t lock;
	struct peer **list;
	size_t n;
	_Atomic uint64_t changes;
	_Atomic int any;
};

static struct peer *
find_id(struct nodes *n, const uint8_t *id)
{
	for (size_t i = 0; i < n->n; i++)
		if (memcmp(n->list[i]->id, id, NODE_ID_LEN) == 0)
			return (n->list[i]);
	return (NULL);
}

static void
append_peer(struct nodes *n, struct peer *p)
{
	n->list = xrealloc(n->list, (n->n + 1) * sizeof(*n->list));
	n->list[n->n++] = p;
	p->scope = &n->scope;
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

int
nodes_share(struct nodes *n, const struct table *t)
{
	int found = 0;

	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n && !found; i++) {
		const struct subscription *e = peer_effective_for(n->list[i], t);

		found = subscription_gives(e) || subscription_brings(e);
	}
	pthread_mutex_unlock(&n->lock);
	return (found);
}

int
nodes_get_it_but(struct nodes *n, const char *database, const char *table,
    int (*left_out)(void *arg, const uint8_t *id), void *arg)
{
	const struct subscription *e;
	int found = 0;

	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n && !found; i++) {
		e = peer_effective(n->list[i], database, table);
		found = subscription_gives(e) &&
		    (left_out == NULL || !left_out(arg, n->list[i]->id));
	}
	pthread_mutex_unlock(&n->lock);
	return (found);
}

int
nodes_get_it(struct nodes *n, const char *database, const char *table)
{
	return (nodes_get_it_but(n, database, table, NULL, NULL));
}

size_t
nodes_count(struct nodes *n, size_t *all)
{
	size_t count = 0;

	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n; i++)
		count += (size_t)peer_active(n->list[i]);
	*all = n->n;
	pthread_mutex_unlock(&n->lock);
	return (count);
}

static json_t *
own_databases(struct replication *rep)
{
	struct conf *conf = data_conf(rep->data);
	json_t *databases = json_deep_copy(conf_list(conf, REP_DATABASES));

	conf_free(conf);
	return (databases);
}

struct nodes *
nodes_load(struct replication *rep, char **err)
{
	struct nodes *n = xcalloc(1, sizeof(*n));
	struct store_iter *it = store_iter_new(rep->data->store, NULL, CF_META, "N", 1, "O", 1);
	char *why = NULL;
	int rc = 0;

	n->rep = rep;
	n->scope = (struct scope){ own_databases(rep), rep->data->catalog };
	pthread_mutex_init(&n->lock, NULL);
	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);
		json_t *o = json_loadb((const char *)v, vlen, 0, NULL);
		struct peer *p = klen == 1 + NODE_ID_LEN ? peer_from_json(k + 1, o, &why) : NULL;

		json_decref(o);
		if (p == NULL)
			rc = -1;
		else
			append_peer(n, p);
	}
	if (store_iter_failed(it))
		rc = -1;
	store_iter_free(it);
	look_for_any(n);
	if (rc == -1) {
		*err = xasprintf("store: the manifest of nodes cannot be read%s%s",
		    why != NULL ? ": " : "", why != NULL ? why : "");
		free(why);
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
	json_decref(n->scope.databases);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

struct peer *
nodes_get(struct nodes *n, const char *name)
{
	struct peer *found = NULL;

	/* A name may have moved to another id: the one with live subscriptions counts. */
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n; i++)
		if (strcmp(n->list[i]->name, name) == 0 &&
		    (found == NULL || peer_active(n->list[i])))
			found = n->list[i];
	found = peer_ref(found);
	pthread_mutex_unlock(&n->lock);
	return (found);
}

struct peer *
nodes_by_id(struct nodes *n, const uint8_t *id)
{
	struct peer *p;

	pthread_mutex_lock(&n->lock);
	p = peer_ref(find_id(n, id));
	pthread_mutex_unlock(&n->lock);
	return (p);
}

int
nodes_active(struct nodes *n, const uint8_t *id)
{
	struct peer *p;
	int yes;

	pthread_mutex_lock(&n->lock);
	p = find_id(n, id);
	yes = p != NULL && peer_active(p);
	pthread_mutex_unlock(&n->lock);
	return (yes);
}

int
nodes_any_active(struct nodes *n)
{
	struct peer **all;
	size_t count;
	int any = 0;

	all = nodes_all(n, &count);
	for (size_t i = 0; i < count; i++) {
		any |= peer_active(all[i]);
		peer_free(all[i]);
	}
	free(all);
	return (any);
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
		list[i] = peer_ref(n->list[i]);
	*count = n->n;
	pthread_mutex_unlock(&n->lock);
	return (list);
}

struct peer *
nodes_edit(struct group *g, const uint8_t *id, const char *name)
{
	struct nodes *n = replication_of(g)->nodes;
	struct peer *p;

	pthread_mutex_lock(&n->lock);
	p = peer_copy(find_id(n, id));
	pthread_mutex_unlock(&n->lock);
	if (p == NULL) {
		p = peer_new(id, name);
		p->scope = &n->scope;
		return (p);
	}
	if (name != NULL && strcmp(p->name, name) != 0) {
		free(p->name);
		p->name = xstrdup(name);
	}
	return (p);
}

static json_t *
row_subscriptions(const struct peer *p)
{
	json_t *subs = json_array();

	for (size_t i = 0; i < p->subs.n; i++)
		if (!p->subs.list[i].removed && !subscription_is_proposal(&p->subs.list[i]))
			json_array_append_new(subs, subscription_shown(&p->subs.list[i]));
	return (subs);
}

/* Whether all flows both ways, whatever is said beyond that of a database or a table. */
static int
replicates_all(const struct peer *p)
{
	const struct subscription *all = subscriptions_find(&p->subs, SUBSCRIPTION_ALL,
	    SUBSCRIPTION_ALL);

	return (subscription_gives(all) && subscription_brings(all));
}

/* Those for a database or a table; null: there are none. */
static json_t *
narrow_subscriptions(const json_t *subs)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach(subs, i, one)
		if (strcmp(json_string_value(json_object_get(one, "database")), SUBSCRIPTION_ALL) !=
		    0)
			json_array_append(list, one);
	if (json_array_size(list) > 0)
		return (list);
	json_decref(list);
	return (json_null());
}

/* What is shown of one that is known over links. */
static void
add_link_row(struct group *g, const struct peer *p, json_t *row)
{
	int all = replicates_all(p);
	char *url;

	if (p->hostname == NULL)
		return;
	url = members_url(replication_of(g), p->id, p->hostname);
	json_object_set_new(row, "hostname", json_string(p->hostname));
	json_object_set_new(row, "url", url != NULL ? json_string(url) : json_null());
	json_object_set_new(row, "replicates", json_boolean(all));
	json_object_set_new(row, "shard", members_shard(replication_of(g), p->id));
	if (all)
		json_object_set_new(row, "subscriptions",
		    narrow_subscriptions(json_object_get(row, "subscriptions")));
	free(url);
}

static void
put_row(struct group *g, const struct peer *p)
{
	json_t *row = json_pack("{s:s, s:s, s:o, s:O?}", "name", p->name, "node_id", p->hex,
	    "subscriptions", row_subscriptions(p), "system_info", p->system_info);

	add_link_row(g, p, row);
	group_system_put(g, SYS_NODES, row);
	json_decref(row);
}

/* One that is to be linked, and never was. */
static void
put_member_row(struct group *g, const uint8_t *id)
{
	struct replication *rep = replication_of(g);
	struct roster_member m = { 0 };
	char hex[NODE_HEX_LEN];
	json_t *row;

	if (discovery_links(rep, id) && roster_member(rep->roster, id, &m)) {
		node_id_hex(id, hex);
		row = json_pack("{s:s, s:s, s:n, s:s, s:s?, s:b, s:o}", "name", m.hostname,
		    "node_id", hex, "subscriptions", "hostname", m.hostname, "url", m.url,
		    "replicates", 0, "shard", members_shard(rep, id));
		group_system_put(g, SYS_NODES, row);
		json_decref(row);
	}
	roster_member_clear(&m);
}

void
nodes_show(struct group *g, const uint8_t *id)
{
	struct peer *p = nodes_by_id(replication_of(g)->nodes, id);

	if (p != NULL && peer_active(p))
		put_row(g, p);
	else
		put_member_row(g, id);
	peer_free(p);
}

void
nodes_hide(struct group *g, const char *hostname)
{
	struct peer *p = nodes_get(replication_of(g)->nodes, hostname);

	if (p == NULL || !peer_active(p))
		group_system_delete(g, SYS_NODES, hostname);
	peer_free(p);
}

void
nodes_store(struct group *g, struct peer *p)
{
	struct nodes *n = replication_of(g)->nodes;
	json_t *o = peer_json(p);
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
	if (peer_active(p)) {
		/* As which it may have been shown until now. */
		if (p->hostname != NULL && strcmp(p->hostname, p->name) != 0)
			nodes_hide(g, p->hostname);
		put_row(g, p);
	} else
		group_system_delete(g, SYS_NODES, p->name);
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n && !known; i++)
		if (memcmp(n->list[i]->id, p->id, NODE_ID_LEN) == 0) {
			peer_free(n->list[i]);
			n->list[i] = p;
			known = 1;
		}
	if (!known)
		append_peer(n, p);
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
	uint64_t us;

	return (n->changes + catalog_replicate_changes(n->scope.catalog, &us));
}

const struct scope *
nodes_scope(const struct nodes *n)
{
	return (&n->scope);
}

struct rename {
	struct commit_job job; /* first */
	uint8_t id[NODE_ID_LEN];
	char *name;
};

static void
rename_run(struct group *g, struct commit_job *j)
{
	static struct log_brake brake = { .most = 10 };
	struct rename *r = (struct rename *)j;
	struct replication *rep = replication_of(g);
	char *was = nodes_name(rep->nodes, r->id);

	if (was != NULL && strcmp(was, r->name) != 0) {
		log_braked(&brake, LOG_INFO, "node %s is called %s now", was, r->name);
		nodes_store(g, nodes_edit(g, r->id, r->name));
		cluster_kick(rep->cluster);
	}
	free(was);
}

static void
rename_done(struct commit_job *j)
{
	struct rename *r = (struct rename *)j;

	free(j->error);
	free(r->name);
	free(r);
}

struct commit_job *
nodes_rename_job(const uint8_t *id, const char *name)
{
	struct rename *r = xcalloc(1, sizeof(*r));

	r->job.run = rename_run;
	r->job.done = rename_done;
	memcpy(r->id, id, NODE_ID_LEN);
	r->name = xstrdup(name);
	return (&r->job);
}
