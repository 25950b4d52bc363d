#ifndef HL_OP_TABLE_H
#define HL_OP_TABLE_H

#include "opsd/op/op.h"
#include "opsd/store/catalog.h"

/* What the operations on tables have in common. */

/* The field under its new or its old name: "ids", "hash_values". */
json_t *field_either(const json_t *body, const char *name, const char *old);
/* Faults when a name breaks the rules for databases, tables and attributes. */
void fault_name(struct faults *f, const char *field, const char *name);
/* "ids" or "hash_values", with faults unless they are keys, strings of at most `max` bytes. */
const json_t *field_ids(struct faults *f, const json_t *body, size_t max);
/* As faults_answer, but with the status that peers answer with. */
int op_faults_status(struct request *r, struct faults *f, int status);
/*
 * "database" (or "schema") and "table" of the body: a table, counted, or NULL
 * with the request answered (faults_status for faults; `status` when there is no such,
 * but 403 for who has no right to it, whether it is there or not).
 */
struct table *op_table(struct request *r, struct faults *f, int faults_status, int status);
/* The same of names that are there. */
struct table *op_table_named(struct request *r, const char *db, const char *name, int status);
/* The same for one to write to: 400, and 403 for tables of the system. */
struct table *op_table_to_write(struct request *r, struct faults *f);
int op_is_system(struct request *r, const char *db); /* 1 with 403 answered */

#endif
