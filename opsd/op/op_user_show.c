#include "config.h"

#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/op/op.h"
#include "opsd/op/op_user.h"
#include "opsd/store/sysrow.h"

/*
 * As others see it: without secrets, with its whole role; with all of them, when there are
 * several, as clients look for one.  Takes the reference.
 */
static json_t *
shown_user(struct ops *ops, json_t *user, int times)
{
	json_t *roles = roles_of(ops, user);
	json_t *o = json_pack("{s:O?, s:b, s:O?}", "username", json_object_get(user, "username"),
	    "active", json_is_true(json_object_get(user, "active")), "role",
	    json_array_get(roles, 0));

	if (json_array_size(roles) > 1)
		json_object_set(o, "roles", roles);
	json_decref(roles);
	if (times) {
		json_object_set(o, "__createdtime__", json_object_get(user, "__createdtime__"));
		json_object_set(o, "__updatedtime__", json_object_get(user, "__updatedtime__"));
	}
	json_decref(user);
	return (o);
}

void
op_user_show_all(struct request *r)
{
	json_t *users = sysrow_all(&r->ops->data, SYS_USER), *list = json_array(), *user;
	size_t i;

	json_array_foreach(users, i, user)
		json_array_append_new(list, shown_user(r->ops, json_incref(user), 0));
	json_decref(users);
	reply_json(r, 200, list);
}

void
op_user_show_own(struct request *r)
{
	json_t *user = sysrow_get(&r->ops->data, SYS_USER, r->user->name);

	if (user != NULL)
		reply_json(r, 200, shown_user(r->ops, user, 1));
	else /* the domain socket's */
		reply_json(r, 200,
		    json_pack("{s:s, s:b, s:{s:s, s:s, s:O}}", "username", r->user->name, "active",
			1, "role", "id", r->user->roles[0]->id, "role", r->user->roles[0]->name,
			"permission", r->user->roles[0]->permission));
}
