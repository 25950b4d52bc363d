#ifndef HL_CLI_FIELDS_H
#define HL_CLI_FIELDS_H

#include <jansson.h>

/*
 * The body of a request, of what stands on the command line: "name=value", "name@=path",
 * "@path" for a whole body; "-" as a path is standard input.  With the table of an operation's
 * fields (opdoc.h), text is text, and what the operation has no field for is refused.  Ends the
 * process with what is wrong.
 */
json_t *cli_body(const char *operation, int n, char **fields);
/* What may be wrong with a field, once the request was refused; NULL: nothing.  Borrowed. */
const char *cli_body_hint(void);
/* Also asks for a password that is required, when there is a terminal. */
void cli_body_ask(json_t *body);

/* A field for the program itself leaves the body; the caller frees. */
char *cli_take(json_t *body, const char *name);
int cli_take_flag(json_t *body, const char *name);

/* A password from the terminal, twice if `again`; NULL without a terminal.  Caller frees. */
char *cli_ask_password(const char *prompt, int again);

#endif
