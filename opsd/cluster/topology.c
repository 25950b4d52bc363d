#include "config.h"

#include "opsd/cluster/topology.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"

#define PLACES_MAX 256    /* nodes; with more, nothing is told */
#define ITEMS_MAX  100000 /* more are not looked at */

struct place {                 /* a node */
	const char *id, *name; /* borrowed */
	int reported, relays;
};

/* What two nodes have with each other for one table. */
struct link {
	int pair;        /* key: first * PLACES_MAX + second */
	int forth, back; /* from the first to the second, and back */
	UT_hash_handle hh;
};

struct subject {   /* a table that somebody names, or "*" */
	char *key; /* "db/table" */
	size_t database_len;
	struct link *links;
	UT_hash_handle hh;
};

struct graph {
	struct place places[PLACES_MAX];
	int n;
	struct subject *subjects;
	size_t items;
	int cut; /* there is more than we look at */
};

/* ---- from reports to links ---- */

/* Index of a node; -1: there are too many. */
static int
place_of(struct graph *g, const char *id, const char *name)
{
	for (int i = 0; i < g->n; i++)
		if (strcmp(g->places[i].id, id) == 0)
			return (i);
	if (g->n >= PLACES_MAX) {
		g->cut = 1;
		return (-1);
	}
	g->places[g->n] = (struct place){ .id = id, .name = name, .relays = 1 };
	return (g->n++);
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

static struct link *
link_get(struct subject *s, int first, int second)
{
	int pair = first * PLACES_MAX + second;
	struct link *l;

	HASH_FIND_INT(s->links, &pair, l);
	if (l == NULL) {
		l = xcalloc(1, sizeof(*l));
		l->pair = pair;
		HASH_ADD_INT(s->links, pair, l);
	}
	return (l);
}

static void
add_subscription(struct graph *g, int from, int to, const struct subscription *s)
{
	struct link *l;

	if (++g->items > ITEMS_MAX) {
		g->cut = 1;
		return;
	}
	l = link_get(subject_get(g, s->database, s->table), from < to ? from : to,
	    from < to ? to : from);
	l->forth |= from < to ? s->publish : s->subscribe;
	l->back |= from < to ? s->subscribe : s->publish;
}

static void
add_report(struct graph *g, const struct topology_report *r)
{
	int at = place_of(g, r->id, r->name), to;

	if (at == -1)
		return;
	g->places[at].reported = 1;
	g->places[at].relays = r->relays;
	for (size_t i = 0; i < r->n; i++) {
		to = place_of(g, r->links[i].id, r->links[i].name);
		if (to == -1 || to == at)
			continue;
		for (size_t k = 0; k < r->links[i].n; k++)
			add_subscription(g, at, to, &r->links[i].subs[k]);
	}
}

/* ---- who reaches whom ---- */

/* Edges of one table: to[a] has b when what a sends arrives at b. */
struct edges {
	uint8_t to[PLACES_MAX][PLACES_MAX];
};

static void
set_edges(const struct subject *s, struct edges *e)
{
	const struct link *l;

	for (l = s != NULL ? s->links : NULL; l != NULL; l = l->hh.next) {
		e->to[l->pair / PLACES_MAX][l->pair % PLACES_MAX] = (uint8_t)l->forth;
		e->to[l->pair % PLACES_MAX][l->pair / PLACES_MAX] = (uint8_t)l->back;
	}
}

/* A subscription for just this table counts, else the one for all tables of the database. */
static void
edges_of(const struct graph *g, const struct subject *s, struct edges *e)
{
	char *key = xasprintf("%.*s/*", (int)s->database_len, s->key);
	struct subject *all;

	/* What there is between two that reported nothing is not known. */
	for (int a = 0; a < g->n; a++)
		for (int b = 0; b < g->n; b++)
			e->to[a][b] = a != b && !g->places[a].reported && !g->places[b].reported;
	HASH_FIND_STR(g->subjects, key, all);
	free(key);
	set_edges(all, e);
	if (s != all)
		set_edges(s, e);
}

/* Where a write of `from` arrives; with `all`, as if every node passed it on. */
static void
reach_places(const struct graph *g, const struct edges *e, int from, int all,
    uint8_t seen[PLACES_MAX])
{
	int queue[PLACES_MAX], n = 0, i = 0, at;

	memset(seen, 0, PLACES_MAX);
	seen[from] = 1;
	queue[n++] = from;
	while (i < n) {
		at = queue[i++];
		if (at != from && !all && !g->places[at].relays)
			continue;
		for (int b = 0; b < g->n; b++)
			if (e->to[at][b] && !seen[b]) {
				seen[b] = 1;
				queue[n++] = b;
			}
	}
}

/* Nodes take part that send or get the table as far as is known. */
static int
takes_part(const struct graph *g, const struct edges *e, int at)
{
	for (int b = 0; b < g->n; b++)
		if ((e->to[at][b] || e->to[b][at]) &&
		    (g->places[at].reported || g->places[b].reported))
			return (1);
	return (0);
}

static json_t *
gap_of(json_t *gaps, const char *from, const char *to)
{
	json_t *o;
	size_t i;

	json_array_foreach(gaps, i, o)
		if (strcmp(json_string_value(json_object_get(o, "from")), from) == 0 &&
		    strcmp(json_string_value(json_object_get(o, "to")), to) == 0)
			return (json_object_get(o, "tables"));
	o = json_pack("{s:s, s:s, s:[]}", "from", from, "to", to, "tables");
	json_array_append_new(gaps, o);
	return (json_object_get(o, "tables"));
}

static void
find_gaps(const struct graph *g, const struct subject *s, struct edges *e, json_t *gaps)
{
	uint8_t arrives[PLACES_MAX], would[PLACES_MAX];

	edges_of(g, s, e);
	for (int from = 0; from < g->n; from++) {
		if (!takes_part(g, e, from))
			continue;
		reach_places(g, e, from, 0, arrives);
		reach_places(g, e, from, 1, would);
		for (int to = 0; to < g->n; to++)
			/* Who did not report may get it from others. */
			if (would[to] && !arrives[to] && g->places[to].reported)
				json_array_append_new(gap_of(gaps, g->places[from].name,
							  g->places[to].name),
				    json_sprintf("%.*s.%s", (int)s->database_len, s->key,
					s->key + s->database_len + 1));
	}
}

static void
graph_free(struct graph *g)
{
	struct subject *s, *stmp;
	struct link *l, *ltmp;

	HASH_ITER(hh, g->subjects, s, stmp) {
		HASH_DEL(g->subjects, s);
		HASH_ITER(hh, s->links, l, ltmp) {
			HASH_DEL(s->links, l);
			free(l);
		}
		free(s->key);
		free(s);
	}
	free(g);
}

json_t *
topology_gaps(struct topology_report *const *reports, size_t n)
{
	struct graph *g = xcalloc(1, sizeof(*g));
	struct edges *e = xmalloc(sizeof(*e));
	json_t *gaps = json_array();
	struct subject *s;

	for (size_t i = 0; i < n; i++)
		add_report(g, reports[i]);
	for (s = g->subjects; s != NULL && !g->cut; s = s->hh.next)
		find_gaps(g, s, e, gaps);
	free(e);
	graph_free(g);
	return (gaps);
}
