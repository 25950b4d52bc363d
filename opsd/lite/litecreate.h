#ifndef HL_LITECREATE_H
#define HL_LITECREATE_H

#include <sqlite3.h>

struct table;

/*
 * The table in the file, where it has none of that name: as the node where the table is from said, else
 * with its attributes as columns without types.  -1 with *why.
 */
int litecreate_table(sqlite3 *db, const struct table *t, char **why);

#endif
