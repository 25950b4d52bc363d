#include "config.h"

#include "opsd/op/op.h"

#include <string.h>

#include "opsd/auth/role.h"
#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/op/op_user.h"
#include "opsd/store/sysrow.h"

static enum role_operation
op_role_operation_cb(const char *name)
{
	const struct op *op = op_find(name);

	return (op == NULL                                          ? ROLE_OPERATION_NONE :
		op->right == RIGHT_ADMIN || op->right == RIGHT_JOIN ? ROLE_OPERATION_NEVER :
								      ROLE_OPERATION_GOOD);
}

/* The fields, then what the permission says; 1 with the request answered. */
static int
role_refused(struct request *r, struct faults *f, const char *name)
{
	const json_t *p = json_object_get(r->body, "permission");
	json_t *why;

	if (name != NULL && strlen(name) > ROLE_NAME_MAX)
		fault(f, "'role' length must be less than or equal to %d characters long",
		    ROLE_NAME_MAX);
	if (p != NULL && !json_is_object(p))
		fault(f, "'permission' must be an object");
	if (faults_answer(r, f))
		return (1);
	if ((why = role_refusal(r->ops->data.catalog, r->body, op_role_operation_cb)) != NULL)
		reply_json(r, 400, why);
	return (why != NULL);
}

static void
fault_permission(struct faults *f, const json_t *body)
{
	if (json_object_get(body, "permission") == NULL)
		fault(f, "'permission' is required");
}

/*
 * A role's id is the name that it was made with.  The name of one role is neither the name
 * nor the id of another: 1 with 409 answered.
 */
static int
name_taken(struct request *r, const char *name, const char *id)
{
	json_t *other = role_named(r->ops, name);
	int taken;

	if (other == NULL)
		other = sysrow_get(&r->ops->data, SYS_ROLE, name);
	taken = other != NULL && strcmp(user_row_text(other, "id"), id) != 0;
	if (taken && strcmp(user_row_text(other, "role"), name) == 0)
		reply_error(r, 409, "A role with name '%s' already exists", name);
	else if (taken)
		reply_error(r, 409,
		    "A role with name '%s' already exists: it is the id of the role "
		    "that is named '%s' now",
		    name, user_row_text(other, "role"));
	json_decref(other);
	return (taken);
}

static void
insert_role(struct request *r, const char *name)
{
	json_t *role = json_pack("{s:s, s:s, s:o}", "id", name, "role", name, "permission",
	    role_kept(json_object_get(r->body, "permission")));
	char *err = NULL;
	int status = sysrow_insert(&r->ops->data, SYS_ROLE, role, &err);

	json_decref(role);
	if (status == 200)
		reply_json(r, 200, sysrow_get(&r->ops->data, SYS_ROLE, name));
	else
		reply_failed(r, status, err);
}

static void
add_role_run(struct request *r)
{
	struct faults f = { 0 };
	const char *name = field_string(&f, r->body, "role", 1);

	fault_permission(&f, r->body);
	if (!role_refused(r, &f, name) && !name_taken(r, name, ""))
		insert_role(r, name);
}

static void
make_role(struct request *r)
{
	op_user_change(r, add_role_run);
}

static void
reply_role(struct request *r, const char *id)
{
	json_t *role = sysrow_get(&r->ops->data, SYS_ROLE, id);

	json_object_del(role, "__createdtime__");
	reply_json(r, 200, role);
}

static void
put_role(struct request *r, const char *id, const char *name)
{
	json_t *row = json_pack("{s:s}", "id", id), *p = json_object_get(r->body, "permission");
	char *err = NULL;
	int status;

	if (name != NULL)
		json_object_set_new(row, "role", json_string(name));
	if (p != NULL)
		json_object_set_new(row, "permission", role_kept(p));
	status = sysrow_put(&r->ops->data, SYS_ROLE, row, &err);
	if (status == 200)
		reply_role(r, id);
	else
		reply_failed(r, status, err);
	json_decref(row);
}

/* Would it leave nobody who may everything, while there is somebody? */
static int
demotes_last(struct request *r, const char *id, const json_t *was)
{
	const json_t *p = json_object_get(r->body, "permission");

	return (p != NULL && role_is(was, "super_user") &&
	    !json_is_true(json_object_get(p, "super_user")) && user_supers(r->ops, "", "") > 0 &&
	    user_supers(r->ops, "", id) == 0);
}

/* Would the cluster's user be none any more? */
static int
ends_cluster(struct request *r, const char *id)
{
	const json_t *p = json_object_get(r->body, "permission");

	return (p != NULL && !json_is_true(json_object_get(p, "cluster_user")) &&
	    user_cluster_needs(r->ops, "", id));
}

static void
alter_role_run(struct request *r)
{
	struct faults f = { 0 };
	const char *id = field_string(&f, r->body, "id", 1);
	const char *name = field_string(&f, r->body, "role", 0);
	json_t *role;

	if (json_object_get(r->body, "role") == NULL)
		fault_permission(&f, r->body);
	if (role_refused(r, &f, name))
		return;
	if ((role = sysrow_get(&r->ops->data, SYS_ROLE, id)) == NULL)
		reply_error(r, 404, "Role not found");
	else if (name != NULL && name_taken(r, name, id))
		;
	else if (demotes_last(r, id, role))
		reply_error(r, 409,
		    "Role %s is the one of the last active super_user: it must stay "
		    "a super_user role",
		    user_row_text(role, "role"));
	else if (ends_cluster(r, id))
		reply_error(r, 409,
		    "Role %s is the one of clustering.user: while clustering is "
		    "enabled it must stay a cluster_user role",
		    user_row_text(role, "role"));
	else
		put_role(r, id, name);
	json_decref(role);
}

static void
alter_role(struct request *r)
{
	op_user_change(r, alter_role_run);
}

static int
has_role(const json_t *user, const char *id)
{
	json_t *ids = user_role_ids(user), *e;
	int has = 0;
	size_t i;

	json_array_foreach(ids, i, e)
		has |= json_is_string(e) && strcmp(json_string_value(e), id) == 0;
	json_decref(ids);
	return (has);
}

static int
role_in_use(struct ops *ops, const char *id)
{
	json_t *users = sysrow_all(&ops->data, SYS_USER), *user;
	int used = 0;
	size_t i;

	json_array_foreach(users, i, user)
		used |= has_role(user, id) && !json_is_false(json_object_get(user, "active"));
	json_decref(users);
	return (used);
}

static void
drop_role_run(struct request *r)
{
	struct faults f = { 0 };
	const char *id = field_string(&f, r->body, "id", 1);
	json_t *role;
	char *err = NULL;
	int status;

	if (faults_answer(r, &f))
		return;
	if ((role = sysrow_get(&r->ops->data, SYS_ROLE, id)) == NULL)
		reply_error(r, 404, "Role not found");
	else if (role_in_use(r->ops, id))
		reply_error(r, 409,
		    "Cannot drop role %s as it has active user(s) tied to this role",
		    user_row_text(role, "role"));
	else if ((status = sysrow_remove(&r->ops->data, SYS_ROLE, id, &err)) != 200)
		reply_failed(r, status, err);
	else
		reply_message(r, "%s successfully deleted", user_row_text(role, "role"));
	json_decref(role);
}

static void
drop_role(struct request *r)
{
	op_user_change(r, drop_role_run);
}

static void
list_roles(struct request *r)
{
	reply_json(r, 200, sysrow_all(&r->ops->data, SYS_ROLE));
}

const struct op ops_role[] = {
	{ "add_role", "addRole", RIGHT_ADMIN, ON_WORKER, make_role },
	{ "alter_role", "alterRole", RIGHT_ADMIN, ON_WORKER, alter_role },
	{ "drop_role", "dropRole", RIGHT_ADMIN, ON_WORKER, drop_role },
	{ "list_roles", "listRoles", RIGHT_SUPER, ON_WORKER, list_roles },
	{ NULL },
};
