#ifndef HL_CATALOG_H
#define HL_CATALOG_H

#include <jansson.h>
#include <stdint.h>

#include "opsd/store/store.h"
#include "opsd/store/table.h"

/*
 * Which databases, tables and attributes there are.  Readers on any thread get
 * immutable, counted tables; only the commit thread changes the catalog
 * (group.h stages the changes).  Ids are never used again.
 */
#define TABLE_USER_FIRST 64 /* smaller ids are system tables */

enum system_table {
	SYS_USER = 1,
	SYS_ROLE,
	SYS_NODES,
	SYS_JOB,
	SYS_CERTIFICATE,
	SYS_INFO,
	SYS_STATUS,
};

/* Tables that can replicate, and so have a log: users' own, and of the system's users and roles. */
static inline int
catalog_can_replicate(uint32_t id)
{
	return (id >= TABLE_USER_FIRST || id == SYS_USER || id == SYS_ROLE);
}

struct catalog;

struct catalog *catalog_load(struct store *s, char **err);
void catalog_free(struct catalog *c);

/* Counted; NULL when absent.  Names are matched exactly. */
struct table *catalog_get(struct catalog *c, const char *database, const char *table);
struct table *catalog_getn(struct catalog *c, const char *db, size_t dblen, const char *t,
    size_t tlen);
struct table *catalog_by_id(struct catalog *c, uint32_t id);
int catalog_has_database(struct catalog *c, const char *database);
/* when a database was made last, monotonic; 0: not since the start */
uint64_t catalog_made_us(struct catalog *c);
size_t catalog_count(struct catalog *c); /* tables, those of the system as well */
/* Names of all databases, sorted, without "system"; array of strings, new reference. */
json_t *catalog_databases(struct catalog *c);
/* Tables of a database (all of them for NULL, system excluded), counted, sorted by
 * name; the caller unrefs each and frees the array. */
struct table **catalog_tables(struct catalog *c, const char *database, size_t *n);
struct table **catalog_replicated(struct catalog *c, size_t *n); /* the same of all that can */

/* What the table says of itself; unsaid as well where there is none.  At once where no table says anything. */
enum table_replicate catalog_replicate(struct catalog *c, const char *db, size_t dblen,
    const char *t, size_t tlen);
/* {"database/table":bool} of those that say; new reference. */
json_t *catalog_replicate_said(struct catalog *c);
/* How often that changed since the start; *us: when last, monotonic. */
uint64_t catalog_replicate_changes(struct catalog *c, uint64_t *us);

/* For group.c: new versions of tables. */
void catalog_put(struct catalog *c, struct table *t); /* takes the reference; replaces */
void catalog_drop(struct catalog *c, uint32_t id);
void catalog_put_database(struct catalog *c, const char *name);
void catalog_drop_database(struct catalog *c, const char *name);
uint32_t catalog_new_id(struct catalog *c);
uint32_t catalog_last_id(struct catalog *c); /* the greatest that was given */

#endif
