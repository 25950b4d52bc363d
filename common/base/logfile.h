#ifndef HL_LOGFILE_H
#define HL_LOGFILE_H

#include <stddef.h>
#include <stdint.h>

/*
 * The file of a daemon's log.  When it is too large or too old it gets a name with the
 * time, such as opsd-20261121T084500.123.log, and a new one begins.
 */
struct logfile_opts {
	const char *dir, *name;         /* <dir>/<name>.log */
	const char *old_dir;            /* of those before */
	uint64_t max_bytes, interval_s; /* 0: no such limit */
	unsigned keep;                  /* so many of those before stay */
	uint64_t retention_s;
};

/* From now on that file, opened anew; NULL: none.  -1 with errno: none, it cannot be opened. */
int logfile_set(const struct logfile_opts *o);
/* The same file anew: somebody may have moved it.  -1 with errno: the old one goes on. */
int logfile_reopen(void);
/* Any thread. */
void logfile_write(const char *line, size_t n);

#endif
