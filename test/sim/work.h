#ifndef HL_WORK_H
#define HL_WORK_H

#include "common/base/buf.h"
#include "opsd/store/row.h"

/*
 * Clients: definitions and rows that they write, with few keys so that they meet, and what
 * was promised to them by an answer 200.
 */
struct machine;

#define WORK_TABLES 3
#define WORK_KEYS   8

void work_begin(int tables);
int work_tables(void);
const char *work_table(int t);          /* of the database "dev" */
int work_table_named(const char *name); /* -1: none of them */
int work_has_table(struct machine *m, int t);
void work_define(struct machine *m, int t);       /* makes the table; waits */
void work_define_other(struct machine *m, int t); /* with another primary key */
int work_is_other(struct machine *m, int t);
void work_drop(struct machine *m, int t, const char *attribute); /* NULL: the table; waits */
/*
 * Before which stamp time nothing may be in the table, as it was dropped then and nobody asked
 * for it since; 0: all may.
 */
uint64_t work_dropped(const struct machine *m, int t);
void work_recall(const struct machine *m, int t); /* somebody asks for it */
void work_write(struct machine *m);               /* of a table that is there, now; nobody waits */
void work_write_to(struct machine *m, int t);
unsigned work_written(void); /* answered with 200 */

/*
 * What the node must have of its own in a row: the components that were acknowledged, as
 * row bytes; empty: nothing.  Not counting what the table itself has forgotten since.
 */
const struct buf *work_promise(const struct machine *m, int t, int key);
/* The newest deletion that any node made of the row; its tombstone may be gone. */
struct stamp work_deleted(int t, int key);
struct stamp work_deleted_key(int t, const uint8_t *key, size_t n); /* as it is stored */
/* The same of deletions by who may have gone before all had it. */
struct stamp work_orphaned_key(int t, const uint8_t *key, size_t n);
void work_forget(struct machine *m, int t); /* nothing is promised any more */
void work_key(struct buf *b, int key);
/* All that is promised of the machine, for a backup of it. */
struct work_promises *work_promises(struct machine *m);
void work_promises_free(struct work_promises *p);
/*
 * It is about to become as it was then.  What was promised since is kept as far as others
 * that have all of its table, and are up, have it now.
 */
void work_lose(struct machine *m, const struct work_promises *then);
/* Another is about to lose what it holds of it: the same, with what the machine itself has now. */
void work_lose_holder(struct machine *m, const struct machine *gone, int t);
void work_new_clock(const struct machine *m); /* its stamps may be older than before */

#endif
