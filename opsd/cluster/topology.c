#include "config.h"

#include "opsd/cluster/topology.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/fnv.h"
#include "common/base/mem.h"

/*
 * Sets of nodes are words of 64 bits, so what a node sends is one step for 64 others.  Tables
 * with the same edges have the same gaps: those are looked for once.
 */

#define PLACES_MAX 2048 /* more that others than our peers have told of are in UNKNOWN */
#define UNKNOWN    0    /* the place of all that is not known */

struct place {                 /* a node */
	const char *id, *name; /* borrowed */
	int at, relays;
	UT_hash_handle hh;
};

/* What one node says that it has with another one for a table. */
struct flow {
	int from, to;
	int publish, subscribe;
};

struct subject {   /* a table that somebody names, or "*" */
	char *key; /* "db/table" */
	size_t database_len;
	struct flow *flows;
	size_t n;
	UT_hash_handle hh;
};

/* Gaps that tables with the same edges have. */
struct alike {
	uint64_t hash;
	json_t **tables; /* of each gap, borrowed */
	size_t n;
	UT_hash_handle hh;
};

struct graph {
	struct place *by_id, **places;
	int n, reports; /* those before `reports` have reported, but for UNKNOWN */
	size_t words;   /* of a set of nodes */
	struct subject *subjects;
	uint64_t *to;           /* a set for each node: what it sends for the table arrives there */
	uint64_t *takes, *part; /* who gets the table from somebody; or sends it */
	uint64_t *arrives, *would;
	int *queue;
	struct alike *alike;
	json_t *gaps;
	size_t most;
};

static int
set_has(const uint64_t *set, int at)
{
	return (set[at / 64] >> at % 64 & 1);
}

static void
set_add(uint64_t *set, int at)
{
	set[at / 64] |= UINT64_C(1) << at % 64;
}

static void
set_remove(uint64_t *set, int at)
{
	set[at / 64] &= ~(UINT64_C(1) << at % 64);
}

/* ---- from reports to flows ---- */

static int
place_of(struct graph *g, const char *id, const char *name)
{
	struct place *p;

	HASH_FIND_STR(g->by_id, id, p);
	if (p == NULL && g->n >= PLACES_MAX)
		return (UNKNOWN);
	if (p == NULL) {
		p = xmalloc(sizeof(*p));
		*p = (struct place){ .id = id, .name = name, .at = g->n, .relays = 1 };
		HASH_ADD_KEYPTR(hh, g->by_id, id, strlen(id), p);
		g->places = xrealloc(g->places, ((size_t)g->n + 1) * sizeof(struct place *));
		g->places[g->n++] = p;
	}
	return (p->at);
}

static struct subject *
subject_get(struct graph *g, const char *db, const char *table)
{
	char *key = xasprintf("%s/%s", db, table);
	struct subject *s;

	HASH_FIND_STR(g->subjects, key, s);
	if (s != NULL) {
		free(key);
		return (s);
	}
	s = xcalloc(1, sizeof(*s));
	s->key = key;
	s->database_len = strlen(db);
	HASH_ADD_KEYPTR(hh, g->subjects, s->key, strlen(s->key), s);
	return (s);
}

static void
add_flow(struct graph *g, int from, int to, const struct subscription *sub)
{
	struct subject *s = subject_get(g, sub->database, sub->table);

	if ((s->n & (s->n - 1)) == 0)
		s->flows = xrealloc(s->flows, (s->n > 0 ? 2 * s->n : 1) * sizeof(*s->flows));
	s->flows[s->n++] = (struct flow){ from, to, subscription_gives(sub),
		subscription_brings(sub) };
}

static void
add_report(struct graph *g, const struct topology_report *r)
{
	int at = place_of(g, r->id, r->name), to;

	for (size_t i = 0; at != UNKNOWN && i < r->n; i++) {
		to = place_of(g, r->links[i].id, r->links[i].name);
		for (size_t k = 0; to != at && k < r->links[i].n; k++)
			add_flow(g, at, to, &r->links[i].subs[k]);
	}
}

static void
add_reports(struct graph *g, struct topology_report *const *reports, size_t n)
{
	int at;

	place_of(g, "", "");
	for (size_t i = 0; i < n; i++) {
		at = place_of(g, reports[i]->id, reports[i]->name);
		if (at != UNKNOWN)
			g->places[at]->relays = reports[i]->relays;
	}
	g->reports = g->n;
	for (size_t i = 0; i < n; i++)
		add_report(g, reports[i]);
}

/* ---- what a table's edges are ---- */

static uint64_t *
sent_by(const struct graph *g, int at)
{
	return (g->to + (size_t)at * g->words);
}

static void
forget_edges(struct graph *g, const struct subject *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->flows[i].to == UNKNOWN)
			continue; /* of others as well */
		set_remove(sent_by(g, s->flows[i].from), s->flows[i].to);
		set_remove(sent_by(g, s->flows[i].to), s->flows[i].from);
	}
}

static void
add_edges(struct graph *g, const struct subject *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->flows[i].publish)
			set_add(sent_by(g, s->flows[i].from), s->flows[i].to);
		if (s->flows[i].subscribe)
			set_add(sent_by(g, s->flows[i].to), s->flows[i].from);
	}
}

static void
note_parts(struct graph *g)
{
	memset(g->takes, 0, g->words * sizeof(*g->takes));
	memset(g->part, 0, g->words * sizeof(*g->part));
	for (int at = 0; at < g->n; at++) {
		const uint64_t *sent = sent_by(g, at);
		uint64_t any = 0;

		for (size_t w = 0; w < g->words; w++) {
			g->takes[w] |= sent[w];
			any |= sent[w];
		}
		if (any != 0)
			set_add(g->part, at);
	}
	for (size_t w = 0; w < g->words; w++)
		g->part[w] |= g->takes[w];
}

/* What two that did not report have with each other is not known: it counts as all. */
static void
add_unknown(struct graph *g)
{
	for (int at = g->reports; at < g->n; at++) {
		set_add(sent_by(g, at), UNKNOWN);
		set_add(sent_by(g, UNKNOWN), at);
	}
}

/* What is said for more than this counts, but for those who say something for this. */
static void
add_edges_instead(struct graph *g, const struct subject *s)
{
	forget_edges(g, s);
	add_edges(g, s);
}

/*
 * A subscription for just this table counts, else the one for all tables of the database, else
 * the one for all databases.
 */
static void
edges_of(struct graph *g, const struct subject *s)
{
	char *key = xasprintf("%.*s/*", (int)s->database_len, s->key);
	struct subject *all, *wide;

	memset(g->to, 0, (size_t)g->n * g->words * sizeof(*g->to));
	HASH_FIND_STR(g->subjects, "*/*", wide);
	HASH_FIND_STR(g->subjects, key, all);
	free(key);
	if (wide != NULL && wide != s)
		add_edges(g, wide);
	if (all != NULL && all != s)
		add_edges_instead(g, all);
	add_edges_instead(g, s);
	note_parts(g);
	add_unknown(g);
	/* Who did not report may get it from others. */
	set_remove(g->takes, UNKNOWN);
	for (int at = g->reports; at < g->n; at++)
		set_remove(g->takes, at);
}

/* ---- who reaches whom ---- */

static int
takers_lack(const struct graph *g, const uint64_t *seen)
{
	for (size_t w = 0; w < g->words; w++)
		if (g->takes[w] & ~seen[w])
			return (1);
	return (0);
}

/*
 * Where a write of `from` arrives, until all who take the table have it; with `all`, as if every
 * node passed it on.
 */
static void
reach_places(struct graph *g, int from, int all, uint64_t *seen)
{
	int n = 0, at;

	memset(seen, 0, g->words * sizeof(*seen));
	set_add(seen, from);
	g->queue[n++] = from;
	for (int i = 0; i < n && takers_lack(g, seen); i++) {
		at = g->queue[i];
		if (at != from && !all && !g->places[at]->relays)
			continue;
		for (size_t w = 0; w < g->words; w++) {
			uint64_t more = sent_by(g, at)[w] & ~seen[w];

			seen[w] |= more;
			for (; more != 0; more &= more - 1)
				g->queue[n++] = (int)w * 64 + __builtin_ctzll(more);
		}
	}
}

/* ---- gaps ---- */

/* NULL: there are as many as are wanted, and this is none of them. */
static json_t *
gap_of(struct graph *g, const char *from, const char *to)
{
	json_t *o;
	size_t i;

	json_array_foreach(g->gaps, i, o)
		if (strcmp(json_string_value(json_object_get(o, "from")), from) == 0 &&
		    strcmp(json_string_value(json_object_get(o, "to")), to) == 0)
			return (json_object_get(o, "tables"));
	if (json_array_size(g->gaps) >= g->most)
		return (NULL);
	o = json_pack("{s:s, s:s, s:[]}", "from", from, "to", to, "tables");
	json_array_append_new(g->gaps, o);
	return (json_object_get(o, "tables"));
}

/* Whether what is found of it could be told. */
static int
may_tell(const struct graph *g, const char *from)
{
	json_t *o;
	size_t i;

	if (json_array_size(g->gaps) < g->most)
		return (1);
	json_array_foreach(g->gaps, i, o)
		if (strcmp(json_string_value(json_object_get(o, "from")), from) == 0)
			return (1);
	return (0);
}

static void
add_gap(struct graph *g, struct alike *a, int from, int to)
{
	json_t *tables = gap_of(g, g->places[from]->name, g->places[to]->name);

	if (tables == NULL)
		return;
	a->tables = xrealloc(a->tables, (a->n + 1) * sizeof(json_t *));
	a->tables[a->n++] = tables;
}

static void
find_gaps(struct graph *g, struct alike *a)
{
	for (int from = UNKNOWN + 1; from < g->n; from++) {
		if (!set_has(g->part, from) || !may_tell(g, g->places[from]->name))
			continue;
		reach_places(g, from, 0, g->arrives);
		if (!takers_lack(g, g->arrives))
			continue;
		reach_places(g, from, 1, g->would);
		for (int to = UNKNOWN + 1; to < g->reports; to++)
			if (set_has(g->would, to) && !set_has(g->arrives, to))
				add_gap(g, a, from, to);
	}
}

static struct alike *
alike_get(struct graph *g)
{
	uint64_t hash = fnv_bytes(FNV_BASIS, g->to, (size_t)g->n * g->words * sizeof(*g->to));
	struct alike *a;

	HASH_FIND(hh, g->alike, &hash, sizeof(hash), a);
	if (a == NULL) {
		a = xcalloc(1, sizeof(*a));
		a->hash = hash;
		HASH_ADD(hh, g->alike, hash, sizeof(a->hash), a);
		find_gaps(g, a);
	}
	return (a);
}

static void
tell_gaps(struct graph *g, const struct subject *s)
{
	struct alike *a;

	edges_of(g, s);
	a = alike_get(g);
	for (size_t i = 0; i < a->n; i++)
		json_array_append_new(a->tables[i],
		    json_sprintf("%.*s.%s", (int)s->database_len, s->key,
			s->key + s->database_len + 1));
}

/* ---- the whole ---- */

static struct graph *
graph_new(struct topology_report *const *reports, size_t n, size_t most)
{
	struct graph *g = xcalloc(1, sizeof(*g));

	add_reports(g, reports, n);
	g->words = ((size_t)g->n + 63) / 64;
	g->to = xcalloc((size_t)g->n * g->words, sizeof(*g->to));
	g->takes = xcalloc(4 * g->words, sizeof(*g->takes));
	g->part = g->takes + g->words;
	g->arrives = g->part + g->words;
	g->would = g->arrives + g->words;
	g->queue = xcalloc((size_t)g->n, sizeof(*g->queue));
	g->gaps = json_array();
	g->most = most;
	return (g);
}

static void
graph_free(struct graph *g)
{
	struct subject *s, *stmp;
	struct place *p, *ptmp;
	struct alike *a, *atmp;

	HASH_ITER(hh, g->subjects, s, stmp) {
		HASH_DEL(g->subjects, s);
		free(s->flows);
		free(s->key);
		free(s);
	}
	HASH_ITER(hh, g->by_id, p, ptmp) {
		HASH_DEL(g->by_id, p);
		free(p);
	}
	HASH_ITER(hh, g->alike, a, atmp) {
		HASH_DEL(g->alike, a);
		free(a->tables);
		free(a);
	}
	free(g->places);
	free(g->to);
	free(g->takes);
	free(g->queue);
	free(g);
}

json_t *
topology_gaps(struct topology_report *const *reports, size_t n, size_t most)
{
	struct graph *g = graph_new(reports, n, most);
	json_t *gaps = g->gaps;
	struct subject *s;

	for (s = g->subjects; s != NULL; s = s->hh.next)
		tell_gaps(g, s);
	graph_free(g);
	return (gaps);
}
