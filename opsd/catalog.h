#ifndef HL_CATALOG_H
#define HL_CATALOG_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

#include "stamp.h"
#include "store.h"

/*
 * Which databases, tables and attributes there are.  Readers on any thread get
 * immutable, counted tables; only the commit thread changes the catalog
 * (group.h stages the changes).  Ids are never used again.
 */
#define TABLE_USER_FIRST	64	/* smaller ids are system tables */

enum system_table { SYS_USER = 1, SYS_ROLE, SYS_NODES, SYS_JOB, SYS_CERTIFICATE, SYS_INFO };

struct attribute {
	char		*name;
	uint8_t		 nlen;
	uint16_t	 id;		/* within the table, for index keys */
	int		 indexed;
	char		*type;		/* as declared, or NULL */
	struct stamp	 dropped;	/* components at or below are ignored (drop_attribute) */
	int		 hidden;	/* dropped and not seen since */
};

struct table_stat {			/* one for all versions of a table */
	_Atomic int64_t		count;	/* visible rows */
	_Atomic uint64_t	updated;	/* newest stamp time written */
	_Atomic unsigned	turn;	/* odd while head and head_ms change: table_head */
	_Atomic uint64_t	head;	/* newest log seq of this table that is durable, 0 none */
	_Atomic uint64_t	head_ms;	/* its commit time */
	_Atomic uint64_t	purged;	/* log seq up to which entries were purged by hand */
	int64_t			counted;	/* the number that keygen gave last; commit thread */
	_Atomic int		expiring;	/* expire.h: a worker is at it; when next, monotonic */
	_Atomic uint64_t	expire_next_us;
	_Atomic int		refs;
};

struct table {
	uint32_t		 id;
	char			*database, *name;
	char			*primary_key;
	struct attribute	*attrs;	/* sorted by name; the key and the two times included */
	size_t			 nattrs;
	uint16_t		 next_attr;
	int			 audit;
	uint32_t		 expiration;	/* seconds, 0: never */
	int			 declared;	/* attributes were given at creation */
	struct stamp		 floor;	/* a table of this name was dropped then */
	struct stamp		 horizon;	/* greatest stamp of a purged tombstone */
	struct stamp		 forgotten;	/* rows made before were removed here alone (forget.h) */
	uint64_t		 created_ms;
	struct table_stat	*stat;
	_Atomic int		 refs;
};

struct catalog;

struct catalog *catalog_load(struct store *s, char **err);
void catalog_free(struct catalog *c);

/* Counted; NULL when absent.  Names are matched exactly. */
struct table *catalog_get(struct catalog *c, const char *database, const char *table);
struct table *catalog_getn(struct catalog *c, const char *db, size_t dblen, const char *t, size_t tlen);
struct table *catalog_by_id(struct catalog *c, uint32_t id);
struct table *table_ref(struct table *t);
void table_unref(struct table *t);
int catalog_has_database(struct catalog *c, const char *database);
/* Names of all databases, sorted, without "system"; array of strings, new reference. */
json_t *catalog_databases(struct catalog *c);
/* Tables of a database (all of them for NULL, system excluded), counted, sorted by
 * name; the caller unrefs each and frees the array. */
struct table **catalog_tables(struct catalog *c, const char *database, size_t *n);

const struct attribute *table_attr(const struct table *t, const char *name, size_t nlen);	/* hidden ones too */
/* {"primary_key","attributes":[{"attribute","type"?,"indexed"?,"is_primary_key"?}],"expiration"?}: as peers get it. */
json_t *table_definition(const struct table *t);

/*
 * The newest durable log entry and its commit time, which belong together.  Never
 * ahead of the rows: who reads rows after this sees all that the head covers.
 */
uint64_t table_head(const struct table *t, uint64_t *ms);

/* For group.c: new versions of tables. */
void table_set_head(struct table *t, uint64_t head, uint64_t ms);
struct table *table_new(const char *database, const char *name, const char *primary_key);
struct table *table_copy(const struct table *t);	/* shares the stat */
struct attribute *table_add_attr(struct table *t, const char *name, size_t nlen);	/* or the present one */
void table_encode(const struct table *t, struct buf *b);
void catalog_put(struct catalog *c, struct table *t);		/* takes the reference; replaces */
void catalog_drop(struct catalog *c, uint32_t id);
void catalog_put_database(struct catalog *c, const char *name);
void catalog_drop_database(struct catalog *c, const char *name);
uint32_t catalog_new_id(struct catalog *c);

#endif
