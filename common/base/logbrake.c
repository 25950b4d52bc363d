#include "config.h"

#include "common/base/logbrake.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/clock.h"

#define MINUTE_US    60000000ULL
#define LINE_MAX_LEN 1024

void
log_braked(struct log_brake *b, enum log_level level, const char *fmt, ...)
{
	unsigned long long now = mono_us();
	char line[LINE_MAX_LEN];
	va_list ap;

	if (b->since_us == 0 || now - b->since_us >= MINUTE_US) {
		b->since_us = now;
		b->written = 0;
	}
	if (b->written >= b->most) {
		b->held++;
		return;
	}
	b->written++;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (b->held > 0)
		log_line(level, "%s (%u such lines were left out)", line, b->held);
	else
		log_line(level, "%s", line);
	b->held = 0;
}
