#include "config.h"

#include "hubd/mesh.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/jsonlist.h"
#include "common/base/mem.h"
#include "common/base/nodename.h"

#define SEEN_MAX       4096 /* a cluster is far smaller: more is a mistake */
#define WORD_MAX_LEN   255
#define JSON_MAX       (1 << 20)
#define DOUBLED_ROUNDS 3 /* fewer may be a link that is being exchanged */

struct mesh_node {
	char *name;
	char *node_id;    /* as its hubd said last; NULL: never */
	uint64_t pong;    /* of the last answer of its hubd; 0: none */
	uint64_t seen;    /* of the last answer of its servers; 0: none */
	uint64_t round;   /* the last one that it answered */
	char *answered;   /* which instance answered it first */
	unsigned answers; /* of that instance, in that round */
	unsigned streak;  /* consecutive rounds before it with more than one answer */
	uint64_t doubled; /* when there were enough such rounds; 0: never */
	UT_hash_handle hh;
};

struct mesh {
	char *name;
	struct mesh_node *nodes; /* all but our own */
	json_t *routed;          /* names that our own hub has routes to */
	uint64_t routed_at;
};

struct mesh *
mesh_new(const char *name)
{
	struct mesh *m = xcalloc(1, sizeof(*m));

	m->name = xstrdup(name);
	m->routed = json_array();
	return (m);
}

static void
drop_node(struct mesh *m, struct mesh_node *n)
{
	HASH_DEL(m->nodes, n);
	free(n->name);
	free(n->node_id);
	free(n->answered);
	free(n);
}

void
mesh_free(struct mesh *m)
{
	struct mesh_node *n, *tmp;

	if (m == NULL)
		return;
	HASH_ITER(hh, m->nodes, n, tmp)
		drop_node(m, n);
	json_decref(m->routed);
	free(m->name);
	free(m);
}

/* Reading what others say */

/* "n1-hub.1f9c22ab" and "n1-leaf" are servers of n1; NULL when it is no name. */
static json_t *
node_of(const char *server)
{
	static const char *const ends[] = { "-hub", "-leaf" };
	const char *dot;
	size_t len, i, end;

	if (server == NULL || *server == '\0')
		return (NULL);
	dot = strrchr(server, '.');
	len = dot != NULL && dot != server ? (size_t)(dot - server) : strlen(server);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		end = strlen(ends[i]);
		if (len > end && memcmp(server + len - end, ends[i], end) == 0) {
			len -= end;
			break;
		}
	}
	return (node_name_ok(server, len) ? json_stringn(server, len) : NULL);
}

/* Takes the reference. */
static void
add_once(json_t *list, json_t *s)
{
	if (s != NULL && json_array_size(list) < SEEN_MAX && !jsonlist_has(list, s))
		json_array_append(list, s);
	json_decref(s);
}

static int
is_name(const json_t *j)
{
	return (node_name_ok(json_string_value(j), json_string_length(j)));
}

/* A host, an instance. */
static int
is_word(const json_t *j)
{
	size_t len = json_string_length(j);

	return (len > 0 && len <= WORD_MAX_LEN);
}

static json_t *
read_names(const json_t *list)
{
	json_t *out = json_array(), *name;
	size_t i;

	json_array_foreach(list, i, name)
		if (is_name(name))
			add_once(out, json_incref(name));
	return (out);
}

static json_t *
read_routes(const json_t *list)
{
	json_t *out = json_array(), *route, *host, *port;
	size_t i;

	json_array_foreach(list, i, route) {
		host = json_object_get(route, "host");
		port = json_object_get(route, "port");
		if (is_word(host) && json_is_integer(port) && json_array_size(out) < SEEN_MAX)
			json_array_append_new(out,
			    json_pack("{s:O, s:O}", "host", host, "port", port));
	}
	return (out);
}

json_t *
mesh_read_pong(const void *json, size_t len, char **instance)
{
	json_t *root = len <= JSON_MAX ? json_loadb(json, len, 0, NULL) : NULL;
	json_t *name = json_object_get(root, "name"), *pong = NULL;
	json_t *its = json_object_get(root, "instance");
	json_t *id = json_object_get(root, "node_id");
	json_t *dials = json_object_get(root, "dials");

	if (is_name(name) && is_word(its)) {
		*instance = xstrdup(json_string_value(its));
		pong = json_pack("{s:O, s:o, s:o, s:o, s:o}", "name", name, "node_id",
		    is_name(id) ? json_incref(id) : json_string(""), "connected_nodes",
		    read_names(json_object_get(root, "connected_nodes")), "routes",
		    read_routes(json_object_get(root, "routes")), "dials",
		    json_is_array(dials) ? read_names(dials) : json_null());
	}
	json_decref(root);
	return (pong);
}

json_t *
mesh_read_statsz(const void *json, size_t len)
{
	json_t *root = len <= JSON_MAX ? json_loadb(json, len, 0, NULL) : NULL;
	json_t *name, *peers, *route, *statsz;
	size_t i;

	name = node_of(json_string_value(json_object_get(json_object_get(root, "server"), "name")));
	if (name == NULL) {
		json_decref(root);
		return (NULL);
	}
	peers = json_array();
	json_array_foreach(json_object_get(json_object_get(root, "statsz"), "routes"), i, route)
		add_once(peers, node_of(json_string_value(json_object_get(route, "name"))));
	statsz = json_pack("{s:o, s:o, s:[]}", "name", name, "connected_nodes", peers, "routes");
	json_decref(root);
	return (statsz);
}

json_t *
mesh_read_routez(const void *json, size_t len)
{
	json_t *root = len <= JSON_MAX ? json_loadb(json, len, 0, NULL) : NULL;
	json_t *data = json_object_get(root, "data"), *names = NULL, *route;
	size_t i;

	if (json_is_object(data))
		names = json_array();
	json_array_foreach(json_object_get(data, "routes"), i, route)
		if (json_is_true(json_object_get(route, "is_configured")))
			add_once(names,
			    node_of(json_string_value(json_object_get(route, "remote_name"))));
	json_decref(root);
	return (names);
}

/* It goes into a subject. */
static int
is_server_id(const char *id)
{
	return (id != NULL && *id != '\0' && strlen(id) <= WORD_MAX_LEN &&
	    id[strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")] == '\0');
}

static json_t *
read_leaf_link(const json_t *leaf)
{
	json_t *name = node_of(json_string_value(json_object_get(leaf, "name")));
	json_t *ip = json_object_get(leaf, "ip"), *port = json_object_get(leaf, "port");
	json_t *link = NULL;

	if (name != NULL && is_word(ip) && json_is_integer(port))
		link = json_pack("{s:O, s:O, s:O}", "name", name, "ip", ip, "port", port);
	json_decref(name);
	return (link);
}

json_t *
mesh_read_leafz(const void *json, size_t len, char **server)
{
	json_t *root = len <= JSON_MAX ? json_loadb(json, len, 0, NULL) : NULL;
	json_t *data = json_object_get(root, "data"), *links = NULL, *leaf, *link;
	const char *id = json_string_value(json_object_get(json_object_get(root, "server"), "id"));
	size_t i;

	if (json_is_object(data) && is_server_id(id)) {
		*server = xstrdup(id);
		links = json_array();
		json_array_foreach(json_object_get(data, "leafs"), i, leaf)
			if ((link = read_leaf_link(leaf)) != NULL)
				json_array_append_new(links, link);
	}
	json_decref(root);
	return (links);
}

/* The view */

/* NULL for our own name, or when there are too many. */
static struct mesh_node *
node_get(struct mesh *m, const char *name)
{
	struct mesh_node *n;

	if (strcmp(name, m->name) == 0)
		return (NULL);
	HASH_FIND_STR(m->nodes, name, n);
	if (n != NULL || HASH_COUNT(m->nodes) >= SEEN_MAX)
		return (n);
	n = xcalloc(1, sizeof(*n));
	n->name = xstrdup(name);
	HASH_ADD_KEYPTR(hh, m->nodes, n->name, strlen(n->name), n);
	return (n);
}

static void
count_answer(struct mesh_node *n, uint64_t now, uint64_t round, const char *instance)
{
	if (n->answered == NULL || round != n->round) {
		n->streak = n->answers > 1 ? n->streak + 1 : 0;
		n->answers = 1;
		n->round = round;
		free(n->answered);
		n->answered = xstrdup(instance);
	} else if (strcmp(n->answered, instance) == 0) {
		n->answers++;
	}
	if (n->answers > 1 && n->streak + 1 >= DOUBLED_ROUNDS)
		n->doubled = now;
}

void
mesh_on_pong(struct mesh *m, uint64_t now, uint64_t round, const json_t *pong, const char *instance)
{
	const char *name = json_string_value(json_object_get(pong, "name"));
	struct mesh_node *n = node_get(m, name);

	if (n != NULL) {
		n->pong = now;
		free(n->node_id);
		n->node_id = xstrdup(json_string_value(json_object_get(pong, "node_id")));
		count_answer(n, now, round, instance);
	}
}

void
mesh_on_statsz(struct mesh *m, uint64_t now, const json_t *statsz)
{
	const char *name = json_string_value(json_object_get(statsz, "name"));
	struct mesh_node *n = node_get(m, name);

	if (n != NULL)
		n->seen = now;
	else if (strcmp(name, m->name) == 0) {
		json_decref(m->routed);
		m->routed = json_incref(json_object_get(statsz, "connected_nodes"));
		m->routed_at = now;
	}
}

void
mesh_lost(struct mesh *m)
{
	struct mesh_node *n;

	for (n = m->nodes; n != NULL; n = n->hh.next)
		n->pong = 0;
}

static int
by_text(const void *a, const void *b)
{
	return (strcmp(json_string_value(*(json_t *const *)a),
	    json_string_value(*(json_t *const *)b)));
}

json_t *
mesh_sorted(json_t *list)
{
	size_t n = json_array_size(list), i;
	json_t **all = xcalloc(n + 1, sizeof(*all));
	json_t *out = json_array();

	for (i = 0; i < n; i++)
		all[i] = json_array_get(list, i);
	qsort(all, n, sizeof(*all), by_text);
	for (i = 0; i < n; i++)
		json_array_append(out, all[i]);
	free(all);
	json_decref(list);
	return (out);
}

static json_t *
nodes_answered(const struct mesh *m, uint64_t since)
{
	json_t *list = json_array();
	struct mesh_node *n;

	for (n = m->nodes; n != NULL; n = n->hh.next)
		if (n->pong != 0 && n->pong >= since)
			json_array_append_new(list, json_string(n->name));
	return (list);
}

json_t *
mesh_reachable(const struct mesh *m, uint64_t since)
{
	return (mesh_sorted(nodes_answered(m, since)));
}

json_t *
mesh_id(const struct mesh *m, const char *name)
{
	struct mesh_node *n;

	HASH_FIND_STR(m->nodes, name, n);
	return (json_string(n != NULL && n->node_id != NULL ? n->node_id : ""));
}

json_t *
mesh_doubled(const struct mesh *m, uint64_t since)
{
	json_t *list = json_array();
	struct mesh_node *n;

	for (n = m->nodes; n != NULL; n = n->hh.next)
		if (n->doubled != 0 && n->doubled >= since)
			json_array_append_new(list, json_string(n->name));
	return (mesh_sorted(list));
}

static void
add_linked(const struct mesh *m, uint64_t since, json_t *list)
{
	json_t *name;
	size_t i;

	json_array_foreach(m->routed, i, name)
		if (m->routed_at >= since && strcmp(json_string_value(name), m->name) != 0)
			add_once(list, json_incref(name));
}

json_t *
mesh_linked(const struct mesh *m, uint64_t since)
{
	json_t *list = json_array();

	add_linked(m, since, list);
	return (mesh_sorted(list));
}

json_t *
mesh_connected(const struct mesh *m, uint64_t since)
{
	json_t *list = nodes_answered(m, since);

	add_linked(m, since, list);
	return (mesh_sorted(list));
}

int
mesh_missing(const struct mesh *m, uint64_t old, uint64_t since)
{
	struct mesh_node *n;

	for (n = m->nodes; n != NULL; n = n->hh.next)
		if ((n->pong >= old || n->seen >= old) && n->pong < since)
			return (1);
	return (0);
}

void
mesh_forget(struct mesh *m, uint64_t since)
{
	struct mesh_node *n, *tmp;

	HASH_ITER(hh, m->nodes, n, tmp)
		if (n->pong < since && n->seen < since)
			drop_node(m, n);
}

int
mesh_has_name(const json_t *names, const char *name)
{
	const json_t *n;
	size_t i;

	json_array_foreach(names, i, n)
		if (strcmp(json_string_value(n), name) == 0)
			return (1);
	return (0);
}
