#ifndef HL_OP_RECORD_H
#define HL_OP_RECORD_H

#include "opsd/op/op.h"
#include "opsd/store/table.h"
#include "opsd/store/txn.h"

/*
 * Writes records, or deletes the rows of keys, as one transaction, and answers the request as
 * the record operations do, after the same checks; `field` is what the list is called where it
 * is too large.  The list is borrowed.  Any thread.
 */
void op_record_write(struct request *r, struct table *t, enum txn_op op, const json_t *list,
    const char *field);

#endif
