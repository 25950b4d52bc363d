#ifndef HL_CLI_PRINT_H
#define HL_CLI_PRINT_H

#include <jansson.h>

#include "common/base/buf.h"

enum look { LOOK_YAML, LOOK_JSON, LOOK_TABLE, LOOK_CSV };

/* json=true, or as=json, as=yaml, as=table, as=csv; both leave the body. */
enum look cli_take_look(json_t *body, enum look otherwise);
/* On standard output.  What is no list of objects prints as YAML where a table is asked for. */
void cli_print(const json_t *v, enum look look);
/* Lines with columns that are wide enough: a list of lists of texts. */
void cli_table(struct buf *out, const json_t *lines);

#endif
