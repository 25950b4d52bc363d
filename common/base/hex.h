#ifndef HL_HEX_H
#define HL_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Bytes as hexadecimal digits: written in lower case, read in either. */
void hex_text(const void *p, size_t n, char *out);      /* 2 * n digits and NUL */
int hex_read(const char *text, uint8_t *out, size_t n); /* -1: NULL, or no 2 * n digits */

#endif
