#ifndef HL_SERIAL_H
#define HL_SERIAL_H

#include <stddef.h>

/*
 * Serial numbers of certificates as they are compared: lower-case hexadecimal digits without
 * zeros in front.  People also write them "0x0A:1B", as tools show them.
 */
#define SERIAL_MAX 42 /* digits of 20 bytes (RFC 5280), one more of a sign's byte, and NUL */

struct x509_st;

int serial_read(const char *text, char out[SERIAL_MAX]); /* -1: it is none */
int serial_of(const struct x509_st *cert, char out[SERIAL_MAX]);

#endif
