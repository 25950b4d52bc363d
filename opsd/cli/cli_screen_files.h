#ifndef HL_CLI_SCREEN_FILES_H
#define HL_CLI_SCREEN_FILES_H

#include <jansson.h>

#include "common/base/buf.h"

/* Of `sqlite` of cluster_status: a line for each that is not well, and for each table with rows that are not taken. */
void cli_screen_files_wrong(struct buf *out, const json_t *files);
/* A line for each file. */
void cli_screen_files(struct buf *out, const json_t *files);

#endif
