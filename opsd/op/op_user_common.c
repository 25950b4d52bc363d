#include "config.h"

#include "opsd/op/op_user.h"

#include <stdlib.h>
#include <string.h>

#include "common/conf/tlsconf.h"
#include "common/tls/authority.h"
#include "opsd/auth/auth.h"
#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/op/op.h"
#include "opsd/store/sysrow.h"

/* What the operations on users and on roles have in common. */

const char *
user_row_text(const json_t *row, const char *name)
{
	const char *s = json_string_value(json_object_get(row, name));

	return (s != NULL ? s : "");
}

json_t *
role_named(struct ops *ops, const char *name)
{
	json_t *roles = sysrow_all(&ops->data, SYS_ROLE), *role, *found = NULL;
	size_t i;

	json_array_foreach(roles, i, role)
		if (found == NULL && strcmp(user_row_text(role, "role"), name) == 0)
			found = json_incref(role);
	json_decref(roles);
	return (found);
}

int
role_is(const json_t *role, const char *type)
{
	return (json_is_true(json_object_get(json_object_get(role, "permission"), type)));
}

int
roles_are(const json_t *roles, const char *type)
{
	const json_t *role;
	size_t i;
	int are = 0;

	json_array_foreach(roles, i, role)
		are |= role_is(role, type);
	return (are);
}

json_t *
roles_of(struct ops *ops, const json_t *user)
{
	json_t *ids = user_role_ids(user), *roles = json_array(), *id, *role;
	size_t i;

	json_array_foreach(ids, i, id)
		if (json_is_string(id) &&
		    (role = sysrow_get(&ops->data, SYS_ROLE, json_string_value(id))) != NULL)
			json_array_append_new(roles, role);
	json_decref(ids);
	return (roles);
}

void
op_user_change(struct request *r, void (*fn)(struct request *r))
{
	struct auth *a = r->ops->auth;

	auth_change_begin(a);
	fn(r);
	auth_change_end(a);
}

unsigned
user_supers(struct ops *ops, const char *but_user, const char *but_role)
{
	json_t *users = sysrow_all(&ops->data, SYS_USER), *row;
	unsigned n = 0;
	size_t i;

	json_array_foreach(users, i, row) {
		struct user *u = user_from_row(&ops->data, row);

		n += u->active && strcmp(u->name, but_user) != 0 &&
		    user_is_super_without(u, but_role);
		user_unref(u);
	}
	json_decref(users);
	return (n);
}

/* The conf is freed. */
static int
conf_needs(struct ops *ops, struct conf *conf, const char *user, const char *role)
{
	const char *name = conf_bool(conf, CL_ENABLED) ? conf_str(conf, CL_USER) : NULL;
	struct user *u = name != NULL ? user_load(&ops->data, name) : NULL;
	int needs = u != NULL && u->cluster_user && u->active &&
	    (strcmp(u->name, user) == 0 || !user_is_cluster_without(u, role));

	user_unref(u);
	conf_free(conf);
	return (needs);
}

int
user_cluster_needs(struct ops *ops, const char *user, const char *role)
{
	return (conf_needs(ops, data_conf(&ops->data), user, role) ||
	    conf_needs(ops, ops_conf_set(ops), user, role));
}

const char *
user_weak_secret(struct ops *ops, const json_t *roles, const char *username, const char *password)
{
	struct conf *set = ops_conf_set(ops);
	int matters = password != NULL && roles_are(roles, "cluster_user") &&
	    tlsconf_trust(set) == TLSCONF_SECRET;

	conf_free(set);
	return (matters ? authority_weakness(username, password) : NULL);
}
