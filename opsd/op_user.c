#include "config.h"

#include "op.h"

#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "cluster.h"
#include "mem.h"
#include "ops.h"
#include "sysrow.h"

static const char *
text(const json_t *row, const char *name)
{
	const char *s = json_string_value(json_object_get(row, name));

	return (s != NULL ? s : "");
}

static int
has(const json_t *body, const char *name)
{
	return (json_object_get(body, name) != NULL);
}

/* By its name; new reference. */
static json_t *
role_named(struct ops *ops, const char *name)
{
	json_t *roles = sysrow_all(ops, SYS_ROLE), *role, *found = NULL;
	size_t i;

	json_array_foreach(roles, i, role)
		if (found == NULL && strcmp(text(role, "role"), name) == 0)
			found = json_incref(role);
	json_decref(roles);
	return (found);
}

static int
is_cluster_role(const json_t *role)
{
	return (json_is_true(json_object_get(json_object_get(role, "permission"), "cluster_user")));
}

/* What a user or a role was changed to is in force at once. */
static void
changed(struct ops *ops, int cluster_user)
{
	auth_changed(ops->auth);
	if (cluster_user)
		cluster_settings(ops->cluster);
}

static void
reply_updated(struct request *r, const char *key)
{
	reply_json(r, 200, json_pack("{s:s, s:[s], s:[]}", "message", "updated 1 of 1 records",
	    "update_hashes", key, "skipped_hashes"));
}

static void
reply_failed(struct request *r, int status, char *err)
{
	reply_error(r, status, "%s", err != NULL ? err : "not written");
	free(err);
}

/* ---- users ---- */

static void
fault_username(struct faults *f, const char *name)
{
	if (name != NULL && strchr(name, ':') != NULL)
		fault(f, "'username' must not contain a colon");
	if (name != NULL && strlen(name) > 250)
		fault(f, "'username' length must be less than or equal to 250 characters long");
}

static void
add_user(struct request *r)
{
	struct faults f = { 0 };
	const char *username = field_string(&f, r->body, "username", 1);
	const char *password = field_string(&f, r->body, "password", 1);
	const char *role_name = field_string(&f, r->body, "role", 1);
	int active = field_bool(&f, r->body, "active", 0), status;
	json_t *role, *row;
	char *err = NULL;

	fault_username(&f, username);
	if (op_faults(r, &f))
		return;
	if ((role = role_named(r->ops, role_name)) == NULL) {
		reply_error(r, 404, "%s role not found", role_name);
		return;
	}
	row = auth_user_row(r->ops, username, password, text(role, "id"), is_cluster_role(role));
	json_object_set_new(row, "active", json_boolean(active != 0));
	status = sysrow_insert(r->ops, SYS_USER, row, &err);
	json_decref(row);
	if (status == 200)
		changed(r->ops, is_cluster_role(role));
	json_decref(role);
	if (status == 200)
		reply_message(r, "%s successfully added", username);
	else if (status == 409) {
		reply_error(r, 409, "User %s already exists", username);
		free(err);
	} else
		reply_failed(r, status, err);
}

/* In the words, and with the status, that the peers' clients know; NULL: nothing wrong. */
static const char *
alter_fault(const json_t *body)
{
	const json_t *password = json_object_get(body, "password");
	const json_t *role = json_object_get(body, "role"), *active = json_object_get(body, "active");

	if (text(body, "username")[0] == '\0')
		return ("username is required");
	if (password == NULL && role == NULL && active == NULL)
		return ("nothing to update, must supply active, role or password to update");
	if (role != NULL && text(body, "role")[0] == '\0')
		return ("If role is specified, it cannot be empty.");
	if (password != NULL && text(body, "password")[0] == '\0')
		return ("password cannot be an empty string");
	if (active != NULL && !json_is_boolean(active))
		return ("active must be true or false");
	return (NULL);
}

static void
alter_row(struct request *r, const char *username, const json_t *user, const json_t *role)
{
	json_t *now = sysrow_get(r->ops, SYS_ROLE, text(user, "role"));
	int was = is_cluster_role(now), is = role != NULL ? is_cluster_role(role) : was, status;
	const char *password = json_string_value(json_object_get(r->body, "password"));
	json_t *row, *active = json_object_get(r->body, "active");
	char *err = NULL;

	json_decref(now);
	if (is && !was && password == NULL) {
		reply_error(r, 400, "'password' is required when the role becomes one of cluster users");
		return;
	}
	row = auth_user_row(r->ops, username, password, role != NULL ? text(role, "id") : NULL, is);
	if (active != NULL)
		json_object_set(row, "active", active);
	status = sysrow_put(r->ops, SYS_USER, row, &err);
	json_decref(row);
	if (status == 200) {
		changed(r->ops, is || was);
		reply_updated(r, username);
	} else
		reply_failed(r, status, err);
}

static void
alter_user(struct request *r)
{
	const char *wrong = alter_fault(r->body), *username = text(r->body, "username");
	json_t *role = NULL, *user = NULL;

	if (wrong != NULL) {
		reply_error(r, 500, "%s", wrong);
		return;
	}
	if (has(r->body, "role") && (role = role_named(r->ops, text(r->body, "role"))) == NULL)
		reply_error(r, 404, "Update failed.  Requested '%s' role not found.",
		    text(r->body, "role"));
	else if ((user = sysrow_get(r->ops, SYS_USER, username)) == NULL)
		reply_error(r, 404, "User %s does not exist", username);
	else
		alter_row(r, username, user, role);
	json_decref(role);
	json_decref(user);
}

static void
drop_user(struct request *r)
{
	struct faults f = { 0 };
	const char *username = field_string(&f, r->body, "username", 1);
	json_t *user;
	char *err = NULL;
	int status;

	if (op_faults(r, &f))
		return;
	if ((user = sysrow_get(r->ops, SYS_USER, username)) == NULL) {
		reply_error(r, 404, "User %s does not exist", username);
		return;
	}
	status = sysrow_remove(r->ops, SYS_USER, username, &err);
	if (status == 200) {
		changed(r->ops, has(user, "sealed"));
		reply_message(r, "%s successfully deleted", username);
	} else
		reply_failed(r, status, err);
	json_decref(user);
}

/* As others see it: without secrets, with its whole role; takes the reference. */
static json_t *
shown_user(struct ops *ops, json_t *user, int times)
{
	json_t *role = sysrow_get(ops, SYS_ROLE, text(user, "role"));
	json_t *o = json_pack("{s:O?, s:b, s:o?}", "username", json_object_get(user, "username"),
	    "active", !json_is_false(json_object_get(user, "active")), "role", role);

	if (times) {
		json_object_set(o, "__createdtime__", json_object_get(user, "__createdtime__"));
		json_object_set(o, "__updatedtime__", json_object_get(user, "__updatedtime__"));
	}
	json_decref(user);
	return (o);
}

static void
list_users(struct request *r)
{
	json_t *users = sysrow_all(r->ops, SYS_USER), *list = json_array(), *user;
	size_t i;

	json_array_foreach(users, i, user)
		json_array_append_new(list, shown_user(r->ops, json_incref(user), 0));
	json_decref(users);
	reply_json(r, 200, list);
}

static void
user_info(struct request *r)
{
	json_t *user = sysrow_get(r->ops, SYS_USER, r->user->name);

	if (user != NULL)
		reply_json(r, 200, shown_user(r->ops, user, 1));
	else
		reply_json(r, 200, json_pack("{s:s, s:b, s:{s:s?, s:s?, s:O?}}", "username",
		    r->user->name, "active", 1, "role", "id", r->user->role_id, "role",
		    r->user->role, "permission", r->user->permission));
}

/* ---- roles ---- */

static void
fault_permission(struct faults *f, const json_t *body, int required)
{
	static const char *const flags[] = { "super_user", "cluster_user" };
	const json_t *p = json_object_get(body, "permission"), *v;

	if (p == NULL && required)
		fault(f, "'permission' is required");
	if (p != NULL && !json_is_object(p))
		fault(f, "'permission' must be an object");
	for (size_t i = 0; json_is_object(p) && i < 2; i++) {
		v = json_object_get(p, flags[i]);
		if (v != NULL && !json_is_boolean(v))
			fault(f, "Value for '%s' permission must be a boolean", flags[i]);
		if (json_is_true(v) && json_object_size(p) > 1)
			fault(f, "Roles with '%s' set to true cannot have other permissions set.",
			    flags[i]);
	}
}

static void
add_role(struct request *r)
{
	struct faults f = { 0 };
	const char *name = field_string(&f, r->body, "role", 1);
	json_t *role;
	char id[37], *err = NULL;
	int status;

	fault_permission(&f, r->body, 1);
	if (op_faults(r, &f))
		return;
	if ((role = role_named(r->ops, name)) != NULL) {
		json_decref(role);
		reply_error(r, 409, "A role with name '%s' already exists", name);
		return;
	}
	crypto_uuid(id);
	role = json_pack("{s:s, s:s, s:O}", "id", id, "role", name, "permission",
	    json_object_get(r->body, "permission"));
	status = sysrow_insert(r->ops, SYS_ROLE, role, &err);
	json_decref(role);
	if (status == 200)
		reply_json(r, 200, sysrow_get(r->ops, SYS_ROLE, id));
	else
		reply_failed(r, status, err);
}

/* A name that is another role's. */
static int
name_taken(struct ops *ops, const char *name, const char *id)
{
	json_t *other = name != NULL ? role_named(ops, name) : NULL;
	int taken = other != NULL && strcmp(text(other, "id"), id) != 0;

	json_decref(other);
	return (taken);
}

static void
put_role(struct request *r, const char *id, const char *name, const json_t *was)
{
	json_t *row = json_pack("{s:s}", "id", id), *p = json_object_get(r->body, "permission");
	char *err = NULL;
	int status;

	if (name != NULL)
		json_object_set_new(row, "role", json_string(name));
	if (p != NULL)
		json_object_set(row, "permission", p);
	status = sysrow_put(r->ops, SYS_ROLE, row, &err);
	if (status == 200) {
		changed(r->ops, is_cluster_role(was) || is_cluster_role(row));
		reply_updated(r, id);
	} else
		reply_failed(r, status, err);
	json_decref(row);
}

static void
alter_role(struct request *r)
{
	struct faults f = { 0 };
	const char *id = field_string(&f, r->body, "id", 1);
	const char *name = field_string(&f, r->body, "role", 0);
	json_t *role;

	fault_permission(&f, r->body, !has(r->body, "role"));
	if (op_faults(r, &f))
		return;
	if ((role = sysrow_get(r->ops, SYS_ROLE, id)) == NULL)
		reply_error(r, 404, "Role not found");
	else if (name_taken(r->ops, name, id))
		reply_error(r, 409, "A role with name '%s' already exists", name);
	else
		put_role(r, id, name, role);
	json_decref(role);
}

static int
role_in_use(struct ops *ops, const char *id)
{
	json_t *users = sysrow_all(ops, SYS_USER), *user;
	int used = 0;
	size_t i;

	json_array_foreach(users, i, user)
		used |= strcmp(text(user, "role"), id) == 0 &&
		    !json_is_false(json_object_get(user, "active"));
	json_decref(users);
	return (used);
}

static void
drop_role(struct request *r)
{
	struct faults f = { 0 };
	const char *id = field_string(&f, r->body, "id", 1);
	json_t *role;
	char *err = NULL;
	int status;

	if (op_faults(r, &f))
		return;
	if ((role = sysrow_get(r->ops, SYS_ROLE, id)) == NULL)
		reply_error(r, 404, "Role not found");
	else if (role_in_use(r->ops, id))
		reply_error(r, 409, "Cannot drop role %s as it has active user(s) tied to this role",
		    text(role, "role"));
	else if ((status = sysrow_remove(r->ops, SYS_ROLE, id, &err)) != 200)
		reply_failed(r, status, err);
	else {
		changed(r->ops, is_cluster_role(role));
		reply_message(r, "%s successfully deleted", text(role, "role"));
	}
	json_decref(role);
}

static void
list_roles(struct request *r)
{
	reply_json(r, 200, sysrow_all(r->ops, SYS_ROLE));
}

const struct op ops_user[] = {
	{ "add_user", "addUser", RIGHT_SUPER, ON_WORKER, add_user },
	{ "alter_user", "alterUser", RIGHT_SUPER, ON_WORKER, alter_user },
	{ "drop_user", "dropUser", RIGHT_SUPER, ON_WORKER, drop_user },
	{ "list_users", "listUsersExternal", RIGHT_SUPER, ON_WORKER, list_users },
	{ "user_info", "userInfo", RIGHT_ANYONE, ON_WORKER, user_info },
	{ "add_role", "addRole", RIGHT_SUPER, ON_WORKER, add_role },
	{ "alter_role", "alterRole", RIGHT_SUPER, ON_WORKER, alter_role },
	{ "drop_role", "dropRole", RIGHT_SUPER, ON_WORKER, drop_role },
	{ "list_roles", "listRoles", RIGHT_SUPER, ON_WORKER, list_roles },
	{ NULL }
};
