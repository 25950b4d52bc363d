#ifndef HL_NATSD_H
#define HL_NATSD_H

#include <jansson.h>
#include <stdint.h>

/*
 * One supervised nats-server, on the loop's thread, which it never holds up: finds the
 * binary, writes its configuration file and has it checked, starts it, waits until /healthz
 * says ready, restarts it with back-off (0.2 to 10 s) when it dies, kills it when it does not
 * answer any more, sends its log lines to ours, and stops it (SIGTERM, SIGKILL after 5 s).
 * What fails is tried again for ever.  It dies with its parent (PR_SET_PDEATHSIG).
 * A server left over from a killed parent (pid file) is ended first.
 */
struct natsd;
struct event_base;

struct natsd_opts {
	const char *name;   /* "hub", "leaf": for the log and file names */
	const char *binary; /* its path as configured; NULL: see natsbin.h */
	const char *dir;    /* for <name>.conf, <name>.pid, ports; made when absent, 0700 */
	int allow_old;      /* run a server older than 2.10.27 */
	unsigned hang_ms;   /* without an answer for so long it is killed */
	/* NULL, or before the configuration is written: other files that it names; -1 with *err. */
	int (*prepare)(void *arg, char **err);
	void (*ended)(void *arg);   /* NULL, or none runs any more: its files are nobody's now */
	void (*changed)(void *arg); /* what natsd_json says may be another */
	void *arg;
};

struct natsd *natsd_new(struct event_base *base, const struct natsd_opts *o);
/* The server's configuration (without pid_file, ports_file_dir and http, which are
 * added).  First call starts it; a later, different text is checked with -t and
 * reloaded by SIGHUP, or by restart when `restart`.  While it is refused the old
 * one keeps running. */
void natsd_configure(struct natsd *d, const char *text, int restart);
/* The next restart for a configuration leaves so long between the old process and the new one. */
void natsd_pause(struct natsd *d, unsigned ms);
/* Start it anew, as it is configured, so long after the old process has ended. */
void natsd_renew(struct natsd *d, unsigned ms);
int natsd_pid(const struct natsd *d);            /* 0: not running */
const char *natsd_status(const struct natsd *d); /* "running", "starting", "stopped", "errored" */
/* What keeps it from being what is wanted; NULL: nothing. */
const char *natsd_fault(const struct natsd *d);
/* {"status","pid","version","error"?}; `error`, unless NULL, is the caller's.  New reference. */
json_t *natsd_json(const struct natsd *d, const char *error);
/* How often it was started after the first time: as it had ended, or for a configuration. */
unsigned natsd_restarts(const struct natsd *d, int ended);
/* Links whose TLS handshake failed a short while ago, as handshakes_failing(); new reference. */
json_t *natsd_handshakes(const struct natsd *d);
/* The number of the leaf link from that address, as leaflinks_number(). */
uint64_t natsd_leaf_number(const struct natsd *d, const char *address);
/* Stop and wait (bounded); then free. */
void natsd_free(struct natsd *d);

#endif
