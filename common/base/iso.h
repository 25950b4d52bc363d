#ifndef HL_ISO_H
#define HL_ISO_H

#include <stdint.h>

/*
 * A date of ISO-8601 as milliseconds since 1970: YYYY-MM-DD, and behind it T or a blank and
 * HH:mm[:ss[.fraction]] and Z or +hh[:mm]; without a zone it is UTC.  -1: it is no such date.
 * *day (may be NULL) is set when it names a whole day.
 */
int64_t iso_ms(const char *s, int *day);

#endif
