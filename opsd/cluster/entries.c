#include "config.h"

#include "opsd/cluster/entries.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"

#define SLOTS_MIN	8

/* ---- the index ---- */

static uint64_t
mix(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n-- > 0)
		h = (h ^ *b++) * UINT64_C(1099511628211);
	return (h);
}

static uint64_t
hash(const char *db, size_t dblen, const char *table, size_t tlen)
{
	uint64_t h = mix(UINT64_C(14695981039346656037), db, dblen);

	return (mix(mix(h, "", 1), table, tlen));
}

static int
same(const char *s, const char *p, size_t n)
{
	return (strlen(s) == n && memcmp(s, p, n) == 0);
}

/* Where it is, or the free slot where it would be. */
static uint32_t *
slot_of(const struct peer *p, const char *db, size_t dblen, const char *table, size_t tlen)
{
	size_t i = hash(db, dblen, table, tlen) & (p->nslots - 1);
	const struct entry *e;

	for (; p->slots[i] != 0; i = (i + 1) & (p->nslots - 1)) {
		e = &p->entries[p->slots[i] - 1];
		if (same(e->table, table, tlen) && same(e->database, db, dblen))
			break;
	}
	return (&p->slots[i]);
}

static struct entry *
find(const struct peer *p, const char *db, size_t dblen, const char *table, size_t tlen)
{
	uint32_t at = p->nslots == 0 ? 0 : *slot_of(p, db, dblen, table, tlen);

	return (at == 0 ? NULL : &p->entries[at - 1]);
}

/* At most half of the slots are taken. */
static void
reindex(struct peer *p)
{
	p->nslots = p->nslots == 0 ? SLOTS_MIN : p->nslots * 2;
	free(p->slots);
	p->slots = xcalloc(p->nslots, sizeof(*p->slots));
	for (size_t i = 0; i < p->n; i++) {
		const struct entry *e = &p->entries[i];

		*slot_of(p, e->database, strlen(e->database), e->table, strlen(e->table)) =
		    (uint32_t)i + 1;
	}
}

/* A power of two of them, so that adding one at a time costs little. */
static struct entry *
add(struct peer *p, const char *database, const char *table)
{
	struct entry *e;

	if ((p->n & (p->n - 1)) == 0)
		p->entries = xrealloc(p->entries, (p->n == 0 ? 1 : 2 * p->n) * sizeof(*p->entries));
	e = &p->entries[p->n++];
	memset(e, 0, sizeof(*e));
	e->database = xstrdup(database);
	e->table = xstrdup(table);
	e->removed = 1;
	if (2 * p->n > p->nslots)
		reindex(p);
	else
		*slot_of(p, database, strlen(database), table, strlen(table)) = (uint32_t)p->n;
	return (e);
}

/* ---- life ---- */

struct peer *
peer_new(const uint8_t *id, const char *name)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	memcpy(p->id, id, NODE_ID_LEN);
	node_id_hex(id, p->hex);
	p->name = xstrdup(name);
	p->added_ms = wall_ms();
	return (p);
}

struct peer *
peer_ref(struct peer *p)
{
	if (p != NULL)
		p->refs++;
	return (p);
}

void
peer_free(struct peer *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	for (size_t i = 0; i < p->n; i++) {
		free(p->entries[i].database);
		free(p->entries[i].table);
	}
	free(p->entries);
	free(p->slots);
	free(p->name);
	json_decref(p->system_info);
	free(p);
}

struct peer *
peer_copy(const struct peer *p)
{
	struct peer *c;

	if (p == NULL)
		return (NULL);
	c = peer_new(p->id, p->name);
	c->added_ms = p->added_ms;
	c->system_info = json_deep_copy(p->system_info);
	for (size_t i = 0; i < p->n; i++) {
		const struct entry *e = &p->entries[i];

		peer_set_entry(c, e->database, e->table, e->publish, e->subscribe, e->start_ms,
		    e->removed, e->stamp);
	}
	return (c);
}

/* ---- entries ---- */

int
peer_active(const struct peer *p)
{
	return (p->active > 0);
}

const struct entry *
peer_entry(const struct peer *p, const char *database, const char *table)
{
	return (find(p, database, strlen(database), table, strlen(table)));
}

const struct entry *
peer_effective(const struct peer *p, const char *db, size_t dblen, const char *table, size_t tlen)
{
	const struct entry *e = find(p, db, dblen, table, tlen);

	if (e == NULL || e->removed)
		e = find(p, db, dblen, "*", 1);
	return (e == NULL || e->removed ? NULL : e);
}

uint64_t
peer_digest(const struct peer *p)
{
	return (p->digest);
}

static uint64_t
entry_digest(const struct entry *e)
{
	uint64_t h = hash(e->database, strlen(e->database), e->table, strlen(e->table) + 1);

	return (mix(h, &e->stamp, sizeof(e->stamp)));
}

struct entry *
peer_set_entry(struct peer *p, const char *database, const char *table, int publish,
    int subscribe, uint64_t start_ms, int removed, struct stamp stamp)
{
	struct entry *e = find(p, database, strlen(database), table, strlen(table));

	if (e != NULL && stamp_cmp(stamp, e->stamp) <= 0)
		return (NULL);
	if (e != NULL)
		p->digest -= entry_digest(e);
	else
		e = add(p, database, table);
	p->active += (size_t)!removed - (size_t)!e->removed;
	e->publish = publish;
	e->subscribe = subscribe;
	e->start_ms = start_ms;
	e->removed = removed;
	e->stamp = stamp;
	p->digest += entry_digest(e);
	return (e);
}

/* ---- as JSON ---- */

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

json_t *
peer_json(const struct peer *p)
{
	return (json_pack("{s:s, s:I, s:O?, s:o}", "name", p->name, "added",
	    (json_int_t)p->added_ms, "system_info", p->system_info, "entries",
	    peer_entries_json(p)));
}

struct peer *
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
