#ifndef HL_JSONLIST_H
#define HL_JSONLIST_H

#include <jansson.h>

/* Whether an array has a value that is equal; what is no array has none. */
int jsonlist_has(const json_t *list, const json_t *value);

#endif
