#ifndef HL_OP_TABLE_H
#define HL_OP_TABLE_H

#include "catalog.h"
#include "op.h"

/* What the operations on tables have in common. */

/* The field under its new or its old name: "ids", "hash_values". */
json_t *field_either(const json_t *body, const char *name, const char *old);
/* Faults when a name breaks the rules for databases, tables and attributes. */
void fault_name(struct faults *f, const char *field, const char *name);
/* Faults when it is no array of keys, strings of at most `max` bytes. */
void fault_ids(struct faults *f, const json_t *ids, size_t max);
/* As op_faults, but with the status that peers answer with. */
int op_faults_status(struct request *r, struct faults *f, int status);
/*
 * "database" (or "schema") and "table" of the body: a table, counted, or NULL
 * with the request answered (faults_status for faults; `status` when there is no such).
 */
struct table *op_table(struct request *r, struct faults *f, int faults_status, int status);

/* Rights on attributes (those on tables are auth.h's): `right` is "read", "insert", "update". */
int may_attribute(const struct user *u, const struct table *t, const char *name, const char *right);
/* All attributes named in the object `names`; 0 with 403 answered when one is refused. */
int op_may_attributes(struct request *r, const struct table *t, const json_t *names,
    const char *right);

#endif
