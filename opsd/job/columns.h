#ifndef HL_COLUMNS_H
#define HL_COLUMNS_H

#include <jansson.h>
#include <stddef.h>

#include "opsd/format/csv.h"
#include "opsd/store/txn.h"

/* The header of CSV: which cells are which attributes of a table, and who may write them. */
struct table;
struct user;

struct column {
	const char *name; /* borrowed from names */
	const char *type; /* as declared, borrowed from the table, or NULL */
	size_t cell;
};

struct columns {
	json_t *names;       /* name -> cell */
	struct column *list; /* sorted; neither key nor times */
	size_t n;
	size_t width; /* cells of the header */
	int key_cell; /* -1: none */
	const char *key_type;
};

/*
 * Reads it into *c: NULL, or what is wrong with it.  The table may have `most` attributes.
 * columns_free in any case.
 */
char *columns_read(struct columns *c, const struct table *t, uint64_t most, enum txn_op op,
    const struct csv_cell *cells, size_t n);
void columns_free(struct columns *c);
/* NULL, or what the user lacks to write those: the body of a 403, new reference. */
json_t *columns_refusal(const struct columns *c, const struct table *t, enum txn_op op,
    const struct user *u);

/*
 * The cell as a value of the type that its column is declared with, or NULL: text stays what it
 * is, whatever it looks like, and true and false are that in any case.  New reference.
 */
json_t *columns_value(const struct csv_cell *cell, const char *type);

/*
 * The header alone, of what can be read from fd at 0: 200, or the status of an answer with
 * its body in *why.  The place that fd is at stays.
 */
int columns_check(int fd, const struct csv_options *o, const struct table *t, uint64_t most,
    enum txn_op op, const struct user *u, size_t row_max, json_t **why);

#endif
