#ifndef HL_YAML_H
#define HL_YAML_H

#include <jansson.h>

/* YAML in and out as jansson trees: the only file that includes <libfyaml.h>. */

/* NULL with *err (caller frees) saying file, line and fault. Plain scalars are
 * typed as in YAML 1.2's core schema; an empty file is {}. */
json_t *yaml_load(const char *path, char **err);
/* Also the line of each key by its dotted name, {"clustering.nodeName": 3}; a new reference. */
json_t *yaml_load_lines(const char *path, json_t **lines, char **err);
json_t *yaml_parse(const char *text, char **err);
char *yaml_dump(const json_t *value); /* block style, caller frees */

#endif
