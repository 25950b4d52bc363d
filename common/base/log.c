#include "config.h"

#include "common/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/logfile.h"

#define LOG_MAX 8192

static const char *log_name = "hubleaf";
static atomic_int log_threshold = LOG_INFO;
static int log_journal;
static atomic_int log_std = 1;
static char log_node[256]; /* " [name]", or nothing */

static const struct {
	const char *word;
	enum log_level level;
} log_words[] = {
	{ "notify", LOG_ERROR }, /* the peers' quietest levels */
	{ "fatal", LOG_ERROR },
	{ "error", LOG_ERROR },
	{ "warn", LOG_WARN },
	{ "info", LOG_INFO },
	{ "debug", LOG_DEBUG },
	{ "trace", LOG_DEBUG },
};

/* A child of a service inherits JOURNAL_STREAM, but not always the stream. */
static int
log_to_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	struct stat st;
	unsigned long long dev, ino;

	if (env == NULL || sscanf(env, "%llu:%llu", &dev, &ino) != 2)
		return (0);
	return (fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino);
}

void
log_init(const char *name, enum log_level level)
{
	log_name = name;
	log_threshold = level;
	log_journal = log_to_journal();
}

void
log_set_level(enum log_level level)
{
	log_threshold = level;
}

void
log_set_std(int on)
{
	log_std = on;
}

void
log_set_node(const char *node)
{
	char text[sizeof log_node] = "";

	if (node != NULL)
		snprintf(text, sizeof text, " [%.250s]", node);
	/* It hardly ever changes: who writes a line meanwhile may show part of it. */
	if (strcmp(text, log_node) != 0)
		memcpy(log_node, text, sizeof text);
}

int
log_level_of(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof log_words / sizeof log_words[0]; i++)
		if (strcmp(word, log_words[i].word) == 0)
			return (log_words[i].level);
	return (-1);
}

static const char *
log_word(enum log_level level)
{
	static const char *const words[] = {
		[LOG_ERROR] = "error",
		[LOG_WARN] = "warn",
		[LOG_NOTICE] = "notify",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};

	return (words[level]);
}

/* Of a line in a file, as read_log takes it apart. */
static size_t
log_prefix(char *line, size_t size, enum log_level level)
{
	struct timespec ts;
	struct tm tm;
	char when[32];
	int n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line, size, "%s.%03ldZ [%s] [%s]%s: ", when, ts.tv_nsec / 1000000, log_name,
	    log_word(level), log_node);
	return (n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1);
}

/* The journal has the time; `text` is what follows the prefix of a file's line. */
static void
log_to_std(enum log_level level, const char *line, size_t len, size_t text)
{
	char journal[LOG_MAX + 512];
	ssize_t ignored;
	int n;

	if (log_journal) {
		n = snprintf(journal, sizeof journal, "<%d>%s%s: %.*s", (int)level, log_name,
		    log_node, (int)(len - text), line + text);
		line = journal;
		len = n < 0 ? 0 : (size_t)n < sizeof journal ? (size_t)n : sizeof journal - 1;
	}
	ignored = write(STDERR_FILENO, line, len);
	(void)ignored;
}

/* One write() a line, so that threads and processes do not mix; no allocation, for mem.c. */
static void
log_write(enum log_level level, int err, const char *fmt, va_list ap)
{
	char line[LOG_MAX], errbuf[128];
	size_t len, start, i;
	int n;

	if ((int)level > log_threshold)
		return;
	start = len = log_prefix(line, sizeof line / 2, level);
	n = vsnprintf(line + len, sizeof line - len - 1, fmt, ap);
	if (n > 0)
		len += (size_t)n < sizeof line - len - 1 ? (size_t)n : sizeof line - len - 2;
	if (err != 0) {
		n = snprintf(line + len, sizeof line - len - 1, ": %s",
		    strerror_r(err, errbuf, sizeof errbuf));
		if (n > 0)
			len += (size_t)n < sizeof line - len - 1 ? (size_t)n :
								   sizeof line - len - 2;
	}
	/* What a peer wrote must not look like a line of ours. */
	for (i = start; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	line[len++] = '\n';
	if (log_std)
		log_to_std(level, line, len, start);
	logfile_write(line, len);
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;
	int saved = errno;

	va_start(ap, fmt);
	log_write(level, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_error(const char *fmt, ...)
{
	va_list ap;
	int saved = errno;

	va_start(ap, fmt);
	log_write(LOG_ERROR, saved, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_errorx(const char *fmt, ...)
{
	va_list ap;
	int saved = errno;

	va_start(ap, fmt);
	log_write(LOG_ERROR, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;
	int saved = errno;

	va_start(ap, fmt);
	log_write(LOG_WARN, saved, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_warnx(const char *fmt, ...)
{
	va_list ap;
	int saved = errno;

	va_start(ap, fmt);
	log_write(LOG_WARN, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_info(const char *fmt, ...)
{
	va_list ap;
	int saved = errno;

	va_start(ap, fmt);
	log_write(LOG_INFO, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;
	int saved = errno;

	va_start(ap, fmt);
	log_write(LOG_DEBUG, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
fatal(const char *fmt, ...)
{
	va_list ap;
	int saved = errno;

	va_start(ap, fmt);
	log_write(LOG_ERROR, saved, fmt, ap);
	va_end(ap);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_write(LOG_ERROR, 0, fmt, ap);
	va_end(ap);
	exit(1);
}
