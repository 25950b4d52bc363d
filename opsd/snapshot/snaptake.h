#ifndef HL_SNAPTAKE_H
#define HL_SNAPTAKE_H

#include "opsd/cluster/replication.h"

/*
 * A snapshot of this node into a file.  Positions are read from the disk before the rows, so that all of
 * those logs up to there is in the rows.
 */
struct snaptaken {
	uint64_t ms; /* when */
	uint64_t tables, rows, bytes;
};

size_t snaptake_tables(struct replication *rep); /* so many would be in one */
/* All of it is on the disk then; the file is new, or emptied.  It waits for the disk.  -1 with *err. */
int snaptake_file(struct replication *rep, const char *path, struct snaptaken *taken, char **err);

#endif
