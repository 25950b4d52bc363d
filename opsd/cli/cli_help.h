#ifndef HL_CLI_HELP_H
#define HL_CLI_HELP_H

#include <stdio.h>

/* How the program is used. */
void cli_help_usage(FILE *to);
/* `hubleaf help NAME`: an operation with its fields, or "operations"; -1: there is none. */
int cli_help(const char *name);
/* What completes: commands and operations, or the fields of one. */
void cli_help_words(const char *name);

#endif
