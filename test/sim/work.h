#ifndef HL_WORK_H
#define HL_WORK_H

#include "common/base/buf.h"
#include "opsd/store/row.h"

/*
 * Clients: definitions and rows that they write, with few keys so that they meet, and what
 * was promised to them by an answer 200.
 */
struct machine;

#define WORK_TABLES	3
#define WORK_KEYS	8

void work_begin(int tables);
int work_tables(void);
const char *work_table(int t);			/* of the database "dev" */
void work_define(struct machine *m, int t);	/* makes the table; waits */
void work_write(struct machine *m);		/* of a table that is there, now; nobody waits */
unsigned work_written(void);			/* answered with 200 */

/*
 * What the node must have of its own in a row: the components that were acknowledged, as
 * row bytes; empty: nothing.  Not counting what the table itself has forgotten since.
 */
const struct buf *work_promise(const struct machine *m, int t, int key);
/* The newest deletion that any node made of the row; its tombstone may be gone. */
struct stamp work_deleted(int t, int key);
void work_forget(struct machine *m, int t);	/* nothing is promised any more */
void work_key(struct buf *b, int key);

#endif
