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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "tool.h"

#define OLDEST_GOOD	{ 2, 10, 27 }	/* the first without known holes */
#define POLL_MS		20		/* while starting */
#define SLOW_START_MS	60000
#define TERM_MS		5000		/* from SIGTERM to SIGKILL */
#define BACKOFF_MIN_MS	200
#define BACKOFF_MAX_MS	10000
#define CALM_MS		10000		/* a run of this length forgets the back-off */
#define LINE_LEN	4096		/* a longer log line is cut up */
#define WARN_SPAN_MS	10000		/* so many of its warnings in this time go to our log */
#define WARN_MAX	20
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
	struct buf		 line;
	uint64_t		 warn_since;	/* mono_us */
	unsigned		 warns;
	struct evhttp_connection *http;		/* to the child's monitoring port */
	int			 asking;
};

static void start(struct natsd *d);

static int
too_old(const char *version)
{
	static const int	 good[3] = OLDEST_GOOD;
	int			 v[3] = { 0 }, i;

	if (sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2]) != 3)
		return (1);
	for (i = 0; i < 3; i++)
		if (v[i] != good[i])
			return (v[i] < good[i]);
	return (0);
}

/* "nats-server: v2.10.27" */
static int
find_version(struct natsd *d, char **err)
{
	char	*argv[] = { d->binary, (char *)"--version", NULL }, *out, version[32] = "";
	int	 rc = tool_run(argv, &out);

	if (rc != 0 || sscanf(out, "nats-server: v%31[0-9a-zA-Z.-]", version) != 1) {
		*err = xasprintf("%s is not a nats-server that runs here: %s", d->binary, out);
		free(out);
		return (-1);
	}
	free(out);
	if (too_old(version) && !d->allow_old) {
		*err = xasprintf("%s is nats-server %s: 2.10.27 is the oldest without known holes",
		    d->binary, version);
		return (-1);
	}
	d->version = xstrdup(version);
	return (0);
}

/* Its log */

static int
is_noise(const char *text)
{
	/* What our configuration means to do, said at each start. */
	static const char *const noise[] = {
		"Plaintext passwords detected", "Maximum payloads over",
		"TLS certificate chain and hostname of solicited",
	};
	size_t i;

	for (i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		if (strstr(text, noise[i]) != NULL)
			return (1);
	return (0);
}

/* Servers that quarrel say so thousands of times a second. */
static int
may_warn(struct natsd *d)
{
	uint64_t now = mono_us();

	if (now - d->warn_since > WARN_SPAN_MS * 1000) {
		if (d->warns > WARN_MAX)
			log_warnx("%s server: %u more warnings left out", d->name,
			    d->warns - WARN_MAX);
		d->warn_since = now;
		d->warns = 0;
	}
	return (++d->warns <= WARN_MAX);
}

/* "[123] [INF] text" */
static void
log_server_line(struct natsd *d, const char *line)
{
	static const char	*const bad[] = { "[WRN] ", "[ERR] ", "[FTL] " };
	const char		*text = strstr(line, "] [");
	size_t			 i;
	int			 warn = text == NULL && strncmp(line, "nats-server: ", 13) == 0;

	text = text != NULL ? text + 2 : line;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strncmp(text, bad[i], 6) == 0)
			warn = 1;
	if (text[0] == '[' && strlen(text) > 6)
		text += 6;
	if (warn && !is_noise(text) && may_warn(d))
		log_warnx("%s server: %s", d->name, text);
	else
		log_debug("%s server: %s", d->name, text);
}

/* One byte of its output. */
static void
log_server_byte(struct natsd *d, char c)
{
	if (c != '\n' && d->line.len < LINE_LEN) {
		buf_u8(&d->line, c == '\0' ? '?' : (uint8_t)c);
		return;
	}
	if (d->line.len > 0) {
		buf_u8(&d->line, 0);
		log_server_line(d, (const char *)d->line.data);
	}
	buf_clear(&d->line);
	if (c != '\n')
		buf_u8(&d->line, (uint8_t)c);
}

/* Its life */

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
	buf_clear(&d->line);
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
	ssize_t		 n = read(fd, buf, sizeof(buf)), i;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	for (i = 0; i < n; i++)
		log_server_byte(d, buf[i]);
	if (n <= 0) {
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

static char *
read_small(const char *path, size_t max, size_t *len)
{
	char	*text = xmalloc(max + 1);
	int	 fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t	 n = -1;

	if (fd != -1) {
		n = read(fd, text, max);
		close(fd);
	}
	if (n < 0) {
		free(text);
		return (NULL);
	}
	text[n] = '\0';
	*len = (size_t)n;
	return (text);
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

	text = read_small(path, PORTS_MAX, &len);
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

	text = read_small(path, PORTS_MAX, &len);
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
	char	*text = read_small(d->pid_path, 32, &len);
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
		log_warn("%s server: cannot start %s", d->name, d->binary);
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

/* With what is missing above it. */
static int
make_folder(const char *path, char **err)
{
	char	*part = xstrdup(path), *slash = part;
	int	 rc = 0;

	do {
		slash = strchr(slash + 1, '/');
		if (slash != NULL)
			*slash = '\0';
		if (mkdir(part, 0700) == -1 && errno != EEXIST)
			rc = -1;
		if (slash != NULL)
			*slash = '/';
	} while (rc == 0 && slash != NULL);
	if (rc == -1)
		*err = xasprintf("%s: %s", path, strerror(errno));
	free(part);
	return (rc);
}

struct natsd *
natsd_new(struct event_base *base, const struct natsd_opts *o,
    void (*state)(int ready, void *arg), void *arg)
{
	struct natsd	*d = xcalloc(1, sizeof(*d));
	char		*err = NULL;

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
	if (make_folder(d->dir, &err) == -1)
		log_warnx("%s server: %s", o->name, err);	/* natsd_configure tries again */
	free(err);
	return (d);
}

/* The whole file: the caller's text and what is ours. */
static int
write_conf(const struct natsd *d, const char *path, const char *text)
{
	struct buf	b = { 0 };
	FILE		*f;
	int		 fd, bad;

	buf_addf(&b, "# Written by hubleaf: changes are lost.\npid_file: ");
	natsd_quote(&b, d->pid_path);
	buf_addf(&b, "\nports_file_dir: ");
	natsd_quote(&b, d->dir);
	/* One line on a peer that is away, not one for each attempt to reach it. */
	buf_addf(&b, "\nhttp: \"127.0.0.1:-1\"\nlogtime: false\n"
	    "connect_error_reports: 600\nreconnect_error_reports: 600\n");
	buf_add(&b, text, strlen(text));
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	f = fd != -1 ? fdopen(fd, "w") : NULL;
	if (f == NULL) {
		buf_free(&b);
		return (-1);
	}
	bad = fwrite(b.data, 1, b.len, f) != b.len;
	bad |= fclose(f) != 0;
	buf_free(&b);
	return (bad ? -1 : 0);
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
	if (make_folder(d->dir, err) == -1)
		return (-1);
	if (d->version == NULL && find_version(d, err) == -1)
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
	buf_free(&d->line);
	free(d->name);
	free(d->binary);
	free(d->dir);
	free(d->conf_path);
	free(d->pid_path);
	free(d->text);
	free(d->version);
	free(d);
}

void
natsd_quote(struct buf *b, const char *s)
{
	buf_u8(b, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addf(b, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			buf_addf(b, "\\x%02x", (unsigned char)*s);
		else
			buf_u8(b, (uint8_t)*s);
	}
	buf_u8(b, '"');
}

/* Looking for the binary */

static char *
find_in_path(void)
{
	const char	*path = getenv("PATH"), *end;
	char		*file;

	for (; path != NULL && *path != '\0'; path = *end == ':' ? end + 1 : end) {
		end = strchrnul(path, ':');
		if (*path != '/')
			continue;
		file = xasprintf("%.*s/nats-server", (int)(end - path), path);
		if (access(file, X_OK) == 0)
			return (file);
		free(file);
	}
	return (NULL);
}

char *
natsd_find(const char *configured, char **err)
{
	static const char *const	 places[] = { PKGLIBEXECDIR "/nats-server", BUILT_NATS_SERVER };
	char				*file;
	size_t				 i;

	if (configured != NULL) {
		if (access(configured, X_OK) == 0)
			return (xstrdup(configured));
		*err = xasprintf("natsServer.path %s: %s", configured, strerror(errno));
		return (NULL);
	}
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i][0] != '\0' && access(places[i], X_OK) == 0)
			return (xstrdup(places[i]));
	if ((file = find_in_path()) == NULL)
		*err = xasprintf("no nats-server: neither " PKGLIBEXECDIR "/nats-server nor one in PATH");
	return (file);
}
