#ifndef HL_OPDOC_H
#define HL_OPDOC_H

#include "opsd/op/op.h"

/*
 * What each operation is for and which fields it has: from here come `hubleaf help OPERATION`,
 * the completion of fields, "did you mean" and hubleaf-api(7).  opdoc_rows.c and opdoc_node.c
 * have the tables; test_opdoc.c compares them with what the handlers read.
 */
enum op_kind {
	KIND_TEXT, /* text, whatever it looks like */
	KIND_PASSWORD,
	KIND_NEW_PASSWORD, /* one that is set */
	KIND_NUMBER,
	KIND_BOOLEAN,
	KIND_LIST,
	KIND_OBJECT,
	KIND_ANY, /* a value of any kind */
	KIND_KEYS /* stands for all configuration keys */
};

#define OP_REQUIRED NULL /* in place of a default */
#define OP_NONE     ""   /* optional, and nothing stands for it */
#define OP_SHOWN    " "  /* the same, and the operation's example has it */

struct op_field {
	enum op_kind kind;
	const char *name;    /* of one in another: "routes[].host", "options.keep" */
	const char *old;     /* its other name, or NULL */
	const char *absent;  /* the default, as text */
	const char *example; /* text, or JSON if the kind is none of text */
	const char *line;    /* what it says; a sentence or two */
};

struct op_doc {
	const char *name, *old; /* old: its other name, or NULL */
	enum op_right right;
	const char *line;              /* what it does; sentences */
	const struct op_field *fields; /* ended by a NULL name */
};

/* The operation with that name, or other name; NULL. */
const struct op_doc *opdoc_find(const char *name);
/* All, numbered from 0; NULL after the last. */
const struct op_doc *opdoc_at(unsigned number);
/* The field with that name, or other name; NULL. */
const struct op_field *opdoc_field(const struct op_doc *op, const char *name);
/* Stands in the body itself, not in another field. */
int opdoc_is_top(const struct op_field *f);
int opdoc_in_example(const struct op_field *f); /* of its operation */
/* "a list" */
const char *opdoc_kind(enum op_kind kind);
/* "required", "optional", "default 10" */
void opdoc_absent(const struct op_field *f, char *out, size_t n);
const char *opdoc_right(enum op_right right);
/*
 * The name that is meant by a misspelt one, or NULL when none is near.  Of a field in another
 * ("routes[].hots") without that one.
 */
const char *opdoc_near_operation(const char *name);
const char *opdoc_near_field(const struct op_doc *op, const char *name);

/* ---- the tables ---- */

extern const struct op_doc opdoc_rows[], opdoc_node[]; /* ended by a NULL name */

#define OP_FIELDS(...) ((const struct op_field[]){ __VA_ARGS__, { .name = NULL } })
#define OP_NO_FIELDS   ((const struct op_field[]){ { .name = NULL } })

#endif
