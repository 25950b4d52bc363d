#include "config.h"

#include "opsd/cli/cli.h"

static int
role_is(const json_t *role, const char *permission)
{
	return (json_is_true(json_object_get(json_object_get(role, "permission"), permission)));
}

/* A permission that is `true` for one of the active users. */
static int
somebody_is(const json_t *users, const char *permission)
{
	const json_t *user, *role;
	size_t i, k;
	int is = 0;

	json_array_foreach(users, i, user) {
		if (json_is_false(json_object_get(user, "active")))
			continue;
		is |= role_is(json_object_get(user, "role"), permission);
		json_array_foreach(json_object_get(user, "roles"), k, role)
			is |= role_is(role, permission);
	}
	return (is);
}

static void
add_missing(json_t *list, int missing, const char *what)
{
	if (missing)
		json_array_append_new(list, json_string(what));
}

static void
miss_users(json_t *list, const json_t *users, int meshed)
{
	add_missing(list, !somebody_is(users, "super_user"),
	    "no administrator: hubleaf add_user "
	    "username=NAME role=super_user active=true");
	add_missing(list, meshed && !somebody_is(users, "cluster_user"),
	    "no cluster user: hubleaf add_user "
	    "username=cluster role=cluster_user active=true, with the password of all nodes");
}

static void
miss_route(json_t *list, const json_t *routes, const json_t *network)
{
	add_missing(list,
	    json_array_size(json_object_get(routes, "hub")) == 0 &&
		json_array_size(json_object_get(routes, "leaf")) == 0 &&
		json_array_size(network) <= 1,
	    "no route to another node: hubleaf "
	    "cluster_set_routes server=hub routes='[{\"host\": \"HOST\", \"port\": 9932}]', "
	    "here or there");
}

/* Servers that are not the node's own have no routes here. */
static void
miss_node(json_t *list, const json_t *network)
{
	add_missing(list, network != NULL && json_array_size(network) <= 1,
	    "no other node in the network: one whose nats.urls lead to the same servers, with the "
	    "same nats.subject_prefix");
}

/* On a node that has links alone, the routes are a list. */
static void
miss_link(json_t *list, const json_t *routes, const json_t *status)
{
	add_missing(list,
	    json_array_size(routes) == 0 &&
		json_array_size(json_object_get(status, "connections")) == 0,
	    "no node to link with: hubleaf add_node hostname=HOST authorization=TOKEN, "
	    "with a token of create_join_token there");
}

/* Links are configured, though in force after a restart, perhaps. */
static int
is_to_link(const json_t *config)
{
	const json_t *replication = json_object_get(config, "replication");

	return (json_is_string(json_object_get(replication, "hostname")) ||
	    json_is_string(json_object_get(replication, "url")));
}

json_t *
cli_missing(const json_t *users, const json_t *config, const json_t *routes, const json_t *network,
    const json_t *status)
{
	const json_t *clustering = json_object_get(config, "clustering");
	const char *name = json_string_value(json_object_get(clustering, "nodeName"));
	int on = json_is_true(json_object_get(clustering, "enabled"));
	/* It says so when links are configured; of what did not answer nothing is said. */
	int meshed = on ||
	    (status != NULL && json_object_get(status, "type") == NULL && !is_to_link(config));
	int external = json_array_size(json_object_get(json_object_get(config, "nats"), "urls")) >
	    0;
	json_t *list = json_array();

	if (users != NULL)
		miss_users(list, users, meshed && !external);
	if (config != NULL && meshed)
		add_missing(list, name == NULL || name[0] == '\0' || !on,
		    "no node name (clustering.nodeName), or clustering is off: "
		    "hubleaf set_configuration clustering_enabled=true clustering_nodeName=NAME "
		    "clustering_user=cluster; systemctl restart hubleaf.target. Or, to link nodes by "
		    "host name, which needs none of these: hubleaf set_configuration "
		    "replication_hostname=HOST operationsApi_network_securePort=9926, and restart");
	if (external && on)
		miss_node(list, network);
	else if (routes != NULL && meshed)
		miss_route(list, routes, network);
	else if (routes != NULL && status != NULL)
		miss_link(list, routes, status);
	return (list);
}
