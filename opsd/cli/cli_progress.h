#ifndef HL_CLI_PROGRESS_H
#define HL_CLI_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

/*
 * A line on standard error that says how far something is, when that is a terminal:
 *
 *	backup  [##########----------]  50%  1.2 GB of 2.4 GB
 */
struct cli_progress {
	int on;
	uint64_t drawn_us;
	int drawn;
};

enum progress_unit { UNIT_BYTES, UNIT_COUNT };

/* The line without its end; total 0: not known. */
void progress_text(char *out, size_t n, const char *what, uint64_t done, uint64_t total,
    enum progress_unit unit);

struct cli_progress progress_begin(void);
/* Ten times a second at most. */
void progress_show(struct cli_progress *p, const char *what, uint64_t done, uint64_t total,
    enum progress_unit unit);
/* The line goes; what comes after begins on it. */
void progress_end(struct cli_progress *p);

#endif
