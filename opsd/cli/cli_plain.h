#ifndef HL_CLI_PLAIN_H
#define HL_CLI_PLAIN_H

#include "common/base/buf.h"

/*
 * Text that is not ours, in a line for people: each control character is '?', as a terminal would
 * obey it.
 */
void cli_plain(struct buf *out, const char *text);
/* The bytes of the control character that begins there, also of one beyond ASCII; 0: it is none. */
size_t cli_control(const char *text);

#endif
