#ifndef HL_LOG_H
#define HL_LOG_H

/*
 * Lines to stderr, and to a file (logfile.h):
 *   2026-11-21T08:45:00.123Z [opsd] [warn] [amsterdam]: store: ...
 * the daemon, the level, the node once it has a name.  To the journal, as which
 * JOURNAL_STREAM knows stderr, "<4>opsd [amsterdam]: store: ...".  Lower case, no full
 * stop, the thing first.  Thread-safe.  An error is what stops something that should go on,
 * a warning what goes on, but not as it should.
 */
enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_NOTICE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };

void log_init(const char *name, enum log_level level);
void log_set_level(enum log_level level);
void log_set_std(int on);            /* write to stderr */
void log_set_node(const char *node); /* NULL: it has no name */
/* "error", "warn", "info", "debug", "trace", "notify", "fatal": -1 for others. */
int log_level_of(const char *word);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* adds errno */
void log_errorx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* adds errno */
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fatal(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2))); /* adds errno */
void fatalx(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
