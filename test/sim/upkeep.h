#ifndef HL_UPKEEP_H
#define HL_UPKEEP_H

#include <stdint.h>

/*
 * What operators do with one node's rows and log: purge_stream and delete_records_before, each on a
 * thread of its machine.
 */
struct machine;

void upkeep_purge(void); /* somewhere, perhaps forced */
void upkeep_forget(void);
/* Of all tables, forced, after so long, if the machine is up then. */
void upkeep_purge_later(struct machine *m, uint64_t us);
/* Transactions of the table leave log and stream.  Waits. */
void upkeep_purge_table(struct machine *m, int t, int force);
/* All rows of the table that were made until now.  Waits. */
void upkeep_forget_table(struct machine *m, int t);
/* Deletions whose job says that it did not get to its end are asked for again.  Waits. */
void upkeep_complete(void);

#endif
