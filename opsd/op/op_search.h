#ifndef HL_OP_SEARCH_H
#define HL_OP_SEARCH_H

#include "opsd/op/op.h"
#include "opsd/search/search.h"

extern const struct op ops_search[];

/* The search that a request of ops_search asks for, not started; NULL with the request answered. */
struct search *op_search_read(struct request *r);

#endif
