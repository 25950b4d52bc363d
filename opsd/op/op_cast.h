#ifndef HL_OP_CAST_H
#define HL_OP_CAST_H

#include "opsd/op/op.h"

/*
 * What clients send as another kind than the field's, where both are the same: text becomes the
 * number that it is written as, where opdoc.h says that a number is due; and numbers
 * become text as names of databases and tables.  What is neither stays, to be refused.
 */
void op_cast_numbers(const struct op *op, json_t *body);
void op_cast_names(json_t *body);

#endif
