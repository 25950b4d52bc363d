#ifndef HL_LITELOG_H
#define HL_LITELOG_H

#include "opsd/lite/litetable.h"

/*
 * What is put into an application's file: three tables, and triggers on each table that is replicated.
 * They write the keys of rows that change, no values: what a row has is read when it is taken, so a
 * change of a table's columns changes nothing here.  A REPLACE removes rows with the same
 * value in another UNIQUE index without any trigger for them (recursive_triggers is off by default), so
 * their keys are written before.
 */

/* The tables, where they are not; SQLite's result code. */
int litelog_make(sqlite3 *db);
/*
 * 1: the triggers of a table are there, as they would be made; 0: they are others; -1: they are not
 * there, so changes may have been missed.
 */
int litelog_watches(sqlite3 *db, const struct litetable *t);
/* They are made anew; SQLite's result code. */
int litelog_watch(sqlite3 *db, const struct litetable *t);
/* [name] of those, new reference. */
json_t *litelog_trigger_names(const struct litetable *t);
/* All of it goes, within a transaction; SQLite's result code. */
int litelog_remove(sqlite3 *db);
/* What the file says of itself, or NULL; the caller frees. */
char *litelog_state(sqlite3 *db, const char *name);
int litelog_set_state(sqlite3 *db, const char *name, const char *value);

#endif
