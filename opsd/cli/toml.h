#ifndef HL_TOML_H
#define HL_TOML_H

#include <jansson.h>
#include <stddef.h>

/*
 * TOML 1.0 as far as configurations go, https://toml.io/en/v1.0.0: all but dates and times, infinity
 * and nan.  No I/O.
 */

/* An object, new reference; NULL with *err, "<name>:<line>: what", which the caller frees. */
json_t *toml_read(const char *name, const char *text, size_t n, char **err);

#endif
