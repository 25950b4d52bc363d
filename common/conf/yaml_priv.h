#ifndef HL_YAML_PRIV_H
#define HL_YAML_PRIV_H

#include "common/conf/yaml.h"

/*
 * What yaml.c (in), yaml_dump.c (out) and yaml_plain.c (what a word without quotes is) share.
 */
json_t *yaml_plain(const char *s); /* NULL: it is text */
int yaml_is_float(const char *s);  /* or an integer */

#endif
