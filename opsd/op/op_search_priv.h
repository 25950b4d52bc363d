#ifndef HL_OP_SEARCH_PRIV_H
#define HL_OP_SEARCH_PRIV_H

#include "opsd/op/op_search.h"
#include "opsd/op/op_table.h"

/* op_search.c (operations, answers), op_search_ask.c (requests), op_search_where.c (conditions) */

/* A search while its request is read. */
struct asking {
	struct request *r;
	struct table *table;
	struct search *search;
	struct faults f; /* what is wrong with the fields */
	json_t *unknown; /* attributes that the table has not */
	json_t *asked;   /* attributes that the user must be allowed to read */
	int shows;       /* "*" has attributes that the user may read */
	size_t leaves;
};

/* The attribute by name; -1 when the table has none, which is noted. */
int ask_field(struct asking *a, struct field *f, const char *name);
/* Those of the body and its operator; NULL or incomplete with faults. */
struct condition *ask_conditions(struct asking *a);

/* Not started; NULL with the request answered. */
struct search *ask_by_id(struct request *r, int faults_status);
struct search *ask_by_value(struct request *r);
struct search *ask_by_conditions(struct request *r);

#endif
