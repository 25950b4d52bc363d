#ifndef HL_LOG_H
#define HL_LOG_H

/*
 * Lines to stderr in the journal's form ("<4>opsd: store: ..."), with a
 * timestamp instead of the priority when stderr is not the journal
 * (JOURNAL_STREAM unset).  Lower case, no full stop, the thing first.
 * Thread-safe.
 */
enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_NOTICE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };

void log_init(const char *name, enum log_level level);
void log_set_level(enum log_level level);
/* "error", "warn", "info", "debug", "trace", "notify", "fatal": -1 for others. */
int log_level_of(const char *word);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* adds errno */
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fatal(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));	/* adds errno */
void fatalx(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
