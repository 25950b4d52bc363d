#ifndef HL_GROUP_H
#define HL_GROUP_H

#include "opsd/store/commit.h"

/*
 * What one commit changes, on the commit thread.  Rows are read as changed so
 * far; rows, indexes, counts, log entries, cursors and catalog go into one batch.
 */
struct group_row {
	struct table *table;
	const uint8_t *key;
	size_t klen;
	struct buf before; /* stored bytes, empty: none */
	struct buf now;    /* encoded state as changed so far */
	int changed;
	struct buf file; /* queue.h's: what a file has of it, */
	int file_said;   /* which was said, */
	int queued;      /* and whether it is in the queue: 1, 0, or not looked yet, -1 */
};

struct data *group_data(struct group *g);
uint64_t group_wall_ms(const struct group *g);
uint64_t group_node(const struct group *g); /* our node part of stamps */
/* The current version of a table, also when changed in this group; borrowed. NULL: gone. */
struct table *group_table(struct group *g, uint32_t id);
struct table *group_table_named(struct group *g, const char *db, size_t dblen, const char *t,
    size_t tlen);
/* NULL with the store broken (the group will fail). */
struct group_row *group_row(struct group *g, struct table *t, const uint8_t *key, size_t klen);
/* The row's state is now r (encoded here). */
void group_row_set(struct group *g, struct group_row *gr, const struct row *r);
/* The row leaves the store without a trace: no tombstone, nothing for peers. */
void group_row_forget(struct group_row *gr);
void group_observe(struct group *g, uint64_t time);
struct stamp group_stamp(struct group *g); /* next of the clock */
/* Append to the log, unless clustering is off and nobody subscribes, or the table never replicates. */
void group_log(struct group *g, struct table *t, const void *payload, size_t len);
/* A row was seen: the table lists its names from now on. */
void group_see_attrs(struct group *g, struct table *t, const struct row *r);
/*
 * Attributes of a definition of then that the table lacks, but for those that were dropped here
 * since; 1 when there were any.
 */
int group_add_attrs(struct group *g, struct table *t, const json_t *attributes, struct stamp then);
/* One audit entry; before = {u16-prefixed key, blob row}... as they were. */
void group_audit(struct group *g, struct table *t, struct stamp stamp, int remote,
    const void *payload, size_t len, const struct buf *before);
/*
 * The group's own version of a table, made at the first call and seen by others when the
 * group is written.  Who changes more than attributes says so in `changed`.
 */
struct table *group_edit(struct group *g, struct table *t);
/*
 * The statements that make it in a SQLite file; 1 when they are others.  What is no such text changes
 * nothing.
 */
int group_set_sqlite(struct group *g, struct table *t, const json_t *text);
/* Peers get them as they are now. */
void group_log_sqlite(struct group *g, struct table *t, const char *user);
void group_drop_table(struct group *g, struct table *t);
void group_put_database(struct group *g, const char *name);
void group_drop_database(struct group *g, const char *name);
/* When a table of this name was dropped here; none: never. */
struct stamp group_dropped(struct group *g, const char *db, const char *name);
/* The database was dropped here, and has not been made again. */
int group_database_dropped(struct group *g, const char *db);
/*
 * What was removed here alone, then or before, may come again: the marks of drop_table,
 * drop_attribute and delete_records_before go.  1 when there were any; *t is the table as it
 * is now.
 */
int group_recall(struct group *g, struct table **t, struct stamp then);
#define EXPIRATION_MAX UINT32_MAX /* seconds */
/* A table as a peer or a user defines it (table_definition); sets *err to a text on refusal (NULL returned). Logged. */
struct table *group_create_table(struct group *g, const char *db, const char *name,
    const char *primary_key, const json_t *definition, const char *user, const char **err);
struct store_batch *group_batch(struct group *g);
/* One row of a system table from an object (key included), or its removal. */
void group_system_put(struct group *g, enum system_table t, const json_t *object);
/*
 * One that the node makes by itself at its first start, logged, with stamp_first(): it yields to
 * what other nodes have of it.  0: there is, or was, something of it here.
 */
int group_system_first(struct group *g, enum system_table t, const json_t *object);
void group_system_delete(struct group *g, enum system_table t, const char *key);
void group_broken(struct group *g); /* a store read failed: the group fails as a whole */

#endif
