#include "config.h"

#include "opsd/cluster/members.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "common/conf/repconf.h"
#include "common/tls/serial.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/roster.h"
#include "opsd/store/commit.h"

struct member_kept {
	struct member m;
	UT_hash_handle hh;
};

struct members {
	pthread_mutex_t lock;
	struct member_kept *by_id;
	json_t *expected; /* [{"hostname","url"}] */
	struct replication *rep;
	_Atomic uint64_t changes;
};

/* With the lock held, as the next two. */
static struct member_kept *
kept_find(struct members *l, const uint8_t *id)
{
	struct member_kept *k;

	HASH_FIND(hh, l->by_id, id, NODE_ID_LEN, k);
	return (k);
}

static void
kept_drop(struct members *l, struct member_kept *k)
{
	if (k == NULL)
		return;
	HASH_DEL(l->by_id, k);
	member_clear(&k->m);
	free(k);
}

static void
kept_put(struct members *l, const struct member *m)
{
	struct member_kept *k = xcalloc(1, sizeof(*k));

	kept_drop(l, kept_find(l, m->id));
	member_copy(&k->m, m);
	HASH_ADD(hh, l->by_id, m.id, NODE_ID_LEN, k);
}

static int
load_member(struct members *l, const uint8_t *k, size_t klen, const char *v, size_t vlen,
    char **err)
{
	json_t *o = json_loadb(v, vlen, 0, NULL);
	struct member m = { 0 };

	if (klen != 1 + NODE_ID_LEN)
		*err = xstrdup("a key is of another length");
	else
		member_read(&m, k + 1, o, err);
	if (*err == NULL)
		kept_put(l, &m);
	member_clear(&m);
	json_decref(o);
	return (*err == NULL ? 0 : -1);
}

struct members *
members_load(struct replication *rep, char **err)
{
	struct members *l = xcalloc(1, sizeof(*l));
	struct store_iter *it = store_iter_new(rep->data->store, NULL, CF_META, "M", 1, "N", 1);
	char *why = NULL;
	int rc = 0;

	pthread_mutex_init(&l->lock, NULL);
	l->rep = rep;
	l->expected = json_array();
	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);

		rc = load_member(l, k, klen, (const char *)v, vlen, &why);
	}
	if (rc == 0 && !store_iter_failed(it)) {
		store_iter_free(it);
		return (l);
	}
	*err = xasprintf("store: the members cannot be read%s%s", why != NULL ? ": " : "",
	    why != NULL ? why : "");
	free(why);
	store_iter_free(it);
	members_free(l);
	return (NULL);
}

void
members_free(struct members *l)
{
	struct member_kept *k, *tmp;

	if (l == NULL)
		return;
	HASH_ITER(hh, l->by_id, k, tmp)
		kept_drop(l, k);
	json_decref(l->expected);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

int
members_by_id(struct members *l, const uint8_t *id, struct member *m)
{
	struct member_kept *k;

	pthread_mutex_lock(&l->lock);
	k = kept_find(l, id);
	if (k != NULL)
		member_copy(m, &k->m);
	pthread_mutex_unlock(&l->lock);
	return (k != NULL);
}

int
members_by_hostname(struct members *l, const char *hostname, struct member *m)
{
	struct member_kept *k;

	pthread_mutex_lock(&l->lock);
	for (k = l->by_id; k != NULL; k = k->hh.next)
		if (strcasecmp(k->m.hostname, hostname) == 0) {
			member_copy(m, &k->m);
			break;
		}
	pthread_mutex_unlock(&l->lock);
	return (k != NULL);
}

json_t *
members_serials(struct members *l)
{
	json_t *all = json_object();
	char serial[SERIAL_MAX];
	struct member_kept *k;

	pthread_mutex_lock(&l->lock);
	for (k = l->by_id; k != NULL; k = k->hh.next)
		if (k->m.serial != NULL && k->m.spki != NULL &&
		    serial_read(k->m.serial, serial) == 0)
			json_object_set_new(all, serial, json_string(k->m.spki));
	pthread_mutex_unlock(&l->lock);
	return (all);
}

static void
key_of_member(struct buf *k, const uint8_t *id)
{
	buf_u8(k, 'M');
	buf_add(k, id, NODE_ID_LEN);
}

void
members_store(struct group *g, const struct member *m)
{
	struct members *l = replication_of(g)->members;
	json_t *o = member_write(m);
	char *text = json_dumps(o, JSON_COMPACT);
	struct buf k = { 0 };

	key_of_member(&k, m->id);
	store_batch_put(group_batch(g), CF_META, k.data, k.len, text, strlen(text));
	pthread_mutex_lock(&l->lock);
	kept_put(l, m);
	pthread_mutex_unlock(&l->lock);
	l->changes++;
	buf_free(&k);
	free(text);
	json_decref(o);
}

void
members_forget(struct group *g, const uint8_t *id)
{
	struct members *l = replication_of(g)->members;
	struct buf k = { 0 };

	key_of_member(&k, id);
	store_batch_delete(group_batch(g), CF_META, k.data, k.len);
	pthread_mutex_lock(&l->lock);
	kept_drop(l, kept_find(l, id));
	pthread_mutex_unlock(&l->lock);
	l->changes++;
	buf_free(&k);
}

/* ---- those that calls work on ---- */

struct member_edit {
	struct commit_job job; /* first */
	const uint8_t *id;
	const char *url;
	const json_t *shard;
};

/* A copy of the member, to be cleared; 0: it is gone, and the job has failed. */
static int
edited_member(struct group *g, struct member_edit *e, struct member *m)
{
	if (members_by_id(replication_of(g)->members, e->id, m))
		return (1);
	commit_fail(&e->job, 409, "the node has been removed meanwhile");
	return (0);
}

static void
dial_run(struct group *g, struct commit_job *j)
{
	struct member_edit *e = (struct member_edit *)j;
	struct member m = { 0 };

	if (!edited_member(g, e, &m))
		return;
	free(m.dial);
	m.dial = xstrdup(e->url);
	members_store(g, &m);
	nodes_store(g, nodes_edit(g, e->id, NULL));
	member_clear(&m);
}

static void
shard_run(struct group *g, struct commit_job *j)
{
	struct member_edit *e = (struct member_edit *)j;
	struct member m = { 0 };

	if (!edited_member(g, e, &m))
		return;
	m.has_shard = json_is_integer(e->shard);
	m.shard = (uint32_t)json_integer_value(e->shard);
	members_store(g, &m);
	nodes_show(g, e->id);
	member_clear(&m);
}

static void
drop_run(struct group *g, struct commit_job *j)
{
	members_forget(g, ((struct member_edit *)j)->id);
}

static int
edit_member(struct replication *rep, struct member_edit *e)
{
	int status = commit_wait(rep->data->commit, &e->job);

	free(e->job.error);
	return (status);
}

int
members_keep_dial(struct replication *rep, const uint8_t *id, const char *url)
{
	return (edit_member(rep,
	    &(struct member_edit){ .job.run = dial_run, .id = id, .url = url }));
}

int
members_keep_shard(struct replication *rep, const uint8_t *id, const json_t *shard)
{
	return (edit_member(rep,
	    &(struct member_edit){ .job.run = shard_run, .id = id, .shard = shard }));
}

int
members_drop(struct replication *rep, const uint8_t *id)
{
	return (edit_member(rep, &(struct member_edit){ .job.run = drop_run, .id = id }));
}

void
members_expect(struct members *l, const char *hostname, const char *url)
{
	pthread_mutex_lock(&l->lock);
	json_array_append_new(l->expected,
	    json_pack("{s:s, s:s}", "hostname", hostname, "url", url));
	pthread_mutex_unlock(&l->lock);
	l->changes++;
}

/* With the lock held: its index, or how many there are. */
static size_t
expected_at(const struct members *l, const char *hostname)
{
	const json_t *one;
	size_t i;

	json_array_foreach(l->expected, i, one)
		if (strcasecmp(json_string_value(json_object_get(one, "hostname")), hostname) == 0)
			break;
	return (i);
}

void
members_expect_end(struct members *l, const char *hostname)
{
	pthread_mutex_lock(&l->lock);
	json_array_remove(l->expected, expected_at(l, hostname));
	pthread_mutex_unlock(&l->lock);
	l->changes++;
}

int
members_expected(struct members *l, const char *hostname)
{
	int yes;

	pthread_mutex_lock(&l->lock);
	yes = expected_at(l, hostname) < json_array_size(l->expected);
	pthread_mutex_unlock(&l->lock);
	return (yes);
}

json_t *
members_dials(struct members *l)
{
	json_t *list = json_array(), *one;
	struct member_kept *k;
	size_t i;

	pthread_mutex_lock(&l->lock);
	json_array_foreach(l->expected, i, one)
		json_array_append(list, json_object_get(one, "url"));
	for (k = l->by_id; k != NULL; k = k->hh.next)
		if (k->m.dial != NULL && nodes_active(l->rep->nodes, k->m.id))
			json_array_append_new(list, json_string(k->m.dial));
	pthread_mutex_unlock(&l->lock);
	return (list);
}

uint64_t
members_changes(const struct members *l)
{
	return (l->changes);
}

/* ---- where one is reached ---- */

static char *
said_url(struct replication *rep, const uint8_t *id)
{
	struct roster_member m = { 0 };
	char *url = roster_member(rep->roster, id, &m) ? xstrdup(m.url) : NULL;

	roster_member_clear(&m);
	return (url);
}

static char *
route_url(struct replication *rep, const char *hostname)
{
	struct conf *c = data_conf(rep->data);
	struct repconf_route r;
	char *url = repconf_route_to(c, hostname, &r) ? repconf_url(&r) : NULL;

	conf_free(c);
	return (url);
}

/* The path that all have is not shown. */
static char *
without_path(const char *url)
{
	size_t n = url != NULL ? strlen(url) : 0, path = strlen(REPADDRESS_PATH);

	if (n > path && strcmp(url + n - path, REPADDRESS_PATH) == 0)
		return (xstrndup(url, n - path));
	return (xstrdup(url));
}

json_t *
members_shard(struct replication *rep, const uint8_t *id)
{
	struct member m = { 0 };
	json_t *shard = members_by_id(rep->members, id, &m) && m.has_shard ? json_integer(m.shard) :
									     json_null();

	member_clear(&m);
	return (shard);
}

char *
members_url(struct replication *rep, const uint8_t *id, const char *hostname)
{
	struct member m = { 0 };
	char *url;

	members_by_id(rep->members, id, &m);
	url = without_path(m.url != NULL ? m.url : m.dial);
	if (url == NULL)
		url = route_url(rep, hostname);
	if (url == NULL)
		url = said_url(rep, id);
	member_clear(&m);
	return (url);
}
