#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/log.h"
#include "test/sim/machine.h"
#include "test/sim/world.h"

/* What a machine logs is in the history. */

#define LINE 600

void __wrap_log_line(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void __wrap_log_errorx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void __wrap_log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void __wrap_log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void __wrap_log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void __wrap_fatal(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void __wrap_fatalx(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void
say(const char *fmt, va_list ap)
{
	char line[LINE];

	vsnprintf(line, sizeof(line), fmt, ap);
	world_note(machine_here(), "log: %s", line);
}

#define SAY(fmt)                   \
	do {                       \
		va_list ap;        \
                                   \
		va_start(ap, fmt); \
		say(fmt, ap);      \
		va_end(ap);        \
	} while (0)

void
__wrap_log_line(enum log_level level, const char *fmt, ...)
{
	(void)level;
	SAY(fmt);
}

void
__wrap_log_errorx(const char *fmt, ...)
{
	SAY(fmt);
}

void
__wrap_log_warn(const char *fmt, ...)
{
	SAY(fmt);
}

void
__wrap_log_warnx(const char *fmt, ...)
{
	SAY(fmt);
}

void
__wrap_log_info(const char *fmt, ...)
{
	SAY(fmt);
}

static void die(const char *fmt, va_list ap) __attribute__((noreturn));

static void
die(const char *fmt, va_list ap)
{
	char line[LINE];

	vsnprintf(line, sizeof(line), fmt, ap);
	world_fail("%s: %s", machine_here() != NULL ? machine_here()->name : "-", line);
}

void
__wrap_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die(fmt, ap);
}

void
__wrap_fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die(fmt, ap);
}
