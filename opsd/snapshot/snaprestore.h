#ifndef HL_SNAPRESTORE_H
#define HL_SNAPRESTORE_H

#include "opsd/cluster/replication.h"
#include "opsd/snapshot/snapwanted.h"

/* A snapshot out of a file into the tables that wait for one. */
struct snaprestored {                         /* moves while it goes on: any thread may look */
	_Atomic uint64_t tables, rows, total; /* rows: merged of about so many */
};

/*
 * Reads all of it, and merges nothing.  1: it is whole, and of what this node has anyway, which took
 * it; -1 with *err: it is damaged, or cannot be used here.
 */
int snaprestore_check(struct replication *rep, const char *path, char **err);
/*
 * Merges the rows of what is wanted, and lets the cursors of these tables go on where the snapshot
 * stands; each is tried then.  It waits.  -1 with *err: the rest is as it was.
 */
int snaprestore_file(struct replication *rep, const char *path, struct snapwanted *wanted,
    struct snaprestored *done, char **err);
/* The table was looked for: its copies may begin. */
void snaprestore_turn(struct replication *rep, struct snapwanted *wanted, const char *database,
    const char *table);

#endif
