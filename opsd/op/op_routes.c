#include "config.h"

#include "opsd/op/op_cluster.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/jsonlist.h"
#include "common/base/words.h"
#include "common/conf/natsconf.h"
#include "common/conf/repconf.h"
#include "opsd/op/linkroutes.h"
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

static void
refuse_extra(struct faults *f, size_t i, int server, const char *key)
{
	static const char *const known[] = { "tls", "separate", "host", "port", NULL };
	const char *near = words_near(key, server == LEAF ? known : known + 2);

	if (near != NULL)
		fault(f, "'routes[%zu].%.100s' is not allowed, did you mean '%s'?", i, key, near);
	else
		fault(f, "'routes[%zu].%.100s' is not allowed", i, key);
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
			refuse_extra(f, i, server, key);
		else if (json_is_boolean(v))
			continue;
		else if (key[0] == 's')
			fault(f, "'routes[%zu].separate' must be a boolean", i);
		else if (word == NULL || strcmp(word, "wss") != 0)
			fault(f, "'routes[%zu].tls' must be true, false or \"wss\"", i);
	}
}

/* Server -1: only host and port matter. */
static json_t *
read_route(struct faults *f, size_t i, const json_t *given, int server)
{
	json_t *route = json_object(), *host = json_object_get(given, "host");

	check_route_host(f, i, host);
	json_object_set(route, "host", host);
	json_object_set_new(route, "port",
	    json_integer(read_port(f, i, json_object_get(given, "port"))));
	if (server != -1)
		take_extras(f, i, given, server, route);
	return (route);
}

/* Written as those of servers are, or as those of replication.routes. */
enum form { FORM_MESH = 1, FORM_LINKS = 2, FORM_ANY = 3 };

static json_t *
read_of_form(struct faults *f, size_t i, const json_t *given, int server, enum form form)
{
	if (form == FORM_LINKS || (form == FORM_ANY && linkroutes_is(given)))
		return (linkroutes_read(f, i, given));
	if (json_is_object(given))
		return (read_route(f, i, given, server));
	fault(f, "'routes[%zu]' must be of type object", i);
	return (json_null());
}

/* The routes of the body as they are kept. */
static json_t *
read_routes(struct faults *f, const json_t *body, int server, enum form form)
{
	json_t *given = field_array(f, body, "routes", 1), *list = json_array(), *g;
	size_t i;

	if (json_array_size(given) > ROUTES_MAX) {
		fault(f, "'routes' must contain less than or equal to %d items", ROUTES_MAX);
		given = NULL;
	}
	json_array_foreach(given, i, g)
		json_array_append_new(list, read_of_form(f, i, g, server, form));
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

/* {key: list}; checked first, so that what fails afterwards is not the caller's fault. 0 or answered. */
static int
save_routes(struct request *r, const json_t *lists)
{
	json_t *report = NULL;
	char *err = NULL;
	int status = json_object_size(lists) == 0 ? 200 :
						    ops_change_conf(r->ops, lists, &report, &err);

	json_decref(report);
	for (char *p = err; p != NULL && (p = strchr(p, '\n')) != NULL; p++)
		*p = ';';
	if (status != 200)
		reply_error(r, status, "%s", err != NULL ? err : "the routes cannot be saved");
	free(err);
	return (status == 200 ? 0 : -1);
}

static int
save_list(struct request *r, enum conf_key key, const json_t *list)
{
	json_t *lists = json_pack("{s:O}", conf_name(key), list);
	int rc = save_routes(r, lists);

	json_decref(lists);
	return (rc);
}

static void
answer_set(struct request *r, const json_t *set, const json_t *skipped)
{
	reply_json(r, 200,
	    json_pack("{s:s, s:O, s:O}", "message", "cluster routes successfully set", "set", set,
		"skipped", skipped));
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
	else if (json_array_size(set) == 0 || save_list(r, servers[server].key, list) == 0)
		answer_set(r, set, skipped);
	json_decref(list);
	json_decref(set);
	json_decref(skipped);
}

/* Into replication.routes. */
static void
set_link_routes(struct request *r, struct conf *conf, json_t *routes)
{
	json_t *list = json_deep_copy(conf_list(conf, REP_ROUTES)), *route;
	json_t *set = json_array(), *skipped = json_array();
	size_t i;

	json_array_foreach(routes, i, route)
		json_array_append(linkroutes_put(conf, list, route) ? set : skipped, route);
	if (json_array_size(set) == 0 || save_list(r, REP_ROUTES, list) == 0)
		answer_set(r, set, skipped);
	json_decref(list);
	json_decref(set);
	json_decref(skipped);
}

/* Those of the NATS mesh are a server's, and have a host. */
static int
is_of_mesh(const json_t *body)
{
	const json_t *route;
	size_t i;

	if (json_object_get(body, "server") != NULL)
		return (1);
	json_array_foreach(json_object_get(body, "routes"), i, route)
		if (!linkroutes_is(route) && json_object_get(route, "host") != NULL)
			return (1);
	return (0);
}

/* Whether there is nothing that a route of the mesh could be of; then answered. */
static int
has_no_servers(struct request *r)
{
	if (!r->ops->data.live.external)
		return (0);
	reply_error(r, 409,
	    "This node uses the servers of nats.urls and has none of its own: routes are in their "
	    "configuration");
	return (1);
}

static int
all_links(const json_t *routes)
{
	const json_t *route;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)routes, i, route)
		if (!linkroutes_is(route))
			return (0);
	return (1);
}

void
op_routes_set(struct request *r)
{
	struct faults f = { 0 };
	int mesh = is_of_mesh(r->body), server = mesh ? field_server(&f, r->body) : -1;
	json_t *routes = read_routes(&f, r->body, server == -1 ? LEAF : server,
	    mesh ? FORM_MESH : FORM_LINKS);
	struct conf *conf;

	linkroutes_check_starts(&f, "routes", routes);
	if (!faults_answer(r, &f) && !(mesh && has_no_servers(r))) {
		pthread_mutex_lock(&routes_lock);
		conf = data_conf(&r->ops->data);
		if (mesh)
			set_routes(r, conf, server, routes);
		else
			set_link_routes(r, conf, routes);
		conf_free(conf);
		pthread_mutex_unlock(&routes_lock);
	}
	json_decref(routes);
}

/* A node that is in no NATS mesh has one list; one that has both says which is which. */
static json_t *
routes_shown(const struct conf *conf)
{
	const json_t *links = conf_list(conf, REP_ROUTES);
	json_t *o;

	if (repconf_on(conf) && !conf_bool(conf, CL_ENABLED))
		return (json_deep_copy(links));
	if (natsconf_is_external(conf))
		o = json_pack("{s:[], s:[]}", "hub", "leaf");
	else
		o = json_pack("{s:o, s:o}", "hub", json_deep_copy(conf_list(conf, HUB_ROUTES)),
		    "leaf", json_deep_copy(conf_list(conf, LEAF_ROUTES)));
	if (repconf_on(conf) || json_array_size(links) > 0)
		json_object_set_new(o, "replication", json_deep_copy(links));
	return (o);
}

void
op_routes_get(struct request *r)
{
	struct conf *conf = data_conf(&r->ops->data);

	reply_json(r, 200, routes_shown(conf));
	conf_free(conf);
}

/* ---- cluster_delete_routes ---- */

static const enum conf_key route_keys[] = { HUB_ROUTES, LEAF_ROUTES, REP_ROUTES };
#define ROUTE_KEYS (sizeof(route_keys) / sizeof(route_keys[0]))

static json_t *
route_lists(const struct conf *conf)
{
	json_t *lists = json_object();

	for (size_t i = 0; i < ROUTE_KEYS; i++)
		json_object_set_new(lists, conf_name(route_keys[i]),
		    json_deep_copy(conf_list(conf, route_keys[i])));
	return (lists);
}

/* Only those that are not as they were. */
static void
keep_changed(const struct conf *conf, json_t *lists)
{
	for (size_t i = 0; i < ROUTE_KEYS; i++)
		if (json_array_size(json_object_get(lists, conf_name(route_keys[i]))) ==
		    json_array_size(conf_list(conf, route_keys[i])))
			json_object_del(lists, conf_name(route_keys[i]));
}

/* Whether it was in any list that it may be in. */
static int
delete_route(const struct conf *conf, json_t *lists, const json_t *route)
{
	int links = linkroutes_is(route), found = 0;

	for (size_t i = 0; i < ROUTE_KEYS; i++) {
		json_t *list = json_object_get(lists, conf_name(route_keys[i]));

		if (links == (route_keys[i] == REP_ROUTES))
			found |= json_array_remove(list,
				     links ? linkroutes_find(conf, list, route) :
					     find_route(list, route)) == 0;
	}
	return (found);
}

static void
delete_routes(struct request *r, struct conf *conf, const json_t *routes)
{
	json_t *deleted = json_array(), *skipped = json_array(), *lists = route_lists(conf);
	json_t *route;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)routes, i, route)
		if (delete_route(conf, lists, route))
			json_array_append(deleted, route);
		else if (!jsonlist_has(deleted, route))
			json_array_append(skipped, route);
	keep_changed(conf, lists);
	if (save_routes(r, lists) == 0)
		reply_json(r, 200,
		    json_pack("{s:s, s:O, s:O}", "message", "cluster routes successfully deleted",
			"deleted", deleted, "skipped", skipped));
	json_decref(lists);
	json_decref(deleted);
	json_decref(skipped);
}

void
op_routes_delete(struct request *r)
{
	struct faults f = { 0 };
	json_t *routes = read_routes(&f, r->body, -1, FORM_ANY);
	struct conf *conf;

	if (!faults_answer(r, &f) && !(!all_links(routes) && has_no_servers(r))) {
		pthread_mutex_lock(&routes_lock);
		conf = data_conf(&r->ops->data);
		delete_routes(r, conf, routes);
		conf_free(conf);
		pthread_mutex_unlock(&routes_lock);
	}
	json_decref(routes);
}

int
op_routes_forget(struct request *r, const char *hostname, size_t *n)
{
	struct conf *conf;
	json_t *list, *route;
	struct repconf_route at;
	size_t i;
	int rc;

	pthread_mutex_lock(&routes_lock);
	conf = data_conf(&r->ops->data);
	list = json_array();
	json_array_foreach(conf_list(conf, REP_ROUTES), i, route)
		if (repconf_route(conf, route, &at) == -1 || strcasecmp(at.host, hostname) != 0)
			json_array_append(list, route);
	*n = json_array_size(conf_list(conf, REP_ROUTES)) - json_array_size(list);
	rc = *n > 0 ? save_list(r, REP_ROUTES, list) : 0;
	json_decref(list);
	conf_free(conf);
	pthread_mutex_unlock(&routes_lock);
	return (rc);
}
