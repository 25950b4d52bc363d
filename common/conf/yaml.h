#ifndef HL_YAML_H
#define HL_YAML_H

#include <jansson.h>

/* YAML in and out as jansson trees: the only file that includes <libfyaml.h>. */

/*
 * NULL with *err (caller frees) saying file, line and fault. Plain scalars are
 * typed as in YAML 1.2's core schema; an empty file is {}.  Also the line of each key by
 * its dotted name, {"clustering.nodeName": 3}; a new reference, whatever comes of it.
 */
json_t *yaml_load(const char *path, json_t **lines, char **err);
/* The same of a text; `name` stands for the file, and the lines are added to an object, or NULL. */
json_t *yaml_read(const char *name, const char *text, size_t n, json_t *lines, char **err);
char *yaml_dump(const json_t *value); /* block style, caller frees */

#endif
