#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/roster_priv.h"

/* What is seen of a roster. */

#define HASH_TEXT 17 /* 64 bits in hex, and NUL */
#define FAULT_MS  UINT64_C(180000)

uint64_t
roster_digest(struct roster *r)
{
	uint64_t digest;

	pthread_mutex_lock(&r->lock);
	digest = r->digest;
	pthread_mutex_unlock(&r->lock);
	return (digest);
}

uint64_t
roster_changes(struct roster *r, int kind)
{
	uint64_t n;

	pthread_mutex_lock(&r->lock);
	n = kind == -1 ? r->seq : r->changes[kind];
	pthread_mutex_unlock(&r->lock);
	return (n);
}

size_t
roster_count(struct roster *r)
{
	size_t n;

	pthread_mutex_lock(&r->lock);
	n = HASH_COUNT(r->entries);
	pthread_mutex_unlock(&r->lock);
	return (n);
}

/* ---- entries as they travel ---- */

json_t *
roster_entry_write(const struct roster_entry *e)
{
	return (json_pack("{s:s, s:s, s:o*, s:o*}", "kind", statement_kind_name(e->kind), "key",
	    e->key, "said", e->said != NULL ? statement_write(e->said) : NULL, "introduction",
	    e->introduction != NULL ? statement_write(e->introduction) : NULL));
}

json_t *
roster_entry(struct roster *r, enum statement_kind kind, const char *key)
{
	struct roster_entry *e;
	json_t *o;

	if (strlen(key) > STATEMENT_KEY_MAX)
		return (NULL);
	pthread_mutex_lock(&r->lock);
	e = roster_find(r, kind, key);
	o = e != NULL ? roster_entry_write(e) : NULL;
	pthread_mutex_unlock(&r->lock);
	return (o);
}

struct roster_times
roster_times(struct roster *r, enum statement_kind kind, const char *key)
{
	struct roster_times t = { 0 };
	const struct roster_entry *e;

	pthread_mutex_lock(&r->lock);
	e = roster_find(r, kind, key);
	if (e != NULL)
		t = (struct roster_times){ e->taken_ms, e->seen_ms };
	pthread_mutex_unlock(&r->lock);
	return (t);
}

static int
by_seq(const void *a, const void *b)
{
	const struct roster_entry *const *x = a, *const *y = b;

	return ((*x)->seq < (*y)->seq ? -1 : (*x)->seq > (*y)->seq);
}

/* In the order of their changes; *n of them; caller frees. */
static struct roster_entry **
changed_since(struct roster *r, uint64_t after, size_t *n)
{
	struct roster_entry **list = xcalloc(HASH_COUNT(r->entries) + 1, sizeof(*list)), *e;

	*n = 0;
	for (e = r->entries; e != NULL; e = e->hh.next)
		if (e->seq > after && e->said != NULL)
			list[(*n)++] = e;
	qsort(list, *n, sizeof(*list), by_seq);
	return (list);
}

json_t *
roster_since(struct roster *r, uint64_t after, const uint8_t *not_from, size_t max, uint64_t *upto)
{
	struct roster_entry **all;
	json_t *list = json_array();
	size_t n, i;

	pthread_mutex_lock(&r->lock);
	all = changed_since(r, after, &n);
	for (i = 0; i < n && json_array_size(list) < max; i++)
		if (memcmp(all[i]->from, not_from, NODE_ID_LEN) != 0)
			json_array_append_new(list, roster_entry_write(all[i]));
	*upto = i < n ? all[i]->seq - 1 : r->seq;
	pthread_mutex_unlock(&r->lock);
	free(all);
	return (list);
}

static struct statement *
read_side(const json_t *entry, const char *part, char **fault)
{
	const json_t *o = json_object_get(entry, part);

	return (o != NULL && *fault == NULL ? statement_read(o, fault) : NULL);
}

int
roster_offer_read(struct roster_offer *o, const json_t *entry, char **fault)
{
	*fault = NULL;
	o->said = read_side(entry, "said", fault);
	o->introduction = read_side(entry, "introduction", fault);
	if (*fault == NULL && o->said == NULL && o->introduction == NULL)
		*fault = xstrdup("'said' is required");
	else if (*fault == NULL && o->said != NULL && o->said->kind == STATEMENT_INTRODUCTION)
		*fault = xstrdup("'said' must not be an introduction");
	else if (*fault == NULL && o->introduction != NULL &&
	    (o->introduction->kind != STATEMENT_INTRODUCTION ||
		(o->said != NULL &&
		    (o->said->kind != STATEMENT_MEMBER ||
			strcmp(o->said->key, o->introduction->key) != 0))))
		*fault = xstrdup("'introduction' must be one of that node");
	if (*fault == NULL)
		return (0);
	roster_offer_clear(o);
	return (-1);
}

static int
by_slot(struct roster_entry *a, struct roster_entry *b)
{
	return (strcmp(a->slot, b->slot));
}

json_t *
roster_list(struct roster *r)
{
	json_t *list = json_array();
	struct roster_entry *e;
	char hash[HASH_TEXT];

	pthread_mutex_lock(&r->lock);
	HASH_SORT(r->entries, by_slot);
	for (e = r->entries; e != NULL; e = e->hh.next) {
		if (e->said == NULL)
			continue;
		snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)e->hash);
		json_array_append_new(list,
		    json_pack("[s,s,s]", statement_kind_name(e->kind), e->key, hash));
	}
	pthread_mutex_unlock(&r->lock);
	return (list);
}

json_t *
roster_all(struct roster *r, enum statement_kind kind)
{
	json_t *all = json_object();
	struct roster_entry *e;

	pthread_mutex_lock(&r->lock);
	for (e = r->entries; e != NULL; e = e->hh.next)
		if (e->kind == kind && e->said != NULL && !e->said->removed)
			json_object_set_new(all, e->key, json_deep_copy(e->said->body));
	pthread_mutex_unlock(&r->lock);
	return (all);
}

/* ---- members ---- */

void
roster_member_clear(struct roster_member *m)
{
	free(m->hostname);
	free(m->node_name);
	free(m->url);
	free(m->spki);
	free(m->removed_by);
	memset(m, 0, sizeof(*m));
}

char *
roster_shown_id(struct roster *r, const uint8_t *id)
{
	const struct roster_entry *e = roster_find_id(r, id);
	char hex[2 * NODE_ID_LEN + 1];

	node_id_hex(id, hex);
	return (xstrdup(e != NULL && e->said != NULL ? statement_field(e->said, "hostname") : hex));
}

char *
roster_shown_remover(struct roster *r, const struct roster_entry *e)
{
	const struct roster_entry *by = roster_find_id(r, e->said->by);
	const char *name = statement_field(e->said, "remover");

	return ((by == NULL || by->said == NULL) && name != NULL ? xstrdup(name) :
								   roster_shown_id(r, e->said->by));
}

static void
member_of(struct roster *r, const struct roster_entry *e, struct roster_member *m)
{
	memset(m, 0, sizeof(*m));
	node_id_read(e->key, m->id);
	m->hostname = xstrdup(statement_field(e->said, "hostname"));
	m->node_name = xstrdup(statement_field(e->said, "node_name"));
	m->url = xstrdup(statement_field(e->said, "url"));
	m->spki = xstrdup(statement_field(e->said, "spki"));
	m->full = json_is_true(json_object_get(e->said->body, "full"));
	m->introduced_ms = e->introduction != NULL ? e->introduction->time >> 16 : 0;
	m->distrusted = m->spki != NULL && roster_is_distrusted(r, e, m->spki);
	m->removed = roster_is_locked(e);
	if (m->removed) {
		m->removed_by = roster_shown_remover(r, e);
		m->removed_ms = e->taken_ms;
	}
}

int
roster_member(struct roster *r, const uint8_t *id, struct roster_member *m)
{
	const struct roster_entry *e;
	int yes;

	pthread_mutex_lock(&r->lock);
	e = roster_find_id(r, id);
	yes = e != NULL && e->said != NULL;
	if (yes)
		member_of(r, e, m);
	pthread_mutex_unlock(&r->lock);
	return (yes);
}

int
roster_has_other_key(struct roster *r, const uint8_t *id, const char *spki, uint64_t before_ms)
{
	const struct roster_entry *e;
	const char *known = NULL;
	int other;

	pthread_mutex_lock(&r->lock);
	e = roster_find_id(r, id);
	if (e != NULL)
		known = statement_field(e->said != NULL ? e->said : e->introduction, "spki");
	other = known != NULL && strcmp(known, spki) != 0 && e->taken_ms < before_ms;
	pthread_mutex_unlock(&r->lock);
	return (other);
}

int
roster_by_hostname(struct roster *r, const char *hostname, struct roster_member *m)
{
	char *host = roster_host_key(hostname);
	const struct roster_entry *e;
	const char *key;

	pthread_mutex_lock(&r->lock);
	key = json_string_value(json_object_get(r->hosts, host));
	e = key != NULL ? roster_find(r, STATEMENT_MEMBER, key) : NULL;
	if (e != NULL)
		member_of(r, e, m);
	pthread_mutex_unlock(&r->lock);
	free(host);
	return (e != NULL);
}

/* With the lock held: the removal that keeps out the node, or the key; or NULL. */
static const struct roster_entry *
locking_entry(struct roster *r, const uint8_t *id, const char *spki)
{
	const struct roster_entry *own = roster_find_id(r, id), *e;
	const char *key;

	if (roster_is_locked(own))
		return (own);
	key = spki != NULL ? json_string_value(json_object_get(r->removed, spki)) : NULL;
	e = key != NULL ? roster_find(r, STATEMENT_MEMBER, key) : NULL;
	if (!roster_is_locked(e) ||
	    (own != NULL && own->introduction != NULL && own->introduction->time > e->said->time))
		return (NULL);
	return (e);
}

char *
roster_locked(struct roster *r, const uint8_t *id, const char *spki, const char *name)
{
	const struct roster_entry *e;
	char *by, *why = NULL;

	pthread_mutex_lock(&r->lock);
	e = locking_entry(r, id, spki);
	if (e != NULL) {
		by = roster_shown_remover(r, e);
		why = xasprintf("'%s' was removed from the cluster by '%s': add_node with "
				"credentials or a join token brings it back",
		    name, by);
		free(by);
	}
	pthread_mutex_unlock(&r->lock);
	return (why);
}

static int
by_key(const void *a, const void *b)
{
	return (strcmp(*(const char *const *)a, *(const char *const *)b));
}

json_t *
roster_removed_ids(struct roster *r)
{
	json_t *list = json_array();
	const struct roster_entry *e;
	const char **keys;
	size_t n = 0;

	pthread_mutex_lock(&r->lock);
	keys = xcalloc(HASH_COUNT(r->entries) + 1, sizeof(*keys));
	for (e = r->entries; e != NULL; e = e->hh.next)
		if (e->kind == STATEMENT_MEMBER && roster_is_locked(e) &&
		    e != roster_find_id(r, r->own_id))
			keys[n++] = e->key;
	qsort(keys, n, sizeof(*keys), by_key);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(keys[i]));
	pthread_mutex_unlock(&r->lock);
	free(keys);
	return (list);
}

uint64_t
roster_locked_ms(struct roster *r, const uint8_t *id, const char *spki)
{
	const struct roster_entry *e;
	uint64_t ms;

	pthread_mutex_lock(&r->lock);
	e = locking_entry(r, id, spki);
	ms = e != NULL ? e->taken_ms : 0;
	pthread_mutex_unlock(&r->lock);
	return (ms);
}

int
roster_revokes(struct roster *r, const char *serial)
{
	const struct roster_entry *e;
	int yes;

	pthread_mutex_lock(&r->lock);
	e = roster_find(r, STATEMENT_REVOKED, serial);
	yes = e != NULL && e->said != NULL;
	pthread_mutex_unlock(&r->lock);
	return (yes);
}

json_t *
roster_removed(struct roster *r)
{
	json_t *all = json_object();
	const struct roster_entry *e;
	char *host;

	pthread_mutex_lock(&r->lock);
	for (e = r->entries; e != NULL; e = e->hh.next) {
		if (e->kind != STATEMENT_MEMBER || !roster_is_locked(e))
			continue;
		host = roster_host_key(statement_field(e->said, "hostname"));
		if (json_object_get(r->hosts, host) == NULL) {
			char *by = roster_shown_remover(r, e);

			json_object_set_new(all, host, json_string(by));
			free(by);
		}
		free(host);
	}
	pthread_mutex_unlock(&r->lock);
	return (all);
}

int
roster_fault_is_over(const json_t *fault, uint64_t now_ms)
{
	return ((uint64_t)json_integer_value(json_object_get(fault, "time")) + FAULT_MS < now_ms);
}

json_t *
roster_faults(struct roster *r, uint64_t now_ms)
{
	json_t *list = json_array(), *one;
	const char *key;

	pthread_mutex_lock(&r->lock);
	json_object_foreach(r->faults, key, one)
		if (!roster_fault_is_over(one, now_ms))
			json_array_append_new(list,
			    json_pack("{s:s, s:O, s:O}", "node_id", key, "error",
				json_object_get(one, "why"), "time", json_object_get(one, "time")));
	pthread_mutex_unlock(&r->lock);
	return (list);
}

/* With the lock held: a member but us. */
static int
is_other_member(struct roster *r, const struct roster_entry *e)
{
	return (e->kind == STATEMENT_MEMBER && roster_is_live(e) &&
	    e != roster_find_id(r, r->own_id));
}

int
roster_is_alone(struct roster *r)
{
	const struct roster_entry *e;
	int others = 0;

	pthread_mutex_lock(&r->lock);
	for (e = r->entries; e != NULL; e = e->hh.next)
		others |= is_other_member(r, e);
	pthread_mutex_unlock(&r->lock);
	return (!others);
}

void
roster_each(struct roster *r, int (*fn)(const struct roster_member *m, void *arg), void *arg)
{
	const struct roster_entry *e;
	struct roster_member m;
	int over = 0;

	pthread_mutex_lock(&r->lock);
	for (e = r->entries; e != NULL && !over; e = e->hh.next) {
		if (!is_other_member(r, e))
			continue;
		member_of(r, e, &m);
		over = fn(&m, arg);
		roster_member_clear(&m);
	}
	pthread_mutex_unlock(&r->lock);
}

size_t
roster_by_node_name(struct roster *r, const char *name, struct roster_member *m)
{
	const struct roster_entry *e;
	const char *called;
	size_t n = 0;

	memset(m, 0, sizeof(*m));
	pthread_mutex_lock(&r->lock);
	for (e = r->entries; e != NULL; e = e->hh.next) {
		called = is_other_member(r, e) ? statement_field(e->said, "node_name") : NULL;
		if (called != NULL && strcmp(called, name) == 0 && n++ == 0)
			member_of(r, e, m);
	}
	pthread_mutex_unlock(&r->lock);
	return (n);
}
