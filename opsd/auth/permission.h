#ifndef HL_PERMISSION_H
#define HL_PERMISSION_H

#include <jansson.h>

/*
 * What a user may do to databases, tables and attributes, and how it is refused.
 * Whoever has no right to something is answered as if it were not there, so that
 * an answer never tells whether it is.
 */
struct table;
struct user;

enum { MAY_READ = 1, MAY_INSERT = 2, MAY_UPDATE = 4, MAY_DELETE = 8 };

/* All of `rights` to the table?  Never for cluster users; system tables are for super users. */
int permission_table(const struct user *u, const struct table *t, unsigned rights);
/*
 * The attribute, given the right to the table.  A role that lists attributes of a table
 * grants just those; unless they are listed, the key as well where it grants any of them,
 * and reading of the two times where it grants reading of any.
 */
int permission_attribute(const struct user *u, const struct table *t, const char *name,
    unsigned rights);
/* The table and at least one of its attributes may be read: how many rows it has is no secret. */
int permission_reads(const struct user *u, const struct table *t);
/* Any right to the table, or to the attribute of one that has some: it is shown, and named. */
int permission_sees(const struct user *u, const struct table *t);
int permission_sees_attribute(const struct user *u, const struct table *t, const char *name);
/* Does a role list attributes of the table?  Otherwise all are as the table. */
int permission_listed(const struct user *u, const struct table *t);
/* create_table and the like: super_user, structure_user. */
int permission_structure(const struct user *u, const char *db);
int permission_metrics(const struct user *u); /* GET /metrics: super_user, metrics_user */

/*
 * NULL when the user may do all of `rights` to the table and to the attributes that the
 * object `names` has as keys (or NULL), else the body of the 403; new reference.
 */
json_t *permission_refusal(const struct user *u, const struct table *t, unsigned rights,
    const json_t *names);

/*
 * The body of the 403 for who is no super_user and writes the times, which are the server's;
 * NULL: neither is among the names.
 */
json_t *permission_times_refusal(const json_t *names);
/* Bodies of other 403s: that user has no right to the table, which may not be there; */
json_t *permission_no_table(const struct user *u, const char *db, const char *table);
json_t *permission_no_database(const char *db); /* to nothing in the database; */
json_t *permission_no_super(const char *operation, const char *when); /* it is no super_user; */
json_t *permission_no_operation(const char *operation); /* no role of its lists the operation. */

/* For user.c: {database: {table: ...}} of the attributes that a permission lists. */
json_t *permission_index(const json_t *permission);

#endif
