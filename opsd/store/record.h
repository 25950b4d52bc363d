#ifndef HL_RECORD_H
#define HL_RECORD_H

#include <jansson.h>

/*
 * Rules for records from users.  Each gives what is wrong in the API's words, or NULL; the
 * caller frees.
 */

#define ATTRIBUTES_MAX	10000	/* of one table: they have ids of 16 bits */

char *record_key_fault(const json_t *key);
char *record_name_fault(const char *name);	/* of an attribute that is new */

#endif
