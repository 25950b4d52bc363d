#include "config.h"

#include "natsd.h"

#include <dirent.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "natsbin.h"
#include "natslog.h"
#include "natstext.h"
#include "tool.h"

#define POLL_MS		20		/* while starting */
#define SLOW_START_MS	60000
#define TERM_MS		5000		/* from SIGTERM to SIGKILL */
#define BACKOFF_MIN_MS	200
#define BACKOFF_MAX_MS	10000
#define CALM_MS		10000		/* a run of this length forgets the back-off */
#define PORTS_MAX	65536

enum natsd_state {
	STATE_STOPPED,		/* never configured, or asked to stop */
	STATE_CLEARING,		/* waiting for a left-over server to go */
	STATE_STARTING,		/* runs, not ready */
	STATE_RUNNING,
	STATE_STOPPING,		/* SIGTERM sent, to be started anew */
	STATE_BACKOFF,		/* died, waiting to be started anew */
};

struct natsd {
	struct event_base	*base;
	char			*name, *binary, *dir;
	char			*conf_path, *pid_path;
	int			 allow_old;
	void			(*state_cb)(int ready, void *arg);
	void			*arg;

	enum natsd_state	 state;
	char			*text;		/* as configured last */
	char			*version;
	pid_t			 pid;		/* of our child */
	pid_t			 old_pid;	/* of the left-over */
	uint64_t		 since;		/* mono_us of the last change of state */
	unsigned		 backoff;	/* ms */
	int			 killed, slow;
	unsigned		 ended, renewed;	/* restarts as it had ended; for a configuration */
	struct event		*timer;
	struct event		*output;	/* the child's stderr and stdout */
	int			 output_fd;
	struct natslog		 log;
	struct evhttp_connection *http;		/* to the child's monitoring port */
	int			 asking;
};

static void start(struct natsd *d);

static void
arm(struct natsd *d, unsigned ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	evtimer_add(d->timer, &tv);
}

static void
set_state(struct natsd *d, enum natsd_state state)
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
http_free(struct natsd *d)
{
	if (d->http != NULL)
		evhttp_connection_free(d->http);
	d->http = NULL;
	d->asking = 0;
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
		log_warnx("%s server: killed by signal %d", d->name, WTERMSIG(status));
	else
		log_warnx("%s server: ended with status %d", d->name, WEXITSTATUS(status));
}

/* Our child has ended. */
static void
ended(struct natsd *d, int status)
{
	int was_ready = d->state == STATE_RUNNING;

	log_end(d, status);
	d->pid = 0;
	http_free(d);
	output_free(d);
	if (d->state == STATE_STOPPING) {
		d->renewed++;
		start(d);
		return;
	}
	d->ended++;
	if (was_ready && ms_in_state(d) >= CALM_MS)
		d->backoff = 0;
	d->backoff = d->backoff == 0 ? BACKOFF_MIN_MS :
	    d->backoff * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : d->backoff * 2;
	set_state(d, STATE_BACKOFF);
	arm(d, d->backoff);
	if (was_ready)
		d->state_cb(0, d->arg);
}

/* It closed its output, so it has ended or is about to. */
static void
reap(struct natsd *d)
{
	int status = 0;

	if (waitpid(d->pid, &status, WNOHANG) == 0)
		arm(d, POLL_MS);
	else
		ended(d, status);
}

static void
natsd_output_cb(evutil_socket_t fd, short what, void *arg)
{
	struct natsd	*d = arg;
	char		 buf[4096];
	ssize_t		 n = read(fd, buf, sizeof(buf));

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		natslog_add(&d->log, buf, (size_t)n);
	else {
		output_free(d);
		reap(d);
	}
}

/* <binary>_<pid>.ports, which a killed server leaves behind. */
static char *
ports_name(const struct natsd *d, pid_t pid)
{
	const char *slash = strrchr(d->binary, '/');

	return (xasprintf("%s/%s_%d.ports", d->dir, slash != NULL ? slash + 1 : d->binary, (int)pid));
}

static void
remove_ports(const struct natsd *d)
{
	DIR		*dir = opendir(d->dir);
	struct dirent	*e;
	const char	*dot;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if ((dot = strrchr(e->d_name, '.')) != NULL && strcmp(dot, ".ports") == 0)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
}

/* The port of its monitoring listener; 0: not known yet. */
static unsigned
monitoring_port(const struct natsd *d)
{
	char		*path = ports_name(d, d->pid), *text;
	const char	*url, *colon;
	json_t		*ports = NULL;
	size_t		 len;
	unsigned	 port = 0;

	text = file_read(path, PORTS_MAX, &len);
	if (text != NULL)
		ports = json_loads(text, 0, NULL);
	url = json_string_value(json_array_get(json_object_get(ports, "monitoring"), 0));
	if (url != NULL && (colon = strrchr(url, ':')) != NULL)
		port = (unsigned)strtoul(colon + 1, NULL, 10);
	json_decref(ports);
	free(text);
	free(path);
	return (port <= 65535 ? port : 0);
}

static void
natsd_health_cb(struct evhttp_request *req, void *arg)
{
	struct natsd *d = arg;

	d->asking = 0;
	if (d->state != STATE_STARTING || req == NULL || evhttp_request_get_response_code(req) != 200)
		return;
	set_state(d, STATE_RUNNING);
	evtimer_del(d->timer);
	log_info("%s server: ready (nats-server %s, pid %d)", d->name, d->version, (int)d->pid);
	d->state_cb(1, d->arg);
}

static void
ask_health(struct natsd *d)
{
	struct evhttp_request	*req;
	unsigned		 port;

	if (d->asking)
		return;
	if (d->http == NULL) {
		if ((port = monitoring_port(d)) == 0)
			return;
		d->http = evhttp_connection_base_new(d->base, NULL, "127.0.0.1", (uint16_t)port);
		if (d->http == NULL)
			return;
		evhttp_connection_set_timeout(d->http, 2);
	}
	if ((req = evhttp_request_new(natsd_health_cb, d)) == NULL)
		return;
	evhttp_add_header(evhttp_request_get_output_headers(req), "Host", "127.0.0.1");
	d->asking = evhttp_make_request(d->http, req, EVHTTP_REQ_GET, "/healthz") == 0;
}

static void
on_starting(struct natsd *d)
{
	if (!d->slow && ms_in_state(d) > SLOW_START_MS) {
		log_warnx("%s server: still not ready", d->name);
		d->slow = 1;
	}
	ask_health(d);
	arm(d, POLL_MS);
}

/* Whether the process runs with our configuration file. */
static int
is_ours(const struct natsd *d, pid_t pid)
{
	char	*path = xasprintf("/proc/%d/cmdline", (int)pid), *text, *at;
	size_t	 len = 0;
	int	 found = 0;

	text = file_read(path, PORTS_MAX, &len);
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
	size_t	 len;
	char	*text = file_read(d->pid_path, 32, &len);
	long	 pid = text != NULL ? strtol(text, NULL, 10) : 0;

	free(text);
	return (pid > 1 && pid <= INT32_MAX && is_ours(d, (pid_t)pid) ? (pid_t)pid : 0);
}

static void
on_clearing(struct natsd *d)
{
	if (!is_ours(d, d->old_pid)) {
		d->old_pid = 0;
		start(d);
		return;
	}
	if (!d->killed && ms_in_state(d) > TERM_MS) {
		d->killed = 1;
		if (kill(d->old_pid, SIGKILL) == -1)
			log_warn("%s server: cannot end process %d", d->name, (int)d->old_pid);
	}
	arm(d, POLL_MS);
}

static void
on_stopping(struct natsd *d)
{
	if (!d->killed && ms_in_state(d) > TERM_MS) {
		d->killed = 1;
		(void)kill(d->pid, SIGKILL);
	}
	arm(d, POLL_MS);
}

static void
natsd_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct natsd *d = arg;

	if (d->pid != 0 && d->output == NULL) {
		reap(d);
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
	case STATE_BACKOFF:
		start(d);
		break;
	case STATE_STOPPED:
	case STATE_RUNNING:
		break;
	}
}

static void
start(struct natsd *d)
{
	char *argv[] = { d->binary, (char *)"-c", d->conf_path, NULL };

	if ((d->old_pid = left_over(d)) != 0) {
		log_info("%s server: ending process %d, left over from before", d->name,
		    (int)d->old_pid);
		(void)kill(d->old_pid, SIGTERM);
		set_state(d, STATE_CLEARING);
		arm(d, POLL_MS);
		return;
	}
	remove_ports(d);
	d->slow = 0;
	d->pid = tool_spawn(argv, &d->output_fd);
	if (d->pid == -1) {
		log_error("%s server: cannot start %s", d->name, d->binary);
		d->pid = 0;
		d->output_fd = -1;
		set_state(d, STATE_BACKOFF);
		arm(d, BACKOFF_MAX_MS);
		return;
	}
	evutil_make_socket_nonblocking(d->output_fd);
	d->output = event_new(d->base, d->output_fd, EV_READ | EV_PERSIST, natsd_output_cb, d);
	if (d->output == NULL || event_add(d->output, NULL) == -1)
		fatalx("%s server: cannot watch its output", d->name);
	set_state(d, STATE_STARTING);
	arm(d, POLL_MS);
}

static void
restart(struct natsd *d)
{
	int was_ready = d->state == STATE_RUNNING;

	http_free(d);
	(void)kill(d->pid, SIGTERM);
	set_state(d, STATE_STOPPING);
	arm(d, POLL_MS);
	if (was_ready)
		d->state_cb(0, d->arg);
}

/* The interface */

struct natsd *
natsd_new(struct event_base *base, const struct natsd_opts *o,
    void (*state)(int ready, void *arg), void *arg)
{
	struct natsd	*d = xcalloc(1, sizeof(*d));

	d->base = base;
	d->name = xstrdup(o->name);
	d->binary = xstrdup(o->binary);
	d->dir = xstrdup(o->dir);
	d->conf_path = xasprintf("%s/%s.conf", o->dir, o->name);
	d->pid_path = xasprintf("%s/%s.pid", o->dir, o->name);
	d->allow_old = o->allow_old;
	d->state_cb = state;
	d->arg = arg;
	d->output_fd = -1;
	d->timer = evtimer_new(base, natsd_timer_cb, d);
	if (d->timer == NULL)
		fatalx("%s server: no timer", o->name);
	d->log.name = d->name;
	if (file_make_folder(d->dir) == -1)
		log_error("%s server: %s", o->name, d->dir);	/* natsd_configure tries again */
	return (d);
}

/* The whole file: the caller's text and what is ours. */
static int
write_conf(const struct natsd *d, const char *path, const char *text)
{
	struct buf	b = { 0 };
	int		fd, rc = -1;

	buf_addf(&b, "# Written by hubleaf: changes are lost.\npid_file: ");
	natstext_quote(&b, d->pid_path);
	buf_addf(&b, "\nports_file_dir: ");
	natstext_quote(&b, d->dir);
	/* One line on a peer that is away, not one for each attempt to reach it. */
	buf_addf(&b, "\nhttp: \"127.0.0.1:-1\"\nlogtime: false\n"
	    "connect_error_reports: 600\nreconnect_error_reports: 600\n");
	buf_add(&b, text, strlen(text));
	(void)unlink(path);
	/* Written again at the next start: nothing waits for the disk. */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd != -1) {
		rc = file_write(fd, b.data, b.len);
		if (close(fd) == -1)
			rc = -1;
	}
	buf_free(&b);
	return (rc);
}

/* Write it beside the present file, have it checked, and put it in place. */
static int
install_conf(struct natsd *d, const char *text, char **err)
{
	char	*new = xasprintf("%s.new", d->conf_path), *out = NULL;
	char	*argv[] = { d->binary, (char *)"-t", (char *)"-c", new, NULL };
	int	 rc = -1;

	if (write_conf(d, new, text) == -1)
		*err = xasprintf("%s: %s", new, strerror(errno));
	else if (tool_run(argv, &out) != 0)
		*err = xasprintf("nats-server refuses the configuration: %s", out);
	else if (rename(new, d->conf_path) == -1)
		*err = xasprintf("%s: %s", d->conf_path, strerror(errno));
	else
		rc = 0;
	if (rc == -1)
		(void)unlink(new);
	free(out);
	free(new);
	return (rc);
}

int
natsd_configure(struct natsd *d, const char *text, int with_restart, char **err)
{
	if (d->text != NULL && strcmp(d->text, text) == 0)
		return (0);
	if (file_make_folder(d->dir) == -1) {
		*err = xasprintf("%s: %s", d->dir, strerror(errno));
		return (-1);
	}
	if (d->version == NULL)
		d->version = natsbin_version(d->binary, d->allow_old, err);
	if (d->version == NULL)
		return (-1);
	if (install_conf(d, text, err) == -1)
		return (-1);
	free(d->text);
	d->text = xstrdup(text);
	if (d->state == STATE_STOPPED || d->state == STATE_BACKOFF) {
		d->backoff = 0;
		start(d);
	} else if (d->state == STATE_RUNNING && !with_restart) {
		(void)kill(d->pid, SIGHUP);
	} else if (d->state == STATE_RUNNING || d->state == STATE_STARTING) {
		/* A server that is starting does not take SIGHUP yet. */
		restart(d);
	}
	return (0);
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
		[STATE_STOPPED] = "stopped", [STATE_CLEARING] = "starting",
		[STATE_STARTING] = "starting", [STATE_RUNNING] = "running",
		[STATE_STOPPING] = "starting", [STATE_BACKOFF] = "errored",
	};

	return (d != NULL ? names[d->state] : "stopped");
}

const char *
natsd_version(const struct natsd *d)
{
	return (d != NULL ? d->version : NULL);
}

unsigned
natsd_restarts(const struct natsd *d, int ended)
{
	return (d == NULL ? 0 : ended ? d->ended : d->renewed);
}

void
natsd_free(struct natsd *d)
{
	if (d == NULL)
		return;
	http_free(d);
	if (d->pid != 0) {
		(void)kill(d->pid, SIGTERM);
		(void)tool_reap(d->pid, TERM_MS);
	}
	output_free(d);
	event_free(d->timer);
	buf_free(&d->log.line);
	free(d->name);
	free(d->binary);
	free(d->dir);
	free(d->conf_path);
	free(d->pid_path);
	free(d->text);
	free(d->version);
	free(d);
}
