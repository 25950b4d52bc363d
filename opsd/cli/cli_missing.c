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

json_t *
cli_missing(const json_t *users, const json_t *config, const json_t *routes, const json_t *network)
{
	const json_t *clustering = json_object_get(config, "clustering");
	const char *name = json_string_value(json_object_get(clustering, "nodeName"));
	json_t *list = json_array();

	if (users != NULL) {
		add_missing(list, !somebody_is(users, "super_user"),
		    "no administrator: hubleaf add_user "
		    "username=NAME role=super_user active=true");
		add_missing(list, !somebody_is(users, "cluster_user"),
		    "no cluster user: hubleaf add_user "
		    "username=cluster role=cluster_user active=true, with the password of all nodes");
	}
	if (config != NULL)
		add_missing(list,
		    name == NULL || name[0] == '\0' ||
			!json_is_true(json_object_get(clustering, "enabled")),
		    "no node name (clustering.nodeName), or clustering is off: "
		    "hubleaf set_configuration clustering_enabled=true clustering_nodeName=NAME "
		    "clustering_user=cluster; systemctl restart hubleaf.target");
	if (routes != NULL)
		add_missing(list,
		    json_array_size(json_object_get(routes, "hub")) == 0 &&
			json_array_size(json_object_get(routes, "leaf")) == 0 &&
			json_array_size(network) <= 1,
		    "no route to another node: hubleaf "
		    "cluster_set_routes server=hub routes='[{\"host\": \"HOST\", \"port\": 9932}]', "
		    "here or there");
	return (list);
}
