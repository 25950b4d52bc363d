#include "config.h"

#include "opsd/op/op_right.h"

#include "opsd/auth/right.h"

int
op_right_check(struct request *r, const struct table *t, unsigned rights, const json_t *names)
{
	json_t *why = right_refusal(r->user, t, rights, names);

	if (why != NULL)
		reply_json(r, 403, why);
	return (why == NULL);
}

int
op_right_visible(struct request *r, const struct table *t, const char *db, const char *name)
{
	if (t != NULL && right_sees(r->user, t))
		return (1);
	reply_json(r, 403, right_no_table(r->user, db, name));
	return (0);
}

void
op_right_no_database(struct request *r, const char *db)
{
	reply_json(r, 403, right_no_database(db));
}
