#ifndef HL_OP_UNKNOWN_H
#define HL_OP_UNKNOWN_H

#include <jansson.h>

#include "opsd/http/operation.h"

/*
 * Operations of the cluster take no field that they do not know (opdoc.h): with a misspelt one a call would
 * do something else than what was asked for, and say nothing.  NULL: all are known, or the operation ignores
 * others; else a text for a 400, the caller frees.
 */
char *op_unknown(const struct op *op, const json_t *body);

#endif
