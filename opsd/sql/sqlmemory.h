#ifndef HL_SQLMEMORY_H
#define HL_SQLMEMORY_H

#include <stdint.h>

/*
 * The memory that SQLite gives to statements of all threads together has a limit; what it needs
 * elsewhere in the process, as for files of applications, is neither counted nor refused.
 */

/* Once, before anything of SQLite is used. */
void sqlmemory_start(void);
void sqlmemory_limit(uint64_t bytes);
/* What this thread gets from now on is a statement's, or is not; what is freed is known by itself. */
void sqlmemory_count(int on);
uint64_t sqlmemory_used(void);

#endif
