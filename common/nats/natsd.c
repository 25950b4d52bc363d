#include "config.h"

#include "common/nats/natsd_priv.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/tool.h"
#include "common/nats/handshake.h"

#define SLOW_START_MS  60000
#define TERM_MS        5000 /* from SIGTERM to SIGKILL */
#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 10000
#define CALM_MS        10000    /* a run of this length forgets the back-off */
#define HANDSHAKE_US   60000000 /* one that fails is tried again far sooner */
#define CMDLINE_MAX    65536

static void start_process(struct natsd *d);

static void
natsd_arm(struct natsd *d, unsigned ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	evtimer_add(d->timer, &tv);
}

void
natsd_set_state(struct natsd *d, enum natsd_state state)
{
	d->state = state;
	d->since = mono_us();
	d->killed = 0;
}

static unsigned
ms_in_state(const struct natsd *d)
{
	return ((unsigned)((mono_us() - d->since) / 1000));
}

static void
output_free(struct natsd *d)
{
	if (d->output != NULL)
		event_free(d->output);
	d->output = NULL;
	if (d->output_fd != -1)
		close(d->output_fd);
	d->output_fd = -1;
	buf_clear(&d->log.line);
}

static void
log_end(const struct natsd *d, int status)
{
	if (d->state == STATE_STOPPING)
		return;
	if (WIFSIGNALED(status))
		log_warnx("%s server: killed by signal %d", d->o.name, WTERMSIG(status));
	else
		log_warnx("%s server: ended with status %d", d->o.name, WEXITSTATUS(status));
}

static void
start_after_pause(struct natsd *d)
{
	unsigned pause = d->pause;

	d->pause = 0;
	if (pause == 0) {
		start_process(d);
		return;
	}
	natsd_set_state(d, STATE_PAUSE);
	natsd_arm(d, pause);
}

/* More than once, and not ready since: what stops it is still there. */
static int
keeps_ending(const struct natsd *d)
{
	return (d->backoff > BACKOFF_MIN_MS && d->state != STATE_RUNNING);
}

/* Our child has ended. */
static void
process_ended(struct natsd *d, int status)
{
	int was_ready = d->state == STATE_RUNNING;

	log_end(d, status);
	d->pid = 0;
	natsd_unwatch(d);
	output_free(d);
	if (d->o.ended != NULL)
		d->o.ended(d->o.arg);
	if (d->state == STATE_STOPPING) {
		d->renewed++;
		start_after_pause(d);
		return;
	}
	d->ended++;
	if (was_ready && ms_in_state(d) >= CALM_MS)
		d->backoff = 0;
	d->backoff = d->backoff == 0        ? BACKOFF_MIN_MS :
	    d->backoff * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS :
					      d->backoff * 2;
	natsd_set_state(d, STATE_BACKOFF);
	natsd_arm(d, d->backoff);
	if (was_ready || keeps_ending(d))
		d->o.changed(d->o.arg);
}

/* It closed its output, so it has ended or is about to. */
static void
reap_process(struct natsd *d)
{
	int status = 0;

	if (waitpid(d->pid, &status, WNOHANG) == 0)
		natsd_arm(d, POLL_MS);
	else
		process_ended(d, status);
}

static void
natsd_output_cb(evutil_socket_t fd, short what, void *arg)
{
	struct natsd *d = arg;
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		natslog_add(&d->log, buf, (size_t)n);
	else {
		output_free(d);
		reap_process(d);
	}
}

/* It may take long for what it has on disk, but it answers meanwhile that it does. */
static int
silent_start(struct natsd *d)
{
	uint64_t last = d->heard > d->since ? d->heard : d->since;

	if (mono_us() - last < (SLOW_START_MS + d->o.hang_ms) * 1000ULL)
		return (0);
	log_warnx("%s server: has never been ready, process %d is killed", d->o.name, (int)d->pid);
	(void)kill(d->pid, SIGKILL);
	natsd_arm(d, SLOW_START_MS);
	return (1);
}

static void
on_starting(struct natsd *d)
{
	if (!d->slow && ms_in_state(d) > SLOW_START_MS) {
		log_warnx("%s server: still not ready", d->o.name);
		d->slow = 1;
	}
	if (silent_start(d))
		return;
	natsd_ask_health(d);
	natsd_arm(d, POLL_MS);
}

/* Whether the process runs with our configuration file. */
static int
is_our_server(const struct natsd *d, pid_t pid)
{
	char *path = xasprintf("/proc/%d/cmdline", (int)pid), *text, *at;
	size_t len = 0;
	int found = 0;

	text = file_read(path, CMDLINE_MAX, &len);
	for (at = text; text != NULL && at < text + len; at += strlen(at) + 1)
		if (strcmp(at, d->conf_path) == 0)
			found = 1;
	free(text);
	free(path);
	return (found);
}

/* A server whose daemon was killed, and which has not noticed yet; 0: none. */
static pid_t
left_over(const struct natsd *d)
{
	size_t len;
	char *text = file_read(d->pid_path, 32, &len);
	long pid = text != NULL ? strtol(text, NULL, 10) : 0;

	free(text);
	return (pid > 1 && pid <= INT32_MAX && is_our_server(d, (pid_t)pid) ? (pid_t)pid : 0);
}

static void
on_clearing(struct natsd *d)
{
	if (!is_our_server(d, d->old_pid)) {
		d->old_pid = 0;
		start_process(d);
		return;
	}
	if (!d->killed && ms_in_state(d) > TERM_MS) {
		d->killed = 1;
		if (kill(d->old_pid, SIGKILL) == -1)
			log_warn("%s server: cannot end process %d", d->o.name, (int)d->old_pid);
	}
	natsd_arm(d, POLL_MS);
}

static void
on_stopping(struct natsd *d)
{
	if (!d->killed && ms_in_state(d) > TERM_MS) {
		d->killed = 1;
		(void)kill(d->pid, SIGKILL);
	}
	natsd_arm(d, POLL_MS);
}

/* With what is in place, if it still is. */
static void
start_again(struct natsd *d)
{
	if (access(d->binary, X_OK) == 0 && access(d->conf_path, R_OK) == 0)
		start_process(d);
	else
		natsd_setup_begin(d);
}

static void
natsd_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct natsd *d = arg;

	if (d->pid != 0 && d->output == NULL) {
		reap_process(d);
		return;
	}
	switch (d->state) {
	case STATE_CLEARING:
		on_clearing(d);
		break;
	case STATE_STARTING:
		on_starting(d);
		break;
	case STATE_STOPPING:
		on_stopping(d);
		break;
	case STATE_PAUSE:
	case STATE_BACKOFF:
		start_again(d);
		break;
	case STATE_STOPPED:
	case STATE_RUNNING:
		break;
	}
}

static void
start_process(struct natsd *d)
{
	char *argv[] = { d->binary, (char *)"-c", d->conf_path, NULL };

	if ((d->old_pid = left_over(d)) != 0) {
		log_info("%s server: ending process %d, left over from before", d->o.name,
		    (int)d->old_pid);
		(void)kill(d->old_pid, SIGTERM);
		natsd_set_state(d, STATE_CLEARING);
		natsd_arm(d, POLL_MS);
		return;
	}
	natsd_remove_ports(d);
	d->slow = 0;
	d->pid = tool_spawn(argv, &d->output_fd);
	if (d->pid == -1) {
		log_error("%s server: cannot start %s", d->o.name, d->binary);
		d->pid = 0;
		d->output_fd = -1;
		natsd_set_state(d, STATE_BACKOFF);
		natsd_arm(d, BACKOFF_MAX_MS);
		return;
	}
	evutil_make_socket_nonblocking(d->output_fd);
	d->output = event_new(d->base, d->output_fd, EV_READ | EV_PERSIST, natsd_output_cb, d);
	if (d->output == NULL || event_add(d->output, NULL) == -1)
		fatalx("%s server: cannot watch its output", d->o.name);
	natsd_set_state(d, STATE_STARTING);
	natsd_arm(d, POLL_MS);
}

static void
restart_process(struct natsd *d)
{
	int was_ready = d->state == STATE_RUNNING;

	natsd_unwatch(d);
	(void)kill(d->pid, SIGTERM);
	natsd_set_state(d, STATE_STOPPING);
	natsd_arm(d, POLL_MS);
	if (was_ready)
		d->o.changed(d->o.arg);
}

void
natsd_take(struct natsd *d)
{
	if (d->state == STATE_STOPPED || d->state == STATE_BACKOFF) {
		d->backoff = 0;
		start_process(d);
	} else if (d->state == STATE_RUNNING && !d->with_restart) {
		(void)kill(d->pid, SIGHUP);
	} else if (d->state == STATE_RUNNING || d->state == STATE_STARTING) {
		/* A server that is starting does not take SIGHUP yet. */
		restart_process(d);
	}
	d->with_restart = 0;
	d->o.changed(d->o.arg);
}

/* The interface */

struct natsd *
natsd_new(struct event_base *base, const struct natsd_opts *o)
{
	struct natsd *d = xcalloc(1, sizeof(*d));

	d->base = base;
	d->o = *o;
	d->o.name = xstrdup(o->name);
	d->o.binary = xstrdup(o->binary);
	d->o.dir = xstrdup(o->dir);
	d->conf_path = xasprintf("%s/%s.conf", o->dir, o->name);
	d->pid_path = xasprintf("%s/%s.pid", o->dir, o->name);
	d->output_fd = -1;
	d->timer = evtimer_new(base, natsd_timer_cb, d);
	if (d->timer == NULL)
		fatalx("%s server: no timer", o->name);
	d->log.name = d->o.name;
	d->log.handshakes = handshakes_new();
	d->log.leaflinks = leaflinks_new();
	return (d);
}

void
natsd_configure(struct natsd *d, const char *text, int with_restart)
{
	if (d->wanted != NULL && strcmp(d->wanted, text) == 0)
		return;
	free(d->wanted);
	d->wanted = xstrdup(text);
	d->with_restart |= with_restart;
	natsd_setup_begin(d);
}

void
natsd_pause(struct natsd *d, unsigned ms)
{
	if (d != NULL)
		d->pause = ms;
}

void
natsd_renew(struct natsd *d, unsigned ms)
{
	if (d->state != STATE_RUNNING && d->state != STATE_STARTING)
		return;
	d->pause = ms;
	restart_process(d);
}

int
natsd_pid(const struct natsd *d)
{
	return (d != NULL ? (int)d->pid : 0);
}

const char *
natsd_status(const struct natsd *d)
{
	static const char *const names[] = {
		[STATE_STOPPED] = "stopped",
		[STATE_CLEARING] = "starting",
		[STATE_STARTING] = "starting",
		[STATE_RUNNING] = "running",
		[STATE_STOPPING] = "starting",
		[STATE_PAUSE] = "starting",
		[STATE_BACKOFF] = "errored",
	};

	if (d == NULL)
		return ("stopped");
	if (natsd_is_silent(d) || (d->fault != NULL && d->pid == 0))
		return ("errored");
	return (names[d->state]);
}

const char *
natsd_fault(const struct natsd *d)
{
	if (d == NULL)
		return (NULL);
	if (natsd_is_silent(d))
		return ("it does not answer");
	if (d->fault == NULL && keeps_ending(d))
		return (
		    "it ends by itself after each start, and is started again: read_log has what it says");
	return (d->fault);
}

json_t *
natsd_json(const struct natsd *d, const char *error)
{
	const char *fault = natsd_fault(d);
	int off = error != NULL && natsd_pid(d) == 0;

	return (json_pack("{s:s, s:i, s:s?, s:s*}", "status", off ? "errored" : natsd_status(d),
	    "pid", natsd_pid(d), "version", d != NULL ? d->version : NULL, "error",
	    error != NULL ? error : fault));
}

unsigned
natsd_restarts(const struct natsd *d, int ended)
{
	return (d == NULL ? 0 : ended ? d->ended : d->renewed);
}

json_t *
natsd_handshakes(const struct natsd *d)
{
	uint64_t now = mono_us();

	return (d != NULL ?
		handshakes_failing(d->log.handshakes, now > HANDSHAKE_US ? now - HANDSHAKE_US : 1) :
		json_array());
}

uint64_t
natsd_leaf_number(const struct natsd *d, const char *address)
{
	return (d != NULL ? leaflinks_number(d->log.leaflinks, address) : 0);
}

void
natsd_free(struct natsd *d)
{
	if (d == NULL)
		return;
	natsd_setup_end(d);
	if (d->pid != 0) {
		/* One that is stopped takes no other signal. */
		(void)kill(d->pid, natsd_is_silent(d) ? SIGKILL : SIGTERM);
		natsd_unwatch(d);
		(void)tool_reap(d->pid, TERM_MS);
	}
	natsd_unwatch(d);
	output_free(d);
	event_free(d->timer);
	if (d->retry != NULL)
		event_free(d->retry);
	if (d->watch != NULL)
		event_free(d->watch);
	buf_free(&d->log.line);
	handshakes_free(d->log.handshakes);
	leaflinks_free(d->log.leaflinks);
	free((char *)d->o.name);
	free((char *)d->o.binary);
	free((char *)d->o.dir);
	free(d->conf_path);
	free(d->pid_path);
	free(d->wanted);
	free(d->text);
	free(d->binary);
	free(d->version);
	free(d->fault);
	free(d);
}
