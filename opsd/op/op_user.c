#include "config.h"

#include "opsd/op/op_user.h"

#include <stdlib.h>
#include <string.h>

#include "common/tls/crypto.h"
#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/op/op.h"
#include "opsd/store/sysrow.h"

#define PASSWORD_MAX 1000
#define SECRET_LEN   16 /* bytes of a password that the node makes */
#define WEAK_SECRET                                                                                    \
	"'password' of a cluster_user is the cluster's secret, but this one %s. Use a random one, or " \
	"give the nodes certificates of their own first"

/* ---- making ---- */

/* A string without a NUL in it. */
static int
is_plain_text(const json_t *v)
{
	return (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v));
}

static void
fault_username(struct faults *f, const char *name)
{
	const char *why = name != NULL ? user_name_fault(name) : NULL;

	if (why != NULL)
		fault(f, "'username' %s", why);
}

static void
fault_password(struct faults *f, const char *password)
{
	if (password != NULL && strlen(password) > PASSWORD_MAX)
		fault(f, "'password' length must be less than or equal to %d characters long",
		    PASSWORD_MAX);
}

/* A name, or an array of different ones. */
static void
fault_roles(struct faults *f, const json_t *v)
{
	const json_t *e;
	size_t i;

	if (!json_is_array(v)) {
		fault(f, "'role' must be a string or an array");
		return;
	}
	if (json_array_size(v) == 0)
		fault(f, "'role' must contain at least 1 item");
	if (json_array_size(v) > USER_ROLES_MAX)
		fault(f, "'role' must contain less than or equal to %d items", USER_ROLES_MAX);
	json_array_foreach(v, i, e) {
		if (!is_plain_text(e) || json_string_length(e) == 0)
			fault(f, "'role[%zu]' must be a string", i);
		for (size_t k = 0; k < i && i < USER_ROLES_MAX; k++)
			if (json_equal(json_array_get(v, k), e))
				fault(f, "'role[%zu]' is the same as 'role[%zu]'", i, k);
	}
}

/* The roles of those names: new reference, or NULL with the first that is none in *missing. */
static json_t *
roles_named(struct ops *ops, const json_t *v, const char **missing)
{
	json_t *names = json_is_array(v) ? json_incref((json_t *)(uintptr_t)v) :
					   json_pack("[O]", v);
	json_t *roles = json_array(), *name, *role;
	size_t i;

	*missing = NULL;
	json_array_foreach(names, i, name) {
		if ((role = role_named(ops, json_string_value(name))) != NULL)
			json_array_append_new(roles, role);
		else if (*missing == NULL)
			*missing = json_string_value(name);
	}
	json_decref(names);
	if (*missing == NULL)
		return (roles);
	json_decref(roles);
	return (NULL);
}

/* For user_row; NULL of none. */
static json_t *
ids_of(const json_t *roles)
{
	json_t *ids = roles != NULL ? json_array() : NULL;
	const json_t *role;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)roles, i, role)
		json_array_append(ids, json_object_get(role, "id"));
	return (ids);
}

/* One that is to be. */
struct new_user {
	const char *username, *password;
	int active;
	char made[2 * SECRET_LEN + 1]; /* the password, if the node makes it */
};

/* The only answer that has a password, which nobody can ask for again. */
static void
reply_added(struct request *r, const struct new_user *u)
{
	if (u->password != u->made)
		reply_message(r, "%s successfully added", u->username);
	else
		reply_json(r, 200,
		    json_pack("{s:o, s:s}", "message",
			json_sprintf(
			    "%s successfully added, with a password that is shown only this "
			    "once: it is the cluster's secret",
			    u->username),
			"password", u->made));
}

static void
insert_user(struct request *r, const struct new_user *u, const json_t *roles)
{
	int cluster = roles_are(roles, "cluster_user"), status;
	json_t *ids = ids_of(roles),
	       *row = user_row(&r->ops->data, u->username, u->password, ids, cluster);
	char *err = NULL;

	json_decref(ids);
	json_object_set_new(row, "active", json_boolean(u->active));
	status = sysrow_insert(&r->ops->data, SYS_USER, row, &err);
	json_decref(row);
	if (status == 200)
		reply_added(r, u);
	else if (status == 409) {
		reply_error(r, 409, "User %s already exists", u->username);
		free(err);
	} else
		reply_failed(r, status, err);
}

/* A cluster_user's may be left to the node. */
static int
leaves_password(struct request *r)
{
	const json_t *name = json_object_get(r->body, "role");
	json_t *role = json_is_string(name) && json_object_get(r->body, "password") == NULL ?
	    role_named(r->ops, json_string_value(name)) :
	    NULL;
	int leaves = role_is(role, "cluster_user");

	json_decref(role);
	return (leaves);
}

static void
read_password(struct request *r, struct faults *f, struct new_user *u)
{
	if (leaves_password(r)) {
		crypto_random_hex(u->made, SECRET_LEN);
		u->password = u->made;
	} else
		u->password = field_string(f, r->body, "password", 1);
	fault_password(f, u->password);
}

static void
check_and_insert(struct request *r, const struct new_user *u, const json_t *names)
{
	const char *missing, *weak;
	json_t *roles = roles_named(r->ops, names, &missing);
	json_t *user = sysrow_get(&r->ops->data, SYS_USER, u->username);

	if (roles == NULL)
		reply_error(r, 404, "%s role not found", missing);
	else if (user != NULL)
		reply_error(r, 409, "User %s already exists", u->username);
	else if ((weak = user_weak_secret(r->ops, roles, u->username, u->password)) != NULL)
		reply_error(r, 400, WEAK_SECRET, weak);
	else
		insert_user(r, u, roles);
	json_decref(roles);
	json_decref(user);
}

/* Beside other faults: alone it is no bad request, but a role that is not found. */
static void
fault_missing_role(struct request *r, struct faults *f, const json_t *names)
{
	const char *missing;
	json_t *roles = roles_named(r->ops, names, &missing);

	if (roles == NULL)
		fault(f, "%s role not found", missing);
	json_decref(roles);
}

static void
add_user_run(struct request *r)
{
	int others;
	const json_t *names = json_object_get(r->body, "role");
	struct faults f = { 0 };
	struct new_user u = { .username = field_string(&f, r->body, "username", 1) };

	fault_username(&f, u.username);
	read_password(r, &f, &u);
	u.active = field_bool(&f, r->body, "active", 0) != 0;
	others = f.n;
	if (names == NULL || json_is_string(names))
		field_string(&f, r->body, "role", 1);
	else
		fault_roles(&f, names);
	if (others > 0 && f.n == others)
		fault_missing_role(r, &f, names);
	if (!faults_answer(r, &f))
		check_and_insert(r, &u, names);
	explicit_bzero(u.made, sizeof(u.made));
}

static void
add_user(struct request *r)
{
	op_user_change(r, add_user_run);
}

/* ---- altering ---- */

/* In the words, and with the status, that the peers' clients know; NULL: nothing wrong. */
static const char *
alter_fault(const json_t *body)
{
	const json_t *password = json_object_get(body, "password");
	const json_t *role = json_object_get(body, "role"),
		     *active = json_object_get(body, "active");

	if (!is_plain_text(json_object_get(body, "username")) ||
	    user_row_text(body, "username")[0] == '\0')
		return ("username is required");
	if (password == NULL && role == NULL && active == NULL)
		return ("nothing to update, must supply active, role or password to update");
	if (role != NULL && !json_is_array(role) &&
	    (!is_plain_text(role) || json_string_length(role) == 0))
		return ("If role is specified, it cannot be empty.");
	if (password != NULL &&
	    (!is_plain_text(password) || user_row_text(body, "password")[0] == '\0'))
		return ("password cannot be an empty string");
	if (active != NULL && !json_is_boolean(active))
		return ("active must be true or false");
	return (NULL);
}

/* What a user is to become. */
struct altering {
	const char *username, *password;
	const json_t *user, *active;
	const json_t *was, *roles; /* roles NULL: as they were */
};

/* 1 with the request answered. */
static int
alter_refused(struct request *r, const struct altering *a)
{
	const json_t *roles = a->roles != NULL ? a->roles : a->was;
	int active = !json_is_false(a->active != NULL ? a->active :
							json_object_get(a->user, "active"));
	const char *weak = user_weak_secret(r->ops, roles, a->username, a->password);

	if (a->password != NULL && strlen(a->password) > PASSWORD_MAX)
		reply_error(r, 400,
		    "'password' length must be less than or equal to %d characters "
		    "long",
		    PASSWORD_MAX);
	else if (weak != NULL)
		reply_error(r, 400, WEAK_SECRET, weak);
	else if (roles_are(roles, "cluster_user") && !roles_are(a->was, "cluster_user") &&
	    a->password == NULL)
		reply_error(r, 400,
		    "'password' is required when the role becomes one of cluster "
		    "users");
	else if (roles_are(a->was, "super_user") && !(active && roles_are(roles, "super_user")) &&
	    !json_is_false(json_object_get(a->user, "active")) &&
	    user_supers(r->ops, a->username, "") == 0)
		reply_error(r, 409,
		    "User %s is the last active super_user: it cannot be made "
		    "inactive or given another role",
		    a->username);
	else if (!(active && roles_are(roles, "cluster_user")) &&
	    user_cluster_needs(r->ops, a->username, ""))
		reply_error(r, 409,
		    "User %s is the one of clustering.user: while clustering is "
		    "enabled it cannot be made inactive or lose the role of a cluster_user",
		    a->username);
	else
		return (0);
	return (1);
}

static void
alter_row(struct request *r, const struct altering *a)
{
	int cluster = roles_are(a->roles != NULL ? a->roles : a->was, "cluster_user"), status;
	json_t *ids, *row;
	char *err = NULL;

	if (alter_refused(r, a))
		return;
	ids = ids_of(a->roles);
	row = user_row(&r->ops->data, a->username, a->password, ids, cluster);
	json_decref(ids);
	if (a->active != NULL)
		json_object_set(row, "active", (json_t *)(uintptr_t)a->active);
	/* Only a cluster user's password is to be read again. */
	if (!cluster)
		json_object_set_new(row, "sealed", json_null());
	status = sysrow_put(&r->ops->data, SYS_USER, row, &err);
	json_decref(row);
	if (status == 200)
		reply_json(r, 200,
		    json_pack("{s:s, s:[s], s:[]}", "message", "updated 1 of 1 records",
			"update_hashes", a->username, "skipped_hashes"));
	else
		reply_failed(r, status, err);
}

static void
alter_user_run(struct request *r)
{
	const char *wrong = alter_fault(r->body), *missing = NULL;
	const json_t *names = json_object_get(r->body, "role");
	struct altering a = {
		.username = user_row_text(r->body, "username"),
		.password = json_string_value(json_object_get(r->body, "password")),
		.active = json_object_get(r->body, "active"),
	};
	struct faults f = { 0 };
	json_t *user, *was, *roles;

	if (wrong != NULL) {
		reply_error(r, 500, "%s", wrong);
		return;
	}
	if (json_is_array(names))
		fault_roles(&f, names);
	if (faults_answer(r, &f))
		return;
	a.user = user = sysrow_get(&r->ops->data, SYS_USER, a.username);
	a.was = was = roles_of(r->ops, user);
	a.roles = roles = names != NULL ? roles_named(r->ops, names, &missing) : NULL;
	if (missing != NULL)
		reply_error(r, 404, "Update failed.  Requested '%s' role not found.", missing);
	else if (user == NULL)
		reply_error(r, 404, "User %s does not exist", a.username);
	else
		alter_row(r, &a);
	json_decref(roles);
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

	if (faults_answer(r, &f))
		return;
	if ((u = user_load(&r->ops->data, username)) == NULL)
		reply_error(r, 404, "User %s does not exist", username);
	else if (u->super_user && u->active && user_supers(r->ops, username, "") == 0)
		reply_error(r, 409, "User %s is the last active super_user: it cannot be dropped",
		    username);
	else if (user_cluster_needs(r->ops, username, ""))
		reply_error(r, 409,
		    "User %s is the one of clustering.user: while clustering is "
		    "enabled it cannot be dropped",
		    username);
	else if ((status = sysrow_remove(&r->ops->data, SYS_USER, username, &err)) == 200)
		reply_message(r, "%s successfully deleted", username);
	else
		reply_failed(r, status, err);
	user_unref(u);
}

static void
drop_user(struct request *r)
{
	op_user_change(r, drop_user_run);
}

const struct op ops_user[] = {
	{ "add_user", "addUser", RIGHT_ADMIN, ON_WORKER, add_user },
	{ "alter_user", "alterUser", RIGHT_ADMIN, ON_WORKER, alter_user },
	{ "drop_user", "dropUser", RIGHT_ADMIN, ON_WORKER, drop_user },
	{ "list_users", "listUsersExternal", RIGHT_SUPER, ON_WORKER, op_user_show_all },
	{ "user_info", "userInfo", RIGHT_SELF, ON_WORKER, op_user_show_own },
	{ NULL },
};
