#include "config.h"

#include "opsd/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "opsd/cli/cli_plain.h"

/* `hubleaf top`: the screen of `hubleaf status`, again and again. */

#define HOME  "\033[H" /* top left */
#define REST  "\033[K" /* of a line, cleared */
#define BELOW "\033[J"

/* Drawn over what was there: no line is empty in between, so that nothing flickers. */
static void
draw_screen(const struct buf *screen)
{
	const char *s = (const char *)screen->data, *end = s + screen->len, *stop;

	fputs(HOME, stdout);
	for (; s < end; s = stop + 1) {
		stop = memchr(s, '\n', (size_t)(end - s));
		stop = stop != NULL ? stop : end - 1;
		fwrite(s, 1, (size_t)(stop - s), stdout);
		fputs(REST "\n", stdout);
	}
	fputs(BELOW, stdout);
}

static void
put_time(struct buf *out)
{
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(text, sizeof(text), "%F %T", &tm);
	buf_addf(out, "%s\n\n", text);
}

int
cli_top(const struct conf *conf, const struct cli_target *t, double seconds, long long count)
{
	int runs = 0, terminal = isatty(STDOUT_FILENO);
	struct timespec pause = { (time_t)seconds,
		(long)((seconds - (double)(time_t)seconds) * 1e9) };

	for (long long n = 0; count == 0 || n < count; n++) {
		struct buf screen = { 0 };
		char *err = NULL;
		json_t *status;

		if (n > 0)
			nanosleep(&pause, NULL);
		put_time(&screen);
		status = cli_status(conf, t, &runs, &err);
		if (status != NULL)
			cli_screen(status, &screen);
		else {
			cli_plain(&screen, err);
			buf_u8(&screen, '\n');
		}
		if (terminal)
			draw_screen(&screen);
		else
			fwrite(screen.data, 1, screen.len, stdout);
		fflush(stdout);
		json_decref(status);
		free(err);
		buf_free(&screen);
	}
	return (!runs);
}
