#ifndef HL_ISO_H
#define HL_ISO_H

#include <stdint.h>

/*
 * A date of ISO-8601 as milliseconds since 1970: YYYY-MM-DD, and behind it T or a blank and
 * HH:mm[:ss[.fraction]] and Z or +hh[:mm]; without a zone it is UTC.  -1: it is no such date.
 * *day (may be NULL) is set when it names a whole day.
 */
int64_t iso_ms(const char *s, int *day);

#define ISO_TEXT 32
/* The other way, as 2026-01-31T12:00:00.000Z; *out. */
char *iso_text(int64_t ms, char out[ISO_TEXT]);

#endif
