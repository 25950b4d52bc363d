#include "config.h"

#include "opsd/op/op_cluster.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "opsd/op/node.h"

#define ROUTES_MAX 1000 /* of one server */

enum { HUB, LEAF, SERVERS };

static const struct {
	const char *name;
	enum conf_key key;
} servers[SERVERS] = { { "hub", HUB_ROUTES }, { "leaf", LEAF_ROUTES } };

/* Reading, changing and writing a list is one step. */
static pthread_mutex_t routes_lock = PTHREAD_MUTEX_INITIALIZER;

static int
field_server(struct faults *f, const json_t *body)
{
	const char *name = field_string(f, body, "server", 1);

	if (name == NULL)
		return (-1);
	for (int i = 0; i < SERVERS; i++)
		if (strcmp(name, servers[i].name) == 0)
			return (i);
	fault(f, "'server' must be one of [hub, leaf]");
	return (-1);
}

static void
check_route_host(struct faults *f, size_t i, const json_t *host)
{
	if (host == NULL)
		fault(f, "'routes[%zu].host' is required", i);
	else if (!json_is_string(host))
		fault(f, "'routes[%zu].host' must be a string", i);
	else if (json_string_length(host) == 0)
		fault(f, "'routes[%zu].host' is not allowed to be empty", i);
	else if (!conf_is_host(json_string_value(host)))
		fault(f, "'routes[%zu].host' must be a host name or an address, alone", i);
}

/* Digits in a string count as a number, as in the file and the environment. */
static json_int_t
read_port(struct faults *f, size_t i, const json_t *port)
{
	const char *text = json_string_value(port);
	double d = json_number_value(port);
	char *end = NULL;

	if (port == NULL) {
		fault(f, "'routes[%zu].port' is required", i);
		return (0);
	}
	if (text != NULL)
		d = strtod(text, &end);
	if (text != NULL ? *text == '\0' || *end != '\0' || !isfinite(d) : !json_is_number(port))
		fault(f, "'routes[%zu].port' must be a number", i);
	else if (d != floor(d))
		fault(f, "'routes[%zu].port' must be an integer", i);
	else if (d < 1 || d > 65535)
		fault(f, "'routes[%zu].port' must be a valid port", i);
	else
		return ((json_int_t)d);
	return (0);
}

/* How the leaf dials. */
static void
take_extras(struct faults *f, size_t i, const json_t *given, int server, json_t *route)
{
	const char *key, *word;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)given, key, v) {
		if (strcmp(key, "host") == 0 || strcmp(key, "port") == 0)
			continue;
		json_object_set(route, key, v);
		word = json_string_value(v);
		if (server != LEAF || (strcmp(key, "tls") != 0 && strcmp(key, "separate") != 0))
			fault(f, "'routes[%zu].%.100s' is not allowed", i, key);
		else if (json_is_boolean(v))
			continue;
		else if (key[0] == 's')
			fault(f, "'routes[%zu].separate' must be a boolean", i);
		else if (word == NULL || strcmp(word, "wss") != 0)
			fault(f, "'routes[%zu].tls' must be true, false or \"wss\"", i);
	}
}

/* The routes of the body as they are kept; server -1: only host and port matter. */
static json_t *
read_routes(struct faults *f, const json_t *body, int server)
{
	json_t *given = field_array(f, body, "routes", 1), *list = json_array(), *g, *host;
	size_t i;

	if (json_array_size(given) > ROUTES_MAX) {
		fault(f, "'routes' must contain less than or equal to %d items", ROUTES_MAX);
		given = NULL;
	}
	json_array_foreach(given, i, g) {
		json_t *route = json_object();

		if (!json_is_object(g)) {
			fault(f, "'routes[%zu]' must be of type object", i);
			json_decref(route);
			continue;
		}
		host = json_object_get(g, "host");
		check_route_host(f, i, host);
		json_object_set(route, "host", host);
		json_object_set_new(route, "port",
		    json_integer(read_port(f, i, json_object_get(g, "port"))));
		if (server != -1)
			take_extras(f, i, g, server, route);
		json_array_append_new(list, route);
	}
	return (list);
}

static int
same_host(const json_t *a, const json_t *b)
{
	return (strcasecmp(json_string_value(json_object_get(a, "host")),
		    json_string_value(json_object_get(b, "host"))) == 0);
}

/* Ports in the file may be strings. */
static json_int_t
route_port(const json_t *route)
{
	const json_t *port = json_object_get(route, "port");

	return (json_is_string(port) ? strtoll(json_string_value(port), NULL, 10) :
				       json_integer_value(port));
}

/* Index of host and port in the list, or its size. */
static size_t
find_route(const json_t *list, const json_t *route)
{
	json_t *r;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, r)
		if (same_host(r, route) && route_port(r) == route_port(route))
			return (i);
	return (i);
}

/*
 * A leaf that is linked into a mesh that its own hub belongs to gets every
 * message twice.  What can be seen here is a host that both servers have routes to;
 * "separate" says that it is another mesh.
 */
static const char *
linked_twice(const struct conf *conf, int server, const json_t *routes)
{
	const json_t *others = conf_list(conf, servers[server == HUB ? LEAF : HUB].key);
	json_t *mine, *other;
	size_t i, k;

	json_array_foreach((json_t *)(uintptr_t)routes, i, mine)
		json_array_foreach((json_t *)(uintptr_t)others, k, other)
			if (same_host(mine, other) &&
			    !json_is_true(json_object_get(mine, "separate")) &&
			    !json_is_true(json_object_get(other, "separate")))
				return (json_string_value(json_object_get(mine, "host")));
	return (NULL);
}

/* Checked first, so that what fails afterwards is not the caller's fault. 0 or answered. */
static int
save_routes(struct request *r, struct conf *conf, enum conf_key key, const json_t *list)
{
	char *err = NULL;
	int status = 400;

	if (conf_set(conf, key, list, &err) == 0) {
		status = 500;
		if (ops_set_conf(r->ops, key, list, &err) == 0)
			return (0);
	}
	for (char *p = err; p != NULL && (p = strchr(p, '\n')) != NULL; p++)
		*p = ';';
	reply_error(r, status, "%s", err != NULL ? err : "the routes cannot be saved");
	free(err);
	return (-1);
}

static void
set_routes(struct request *r, struct conf *conf, int server, json_t *routes)
{
	json_t *list = json_deep_copy(conf_list(conf, servers[server].key)), *route;
	json_t *set = json_array(), *skipped = json_array();
	const char *twice = linked_twice(conf, server, routes);
	size_t i, at;

	json_array_foreach(routes, i, route) {
		at = find_route(list, route);
		if (at < json_array_size(list) && json_equal(json_array_get(list, at), route)) {
			json_array_append(skipped, route);
			continue;
		}
		if (at < json_array_size(list))
			json_array_set(list, at, route);
		else
			json_array_append(list, route);
		json_array_append(set, route);
	}
	if (twice != NULL)
		reply_error(r, 409,
		    "The %s of this node has a route to '%s' already: a leaf "
		    "that is linked into the mesh of its own hub gets every message twice",
		    servers[server == HUB ? LEAF : HUB].name, twice);
	else if (json_array_size(list) > ROUTES_MAX)
		reply_error(r, 400,
		    "'routes' of the %s must contain less than or equal to %d "
		    "items",
		    servers[server].name, ROUTES_MAX);
	else if (json_array_size(set) == 0 || save_routes(r, conf, servers[server].key, list) == 0)
		reply_json(r, 200,
		    json_pack("{s:s, s:O, s:O}", "message", "cluster routes successfully set",
			"set", set, "skipped", skipped));
	json_decref(list);
	json_decref(set);
	json_decref(skipped);
}

void
op_routes_set(struct request *r)
{
	struct faults f = { 0 };
	int server = field_server(&f, r->body);
	json_t *routes = read_routes(&f, r->body, server == -1 ? LEAF : server);
	struct conf *conf;

	if (!faults_answer(r, &f)) {
		pthread_mutex_lock(&routes_lock);
		conf = data_conf(&r->ops->data);
		set_routes(r, conf, server, routes);
		conf_free(conf);
		pthread_mutex_unlock(&routes_lock);
	}
	json_decref(routes);
}

void
op_routes_get(struct request *r)
{
	struct conf *conf = data_conf(&r->ops->data);

	reply_json(r, 200,
	    json_pack("{s:o, s:o}", "hub", json_deep_copy(conf_list(conf, HUB_ROUTES)), "leaf",
		json_deep_copy(conf_list(conf, LEAF_ROUTES))));
	conf_free(conf);
}

/* Takes the routes out of a server's list; 0, or -1 with the request answered. */
static int
delete_from(struct request *r, struct conf *conf, enum conf_key key, const json_t *routes,
    json_t *deleted)
{
	json_t *list = json_deep_copy(conf_list(conf, key)), *route;
	size_t i, at, before = json_array_size(list);
	int rc = 0;

	json_array_foreach((json_t *)(uintptr_t)routes, i, route) {
		at = find_route(list, route);
		if (at == json_array_size(list))
			continue;
		json_array_remove(list, at);
		if (find_route(deleted, route) == json_array_size(deleted))
			json_array_append(deleted, route);
	}
	if (json_array_size(list) < before)
		rc = save_routes(r, conf, key, list);
	json_decref(list);
	return (rc);
}

static void
delete_routes(struct request *r, struct conf *conf, const json_t *routes)
{
	json_t *deleted = json_array(), *skipped = json_array(), *route;
	size_t i;
	int rc = 0;

	for (i = 0; i < SERVERS && rc == 0; i++)
		rc = delete_from(r, conf, servers[i].key, routes, deleted);
	json_array_foreach((json_t *)(uintptr_t)routes, i, route)
		if (find_route(deleted, route) == json_array_size(deleted))
			json_array_append(skipped, route);
	if (rc == 0)
		reply_json(r, 200,
		    json_pack("{s:s, s:O, s:O}", "message", "cluster routes successfully deleted",
			"deleted", deleted, "skipped", skipped));
	json_decref(deleted);
	json_decref(skipped);
}

void
op_routes_delete(struct request *r)
{
	struct faults f = { 0 };
	json_t *routes = read_routes(&f, r->body, -1);
	struct conf *conf;

	if (!faults_answer(r, &f)) {
		pthread_mutex_lock(&routes_lock);
		conf = data_conf(&r->ops->data);
		delete_routes(r, conf, routes);
		conf_free(conf);
		pthread_mutex_unlock(&routes_lock);
	}
	json_decref(routes);
}
