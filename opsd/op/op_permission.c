#include "config.h"

#include "opsd/op/op_permission.h"

#include "opsd/auth/permission.h"

int
op_permission_check(struct request *r, const struct table *t, unsigned rights, const json_t *names)
{
	json_t *why = permission_refusal(r->user, t, rights, names);

	if (why != NULL)
		reply_json(r, 403, why);
	return (why == NULL);
}

int
op_permission_visible(struct request *r, const struct table *t, const char *db, const char *name)
{
	if (t != NULL && permission_sees(r->user, t))
		return (1);
	reply_json(r, 403, permission_no_table(r->user, db, name));
	return (0);
}

void
op_permission_no_database(struct request *r, const char *db)
{
	reply_json(r, 403, permission_no_database(db));
}
