#include "config.h"

#include "opsd/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/* Why a daemon does not run, from the end of its log. */

#define TAIL_MAX 65536 /* bytes of the log that are looked at */

/* A line of the log, "2026-01-02T03:04:05.678Z [opsd] [error] [node]: text", at its end. */
static int
line_says(const char *line, size_t n, const char *what)
{
	return (memmem(line, n, what, strlen(what)) != NULL);
}

char *
cli_last_error(const char *log, size_t n)
{
	while (n > 0) {
		const char *end = log + n, *line;

		if (end[-1] == '\n') {
			n--;
			continue;
		}
		line = memrchr(log, '\n', n);
		line = line != NULL ? line + 1 : log;
		/* What was before it was mended, or was ended on purpose. */
		if (line_says(line, (size_t)(end - line), " is ready") ||
		    line_says(line, (size_t)(end - line), "]: stopping ("))
			return (NULL);
		if (line_says(line, (size_t)(end - line), "] [error]"))
			return (xstrndup(line, (size_t)(end - line)));
		n = (size_t)(line - log);
	}
	return (NULL);
}

char *
cli_daemon_error(const struct conf *conf, const char *daemon)
{
	char *path = xasprintf("%s/%s.log", conf_str(conf, LOG_ROOT), daemon), *text, *why = NULL;
	FILE *f = fopen(path, "re");

	free(path);
	if (f == NULL)
		return (NULL);
	text = xmalloc(TAIL_MAX);
	if (fseek(f, -TAIL_MAX, SEEK_END) == -1)
		rewind(f); /* it is shorter */
	why = cli_last_error(text, fread(text, 1, TAIL_MAX, f));
	free(text);
	fclose(f);
	return (why);
}
