#ifndef HL_NATSD_H
#define HL_NATSD_H

#include <stdint.h>

/*
 * One supervised nats-server, on the loop's thread.  Writes its configuration
 * file, starts it, waits until /healthz says ready, restarts it with back-off
 * (0.2 to 10 s) when it dies, sends its log lines to ours, and stops it
 * (SIGTERM, SIGKILL after 5 s).  It dies with its parent (PR_SET_PDEATHSIG).
 * A server left over from a killed parent (pid file) is ended first.
 */
struct natsd;
struct event_base;

struct natsd_opts {
	const char	*name;		/* "hub", "leaf": for the log and file names */
	const char	*binary;	/* path */
	const char	*dir;		/* for <name>.conf, <name>.pid, ports; made when absent, 0700 */
	int		 allow_old;	/* run a server older than 2.10.27 */
};

/* `state` runs with 1 when ready, 0 when it went away. */
struct natsd *natsd_new(struct event_base *base, const struct natsd_opts *o,
    void (*state)(int ready, void *arg), void *arg);
/* The server's configuration (without pid_file, ports_file_dir and http, which are
 * added).  First call starts it; a later, different text is checked with -t and
 * reloaded by SIGHUP, or by restart when `restart`.  -1 with *err when refused
 * (the old one keeps running). */
int natsd_configure(struct natsd *d, const char *text, int restart, char **err);
int natsd_pid(const struct natsd *d);		/* 0: not running */
const char *natsd_status(const struct natsd *d);	/* "running", "starting", "stopped", "errored" */
const char *natsd_version(const struct natsd *d);	/* "2.10.27", NULL before the first start */
/* How often it was started after the first time: as it had ended, or for a configuration. */
unsigned natsd_restarts(const struct natsd *d, int ended);
/* Stop and wait (bounded); then free. */
void natsd_free(struct natsd *d);

#endif
