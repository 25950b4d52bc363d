#ifndef HL_RECORD_H
#define HL_RECORD_H

#include <jansson.h>

/*
 * Rules for records from users.  Each gives what is wrong in the API's words, or NULL; the
 * caller frees.
 */

/* 400, of storage.maxTableAttributes: database, table, unsigned long long. */
#define TABLE_WOULD_HAVE                                      \
	"Table '%s.%s' would have more than %llu attributes " \
	"(storage.maxTableAttributes)"

char *record_key_fault(const json_t *key);
char *record_name_fault(const char *name); /* of an attribute that is new */

#endif
