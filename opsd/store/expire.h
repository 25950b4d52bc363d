#ifndef HL_EXPIRE_H
#define HL_EXPIRE_H

struct data;

/*
 * Rows of tables with an expiration that nothing changed for so long leave this node, as with
 * delete_records_before: by its own clock, without a tombstone, and no peer is told, as
 * each does the same.  Called every few seconds; a worker looks through the rows.
 */
void expire_run(struct data *data);

#endif
