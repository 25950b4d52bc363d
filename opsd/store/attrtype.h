#ifndef HL_ATTRTYPE_H
#define HL_ATTRTYPE_H

#include <jansson.h>

/*
 * Types that attributes are declared with: Int, Long, BigInt, Float, String, ID, Boolean, Date,
 * Bytes, Array, Object, Any, in any case, and [Type] for a list.  Null is a value of each.
 * Other words, and NULL, are types of which every value is one.  No I/O.
 */

/* "must be text", if v is no such value; NULL: it is one.  The caller frees. */
char *attrtype_fault(const char *type, const json_t *v);
int attrtype_is_number(const char *type); /* a whole one */
int attrtype_is_text(const char *type);
int attrtype_is_boolean(const char *type);
int attrtype_is_deep(const char *type); /* an array, a list or an object */

#endif
