#ifndef HL_SQLVALUE_H
#define HL_SQLVALUE_H

#include <jansson.h>
#include <sqlite3.h>

#include "opsd/format/format.h"
#include "opsd/store/field.h"

/*
 * Values on their way through SQLite, which knows neither booleans nor arrays and objects.  A
 * boolean is the number 1 or 0; an array or object is JSON text with a CR behind it, which JSON
 * functions take for space.  Both also have a subtype, which SQLite drops where it sorts: what a
 * column has had in this statement says then what a number or text in it was.  No I/O.
 */
enum { /* what a column has had */
	SEEN_BOOLEAN = 1,
	SEEN_BIT = 2, /* the number 0 or 1 */
	SEEN_DEEP = 4,
};

/* What the row has there, as the result; adds to *seen.  f NULL: nothing. */
void sqlvalue_result(sqlite3_context *to, const struct field *f, struct row_view *v,
    unsigned *seen);
/* What a value is to be looked for as; text borrowed.  -1: bytes, which nothing here is. */
int sqlvalue_scalar(struct scalar *sc, sqlite3_value *v);
/*
 * The value to be stored, in an attribute of that type (or NULL) that has had `seen`; new
 * reference, NULL: it is none that JSON has.
 */
json_t *sqlvalue_json(sqlite3_value *v, const char *type, unsigned seen);
/* As part of an answer, appended; seen: 0 for what is no column.  -1: bytes. */
int sqlvalue_format(enum format f, struct buf *out, sqlite3_value *v, unsigned seen);

#endif
