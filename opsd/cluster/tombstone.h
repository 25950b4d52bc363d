#ifndef HL_TOMBSTONE_H
#define HL_TOMBSTONE_H

#include "opsd/cluster/replication.h"

/*
 * Deleted rows are remembered (tombstones) so that older writes that arrive late
 * cannot bring them back.  They go when they are older than
 * storage.tombstoneRetention, every node of the manifest that gets the table
 * from here has everything of it, and we have what those that give it to us had
 * by then.  The greatest stamp that went is the table's horizon: transactions at or below it are too late and are ignored; copies of
 * rows are not, since whoever is in the manifest has had the deletes.  A node
 * that stays away holds tombstones back until it returns or is removed.
 */
/* submits a job when there is something; the loop's thread */
void tombstone_run(struct replication *rep);

#endif
