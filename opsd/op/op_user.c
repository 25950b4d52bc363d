#include "config.h"

#include "op_user.h"

#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "cluster.h"
#include "mem.h"
#include "op.h"
#include "ops.h"
#include "sysrow.h"
#include "user.h"

#define PASSWORD_MAX	1000

const char *
row_text(const json_t *row, const char *name)
{
	const char *s = json_string_value(json_object_get(row, name));

	return (s != NULL ? s : "");
}

json_t *
role_named(struct ops *ops, const char *name)
{
	json_t *roles = sysrow_all(ops, SYS_ROLE), *role, *found = NULL;
	size_t i;

	json_array_foreach(roles, i, role)
		if (found == NULL && strcmp(row_text(role, "role"), name) == 0)
			found = json_incref(role);
	json_decref(roles);
	return (found);
}

int
role_is(const json_t *role, const char *type)
{
	return (json_is_true(json_object_get(json_object_get(role, "permission"), type)));
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
super_users(struct ops *ops, const char *but_user, const char *but_role)
{
	json_t *users = sysrow_all(ops, SYS_USER), *row;
	unsigned n = 0;
	size_t i;

	json_array_foreach(users, i, row) {
		struct user *u = user_from_row(ops, row);

		n += u->super_user && u->active && strcmp(u->name, but_user) != 0 &&
		    strcmp(u->role_id, but_role) != 0;
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
	struct user *u = name != NULL ? user_load(ops, name) : NULL;
	int needs = u != NULL && u->cluster_user && u->active &&
	    (strcmp(u->name, user) == 0 || strcmp(u->role_id, role) == 0);

	user_unref(u);
	conf_free(conf);
	return (needs);
}

int
cluster_needs(struct ops *ops, const char *user, const char *role)
{
	return (conf_needs(ops, ops_conf(ops), user, role) ||
	    conf_needs(ops, ops_conf_set(ops), user, role));
}

void
users_changed(struct ops *ops, int cluster_user)
{
	auth_changed(ops->auth);
	if (cluster_user)
		cluster_settings(ops->cluster);
}

/* ---- making ---- */

static void
fault_username(struct faults *f, const char *name)
{
	if (name != NULL && strchr(name, ':') != NULL)
		fault(f, "'username' must not contain a colon");
	for (const char *p = name; p != NULL && *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			fault(f, "'username' must not contain control characters");
			break;
		}
	if (name != NULL && strlen(name) > USER_NAME_MAX)
		fault(f, "'username' length must be less than or equal to %d characters long",
		    USER_NAME_MAX);
}

static void
fault_password(struct faults *f, const char *password)
{
	if (password != NULL && strlen(password) > PASSWORD_MAX)
		fault(f, "'password' length must be less than or equal to %d characters long",
		    PASSWORD_MAX);
}

static void
insert_user(struct request *r, const char *username, const char *password, int active,
    const json_t *role)
{
	json_t *row = user_row(r->ops, username, password, row_text(role, "id"),
	    role_is(role, "cluster_user"));
	char *err = NULL;
	int status;

	json_object_set_new(row, "active", json_boolean(active));
	status = sysrow_insert(r->ops, SYS_USER, row, &err);
	json_decref(row);
	if (status == 200) {
		users_changed(r->ops, role_is(role, "cluster_user"));
		reply_message(r, "%s successfully added", username);
	} else if (status == 409) {
		reply_error(r, 409, "User %s already exists", username);
		free(err);
	} else
		reply_failed(r, status, err);
}

static void
add_user_run(struct request *r)
{
	struct faults f = { 0 };
	const char *username = field_string(&f, r->body, "username", 1);
	const char *password = field_string(&f, r->body, "password", 1);
	const char *role_name = field_string(&f, r->body, "role", 1);
	int active = field_bool(&f, r->body, "active", 0);
	json_t *role, *user;

	fault_username(&f, username);
	fault_password(&f, password);
	if (op_faults(r, &f))
		return;
	role = role_named(r->ops, role_name);
	user = sysrow_get(r->ops, SYS_USER, username);
	if (role == NULL)
		reply_error(r, 404, "%s role not found", role_name);
	else if (user != NULL)
		reply_error(r, 409, "User %s already exists", username);
	else
		insert_user(r, username, password, active != 0, role);
	json_decref(role);
	json_decref(user);
}

static void
add_user(struct request *r)
{
	op_user_change(r, add_user_run);
}

/* ---- altering ---- */

/* A string without a NUL in it. */
static int
is_text(const json_t *v)
{
	return (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v));
}

/* In the words, and with the status, that the peers' clients know; NULL: nothing wrong. */
static const char *
alter_fault(const json_t *body)
{
	const json_t *password = json_object_get(body, "password");
	const json_t *role = json_object_get(body, "role"), *active = json_object_get(body, "active");

	if (!is_text(json_object_get(body, "username")) || row_text(body, "username")[0] == '\0')
		return ("username is required");
	if (password == NULL && role == NULL && active == NULL)
		return ("nothing to update, must supply active, role or password to update");
	if (role != NULL && (!is_text(role) || row_text(body, "role")[0] == '\0'))
		return ("If role is specified, it cannot be empty.");
	if (password != NULL && (!is_text(password) || row_text(body, "password")[0] == '\0'))
		return ("password cannot be an empty string");
	if (active != NULL && !json_is_boolean(active))
		return ("active must be true or false");
	return (NULL);
}

/* What a user is to become. */
struct altering {
	const char	*username, *password;
	const json_t	*user, *was, *role, *active;	/* role NULL: as it was */
};

/* 1 with the request answered. */
static int
alter_refused(struct request *r, const struct altering *a)
{
	const json_t *role = a->role != NULL ? a->role : a->was;
	int active = !json_is_false(a->active != NULL ? a->active :
	    json_object_get(a->user, "active"));

	if (a->password != NULL && strlen(a->password) > PASSWORD_MAX)
		reply_error(r, 400, "'password' length must be less than or equal to %d characters "
		    "long", PASSWORD_MAX);
	else if (role_is(role, "cluster_user") && !role_is(a->was, "cluster_user") &&
	    a->password == NULL)
		reply_error(r, 400, "'password' is required when the role becomes one of cluster "
		    "users");
	else if (role_is(a->was, "super_user") && !(active && role_is(role, "super_user")) &&
	    !json_is_false(json_object_get(a->user, "active")) &&
	    super_users(r->ops, a->username, "") == 0)
		reply_error(r, 409, "User %s is the last active super_user: it cannot be made "
		    "inactive or given another role", a->username);
	else if (!(active && role_is(role, "cluster_user")) &&
	    cluster_needs(r->ops, a->username, ""))
		reply_error(r, 409, "User %s is the one of clustering.user: while clustering is "
		    "enabled it cannot be made inactive or lose the role of a cluster_user",
		    a->username);
	else
		return (0);
	return (1);
}

static void
alter_row(struct request *r, const struct altering *a)
{
	const json_t *role = a->role != NULL ? a->role : a->was;
	int cluster = role_is(role, "cluster_user"), status;
	json_t *row;
	char *err = NULL;

	if (alter_refused(r, a))
		return;
	row = user_row(r->ops, a->username, a->password,
	    a->role != NULL ? row_text(a->role, "id") : NULL, cluster);
	if (a->active != NULL)
		json_object_set(row, "active", (json_t *)(uintptr_t)a->active);
	/* Only a cluster user's password is to be read again. */
	if (!cluster)
		json_object_set_new(row, "sealed", json_null());
	status = sysrow_put(r->ops, SYS_USER, row, &err);
	json_decref(row);
	if (status == 200) {
		users_changed(r->ops, cluster || role_is(a->was, "cluster_user"));
		reply_json(r, 200, json_pack("{s:s, s:[s], s:[]}", "message",
		    "updated 1 of 1 records", "update_hashes", a->username, "skipped_hashes"));
	} else
		reply_failed(r, status, err);
}

static void
alter_user_run(struct request *r)
{
	const char *wrong = alter_fault(r->body), *name = row_text(r->body, "role");
	struct altering a = { .username = row_text(r->body, "username"),
	    .password = json_string_value(json_object_get(r->body, "password")),
	    .active = json_object_get(r->body, "active") };
	json_t *user, *was, *role;

	if (wrong != NULL) {
		reply_error(r, 500, "%s", wrong);
		return;
	}
	a.user = user = sysrow_get(r->ops, SYS_USER, a.username);
	a.was = was = sysrow_get(r->ops, SYS_ROLE, row_text(user, "role"));
	a.role = role = name[0] != '\0' ? role_named(r->ops, name) : NULL;
	if (name[0] != '\0' && role == NULL)
		reply_error(r, 404, "Update failed.  Requested '%s' role not found.", name);
	else if (user == NULL)
		reply_error(r, 404, "User %s does not exist", a.username);
	else
		alter_row(r, &a);
	json_decref(role);
	json_decref(was);
	json_decref(user);
}

static void
alter_user(struct request *r)
{
	op_user_change(r, alter_user_run);
}

static void
drop_user_run(struct request *r)
{
	struct faults f = { 0 };
	const char *username = field_string(&f, r->body, "username", 1);
	struct user *u;
	char *err = NULL;
	int status;

	if (op_faults(r, &f))
		return;
	if ((u = user_load(r->ops, username)) == NULL)
		reply_error(r, 404, "User %s does not exist", username);
	else if (u->super_user && u->active && super_users(r->ops, username, "") == 0)
		reply_error(r, 409, "User %s is the last active super_user: it cannot be dropped",
		    username);
	else if (cluster_needs(r->ops, username, ""))
		reply_error(r, 409, "User %s is the one of clustering.user: while clustering is "
		    "enabled it cannot be dropped", username);
	else if ((status = sysrow_remove(r->ops, SYS_USER, username, &err)) == 200) {
		users_changed(r->ops, u->cluster_user);
		reply_message(r, "%s successfully deleted", username);
	} else
		reply_failed(r, status, err);
	user_unref(u);
}

static void
drop_user(struct request *r)
{
	op_user_change(r, drop_user_run);
}

/* ---- showing ---- */

/* As others see it: without secrets, with its whole role; takes the reference. */
static json_t *
shown_user(struct ops *ops, json_t *user, int times)
{
	json_t *role = sysrow_get(ops, SYS_ROLE, row_text(user, "role"));
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

const struct op ops_user[] = {
	{ "add_user", "addUser", RIGHT_SUPER, ON_WORKER, add_user },
	{ "alter_user", "alterUser", RIGHT_SUPER, ON_WORKER, alter_user },
	{ "drop_user", "dropUser", RIGHT_SUPER, ON_WORKER, drop_user },
	{ "list_users", "listUsersExternal", RIGHT_SUPER, ON_WORKER, list_users },
	{ "user_info", "userInfo", RIGHT_ANYONE, ON_WORKER, user_info },
	{ NULL }
};
