#include "config.h"

#include "opsd/cli/cli_progress.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"

#define BAR     30
#define DRAW_US 100000

/* "1.2 GB", or "1234". */
static void
amount_text(char *out, size_t n, uint64_t v, enum progress_unit unit)
{
	static const char *const units[] = { "kB", "MB", "GB", "TB" };
	double d = (double)v / 1000;
	size_t i = 0;

	if (unit == UNIT_COUNT || v < 1000) {
		snprintf(out, n, "%llu%s", (unsigned long long)v, unit == UNIT_COUNT ? "" : " B");
		return;
	}
	for (; d >= 999.95 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
		d /= 1000;
	snprintf(out, n, "%.1f %s", d, units[i]);
}

void
progress_text(char *out, size_t n, const char *what, uint64_t done, uint64_t total,
    enum progress_unit unit)
{
	char bar[BAR + 1] = "", have[32], all[32];
	double part = total == 0 ? 0 : done >= total ? 1 : (double)done / (double)total;

	amount_text(have, sizeof(have), done, unit);
	if (total == 0) {
		snprintf(out, n, "%s  %s", what, have);
		return;
	}
	amount_text(all, sizeof(all), total, unit);
	for (int i = 0; i < BAR; i++)
		bar[i] = i < (int)(part * BAR) ? '#' : '-';
	snprintf(out, n, "%s  [%s] %3d%%  %s of %s", what, bar, (int)(part * 100), have, all);
}

struct cli_progress
progress_begin(void)
{
	return ((struct cli_progress){ .on = isatty(STDERR_FILENO) });
}

void
progress_show(struct cli_progress *p, const char *what, uint64_t done, uint64_t total,
    enum progress_unit unit)
{
	uint64_t now = mono_us();
	char line[160];

	if (!p->on || (p->drawn && now - p->drawn_us < DRAW_US))
		return;
	p->drawn = 1;
	p->drawn_us = now;
	progress_text(line, sizeof(line), what, done, total, unit);
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
}

void
progress_end(struct cli_progress *p)
{
	if (p->drawn)
		fprintf(stderr, "\r\033[K");
	p->drawn = 0;
}
