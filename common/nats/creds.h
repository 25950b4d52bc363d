#ifndef HL_CREDS_H
#define HL_CREDS_H

#include <stdint.h>

/*
 * Until when the JWT of a user counts, in a text as `nsc` writes its files: milliseconds since 1970.
 * 0: for ever, or there is no such JWT; whether it is signed is the servers' matter.
 */
int64_t creds_end_ms(const char *text);

#endif
