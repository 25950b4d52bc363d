#ifndef HL_CONDITION_H
#define HL_CONDITION_H

#include <jansson.h>

#include "opsd/store/field.h"

/*
 * What a search asks of a row.  Values are compared within their kind: a number
 * is never greater than text.  A missing attribute is null.  No I/O.
 */
enum compare {
	CMP_ANY,
	CMP_EQUALS,
	CMP_NOT_EQUAL,
	CMP_CONTAINS,
	CMP_STARTS_WITH,
	CMP_ENDS_WITH,
	CMP_GREATER,
	CMP_GREATER_EQUAL,
	CMP_LESS,
	CMP_LESS_EQUAL,
	CMP_BETWEEN,
};

enum condition_kind { COND_LEAF, COND_AND, COND_OR };

struct condition {
	enum condition_kind kind;
	struct field field; /* of a leaf */
	enum compare compare;
	json_t *value; /* keeps a and b alive */
	json_t *text;  /* the same for contains, starts_with, ends_with */
	struct scalar a, b;
	int deep; /* value is an array or object: only equality */
	struct condition **kids;
	size_t nkids;
};

/* By the API's word ("equals", "starts_with", ...) in any case; -1 when unknown. */
int compare_find(const char *word);
/* References value; for CMP_BETWEEN it is an array of two (checked by the caller). */
struct condition *condition_leaf(const struct field *f, enum compare compare, json_t *value);
/* search_by_value's rules: `*` alone, at the start, at the end. */
struct condition *condition_wildcard(const struct field *f, json_t *value);
struct condition *condition_group(enum condition_kind kind);
void condition_add(struct condition *group, struct condition *kid); /* takes kid */
void condition_free(struct condition *c);
int condition_match(const struct condition *c, struct row_view *v);
/*
 * Range of value keys [lower, upper) that holds every match of a leaf (and maybe
 * more), where the field's index or the rows' keys have them; 0, or -1 when they cannot say.
 */
int condition_bounds(const struct condition *leaf, struct buf *lower, struct buf *upper);

#endif
