#ifndef HL_OP_PERMISSION_H
#define HL_OP_PERMISSION_H

#include "opsd/op/op.h"

/* Refusals of permission.h as answers: each returns 1, or 0 with the request answered. */
struct table;

/* Whether who asks has the rights to the table, and to these attributes of it. */
int op_permission_check(struct request *r, const struct table *t, unsigned rights,
    const json_t *names);
/* Whether a user who is no super_user has any right to the table (NULL: it is not there). */
int op_permission_visible(struct request *r, const struct table *t, const char *db,
    const char *name);
/* 403: nothing in it is for the user. */
void op_permission_no_database(struct request *r, const char *db);

#endif
