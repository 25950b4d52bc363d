#include "config.h"

#include "opsd/op/op.h"

#include "opsd/auth/permission.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/scope.h"
#include "opsd/op/node.h"
#include "opsd/op/op_cast.h"
#include "opsd/op/opdoc.h"

/* Which operations a user may run at all: roles may be limited to some. */

static int
lists_operation(const struct user_role *role, const struct op *op)
{
	const struct op_doc *doc = opdoc_find(op->name);

	if (json_object_get(role->operations, op->name) != NULL)
		return (1);
	/* An operation's other name is the same one. */
	return (doc != NULL &&
	    (json_object_get(role->operations, doc->name) != NULL ||
		(doc->old != NULL && json_object_get(role->operations, doc->old) != NULL)));
}

/* Then a node that is let in makes super users here. */
static int
users_replicate(const struct request *r)
{
	return (scope_has_database(nodes_scope(r->ops->rep.nodes)->databases, "system", 6));
}

/* Whether roles grant it by listing it, of those that are for super users. */
static int
is_granted(const struct request *r)
{
	return (r->op->right == RIGHT_SUPER ||
	    (r->op->right == RIGHT_NODES && !users_replicate(r)));
}

/*
 * The user with those of its roles that allow the operation.  One that is for super users is
 * granted by being listed, as super users have it.
 */
static struct user *
limit_roles(const struct request *r)
{
	struct user *u = r->user, *part = user_part(u);

	for (size_t i = 0; i < u->nroles; i++) {
		int listed = u->roles[i]->operations != NULL && lists_operation(u->roles[i], r->op);

		if (listed || u->roles[i]->operations == NULL)
			user_part_add(part, i);
		part->super_user |= listed && is_granted(r);
	}
	return (part);
}

static int
is_for_super(const struct op *op)
{
	return (op->right == RIGHT_SUPER || op->right == RIGHT_NODES || op->right == RIGHT_ADMIN ||
	    op->right == RIGHT_JOIN);
}

int
op_allowed(struct request *r)
{
	struct user *part;

	if (r->op->right == RIGHT_OPEN || r->op->right == RIGHT_SELF || r->user->super_user)
		return (1);
	if (r->user->limited) {
		part = limit_roles(r);
		user_unref(r->user);
		r->user = part;
	}
	return (is_for_super(r->op) ? r->user->super_user : r->user->nroles > 0);
}

static const char *
super_when(const struct request *r)
{
	return (r->op->right == RIGHT_NODES && users_replicate(r) ?
		" while 'replication.databases' has system" :
		"");
}

void
op_refuse(struct request *r)
{
	if (is_for_super(r->op))
		reply_json(r, 403, permission_no_super(r->op->internal, super_when(r)));
	else
		reply_json(r, 403, permission_no_operation(r->op->internal));
}

int
op_lacks_right(const struct request *r, json_t *top)
{
	struct faults f = { 0 };
	const char *db, *name;
	struct table *t;
	int refused;

	if (r->op->needs == 0 || r->user->super_user)
		return (0);
	op_cast_names(top);
	db = field_database(&f, top);
	name = field_string(&f, top, "table", 1);
	buf_free(&f.text);
	if (db == NULL || name == NULL)
		return (0);
	t = catalog_get(r->ops->data.catalog, db, name);
	refused = t == NULL || !permission_table(r->user, t, r->op->needs);
	table_unref(t);
	return (refused);
}
