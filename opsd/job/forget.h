#ifndef HL_FORGET_H
#define HL_FORGET_H

#include <stdint.h>

/*
 * Rows made before a time (their __createdtime__) leave this node, and this node alone: they
 * are gone from the store, nothing of it is in the log, and nothing remains of them that a
 * peer could copy.  The table remembers the time: rows made before it that are not here do not
 * come in any more, be it as a copy or as a transaction that was late.  One that is made anew
 * does.  An upsert on another node that has the row brings back what that gave.
 */
struct table;
struct job;

void forget_rows(struct job *t, const struct table *table, const char *user, uint64_t before_ms);

#endif
