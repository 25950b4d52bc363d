#ifndef HL_LOGBRAKE_H
#define HL_LOGBRAKE_H

#include "common/base/log.h"

/*
 * Lines that other nodes can cause: at most `most` a minute of one kind, the first with how
 * many were held back before it.  Static storage, zero but for `most`; one thread each.
 */
struct log_brake {
	unsigned most;
	unsigned written, held;
	unsigned long long since_us;
};
void log_braked(struct log_brake *b, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
