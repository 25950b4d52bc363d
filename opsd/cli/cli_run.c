#include "config.h"

#include "opsd/cli/cli.h"
#include "opsd/cli/cli_watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"

/*
 * The three daemons as children, for containers and development.  Whoever dies
 * is started again, and whoever hangs is killed before; when this process ends, however it does, so do they.
 */
#define BACKOFF_MIN   200000
#define BACKOFF_MAX   10000000
#define STEADY_US     30000000 /* alive this long: the next start is at once */
#define TRIES         5        /* of opsd before it was ever ready */
#define STOP_FIRST_US 10000000
#define STOP_ALL_US   20000000

enum { HUBD, LEAFD, OPSD, CHILDREN };

struct child {
	const char *name;
	char *path;
	pid_t pid; /* 0: not running */
	uint64_t started_us, start_at_us, backoff_us;
	unsigned deaths;
	struct watched watched;
};

struct run {
	struct child children[CHILDREN];
	struct cli_target target; /* opsd's socket */
	struct watchdog watchdog;
	char **argv; /* for each: -c FILE, --KEY value ... */
	sigset_t signals, before;
	int ready, failed;
};

/* Beside this program, in sbin, in the build tree; else PATH is for execvp to look at. */
static char *
find_daemon(const char *name)
{
	char self[PATH_MAX], *slash, *paths[3], *found = NULL;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return (xstrdup(name));
	self[n] = '\0';
	if ((slash = strrchr(self, '/')) != NULL)
		*slash = '\0';
	paths[0] = xasprintf("%s/%s", self, name);
	paths[1] = xasprintf("%s/../sbin/%s", self, name);
	paths[2] = xasprintf("%s/../%s/%s", self, name, name);
	for (int i = 0; i < 3; i++)
		if (found == NULL && access(paths[i], X_OK) == 0)
			found = paths[i];
		else
			free(paths[i]);
	return (found != NULL ? found : xstrdup(name));
}

static __attribute__((noreturn)) void
child_main(struct run *r, struct child *c, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	/* The terminal's Ctrl-C is for the parent, which stops them in order. */
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, &r->before, NULL);
	if (null > 0)
		dup2(null, STDIN_FILENO);
	watchdog_environment(&r->watchdog);
	if (c != &r->children[OPSD]) {
		unsetenv("HDB_ADMIN_PASSWORD");
		unsetenv("CLUSTERING_PASSWORD");
	}
	r->argv[0] = c->path;
	execvp(c->path, r->argv);
	log_error("%s", c->path);
	_exit(127);
}

static void
child_start(struct run *r, struct child *c)
{
	pid_t parent = getpid();

	fflush(NULL);
	c->started_us = mono_us();
	c->watched = (struct watched){ 0 };
	c->pid = fork();
	if (c->pid == 0)
		child_main(r, c, parent);
	if (c->pid == -1) {
		log_warn("%s: fork", c->name);
		c->pid = 0;
		c->start_at_us = mono_us() + BACKOFF_MAX;
	}
}

static void
child_died(struct run *r, struct child *c, int status, int stopping)
{
	uint64_t now = mono_us();

	c->pid = 0;
	if (stopping)
		return;
	if (WIFSIGNALED(status))
		log_warnx("%s ended by signal %d", c->name, WTERMSIG(status));
	else
		log_warnx("%s ended with status %d", c->name, WEXITSTATUS(status));
	c->backoff_us = now - c->started_us > STEADY_US || c->backoff_us == 0 ? BACKOFF_MIN :
	    c->backoff_us * 2 > BACKOFF_MAX                                   ? BACKOFF_MAX :
										c->backoff_us * 2;
	c->start_at_us = now + c->backoff_us;
	if (!r->ready && (WIFEXITED(status) && WEXITSTATUS(status) == 127))
		r->failed = 1;
	if (!r->ready && c == &r->children[OPSD] && ++c->deaths >= TRIES)
		r->failed = 1;
}

static void
reap_children(struct run *r, int stopping)
{
	pid_t pid;
	int status;

	/* As a container's first process it may also inherit strangers. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < CHILDREN; i++)
			if (r->children[i].pid == pid)
				child_died(r, &r->children[i], status, stopping);
}

/* What they said is read first, however much waits. */
static void
watch_alive(struct run *r)
{
	uint64_t step = watchdog_step(&r->watchdog, mono_us());
	struct child *c;
	char text[512];
	pid_t pid;

	while ((pid = watchdog_read(&r->watchdog, text, sizeof(text))) != 0)
		for (c = r->children; c < r->children + CHILDREN; c++)
			if (c->pid == pid)
				watched_told(&c->watched, text);
	for (c = r->children; c < r->children + CHILDREN; c++)
		if (c->pid != 0 && watched_hangs(&c->watched, step, r->watchdog.limit_us)) {
			log_errorx("%s says nothing for %u s (daemons.hangTimeout): process %d is "
				   "killed",
			    c->name, (unsigned)(r->watchdog.limit_us / 1000000), (int)c->pid);
			/* One that is stopped takes no other signal. */
			kill(c->pid, SIGKILL);
		}
}

static void
start_due(struct run *r)
{
	for (int i = 0; i < CHILDREN; i++)
		if (r->children[i].pid == 0 && mono_us() >= r->children[i].start_at_us)
			child_start(r, &r->children[i]);
}

/* A node with a full disk says that it is not well, but it runs. */
static int
node_answers(struct run *r)
{
	struct answer a;
	char *err;
	int yes = cli_request(&r->target, "GET", "/health", NULL, &a, &err) == 0 &&
	    (a.status == 200 || a.status == 503);

	free(a.body);
	free(err);
	return (yes);
}

static void
look_ready(struct run *r)
{
	if (r->ready || r->children[OPSD].pid == 0 || !node_answers(r))
		return;
	r->ready = 1;
	printf("hubleaf %s successfully started\n", PACKAGE_VERSION);
	fflush(stdout);
}

static int
next_signal(struct run *r)
{
	struct timespec soon = { 0, 100000000 };
	int sig = sigtimedwait(&r->signals, NULL, &soon);

	return (sig == -1 ? 0 : sig);
}

static void
signal_all(struct run *r, int sig, int first, int last)
{
	for (int i = first; i <= last; i++)
		if (r->children[i].pid > 0)
			kill(r->children[i].pid, sig);
}

/* Until none of them runs, `until`, or another signal to end at once (-1). */
static int
await_ends(struct run *r, int first, int last, uint64_t until)
{
	int running, sig;

	for (;;) {
		reap_children(r, 1);
		running = 0;
		for (int i = first; i <= last; i++)
			running |= r->children[i].pid > 0;
		if (!running || mono_us() >= until)
			return (0);
		sig = next_signal(r);
		if (sig == SIGINT || sig == SIGTERM)
			return (-1);
	}
}

/* Those who talk to opsd first. */
static void
stop_all(struct run *r)
{
	uint64_t now = mono_us();

	signal_all(r, SIGTERM, HUBD, LEAFD);
	if (await_ends(r, HUBD, LEAFD, now + STOP_FIRST_US) == 0) {
		signal_all(r, SIGTERM, OPSD, OPSD);
		await_ends(r, HUBD, OPSD, now + STOP_ALL_US);
	}
	signal_all(r, SIGKILL, HUBD, OPSD);
	await_ends(r, HUBD, OPSD, mono_us() + 1000000);
}

static void
supervise_node(struct run *r)
{
	int sig;

	for (;;) {
		reap_children(r, 0);
		if (r->failed)
			break;
		watch_alive(r);
		start_due(r);
		look_ready(r);
		sig = next_signal(r);
		if (sig == SIGTERM || sig == SIGINT)
			break;
		if (sig == SIGHUP)
			signal_all(r, SIGHUP, HUBD, OPSD);
	}
	if (r->failed)
		log_errorx("giving up");
	stop_all(r);
}

int
cli_run(const struct conf *conf, int argc, char **argv)
{
	static const char *const names[CHILDREN] = { "hubd", "leafd", "opsd" };
	struct run r = { .argv = xcalloc((size_t)argc + 2, sizeof(*argv)) };

	log_init("hubleaf", LOG_INFO);
	memcpy(r.argv + 1, argv, (size_t)argc * sizeof(*argv));
	r.target.socket = xstrdup(conf_str(conf, API_SOCKET));
	r.target.timeout_s = 2;
	sigemptyset(&r.signals);
	sigaddset(&r.signals, SIGTERM);
	sigaddset(&r.signals, SIGINT);
	sigaddset(&r.signals, SIGHUP);
	sigaddset(&r.signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &r.signals, &r.before);
	for (int i = 0; i < CHILDREN; i++) {
		r.children[i].name = names[i];
		r.children[i].path = find_daemon(names[i]);
	}
	if (node_answers(&r)) {
		log_errorx("%s: another node is running there", r.target.socket);
		r.failed = 1;
	} else {
		umask(077);
		watchdog_open(&r.watchdog, conf_str(conf, RUN_PATH),
		    (uint64_t)conf_int(conf, DAEMONS_HANG) * 1000);
		supervise_node(&r);
		watchdog_close(&r.watchdog);
	}
	for (int i = 0; i < CHILDREN; i++)
		free(r.children[i].path);
	target_free(&r.target);
	free(r.argv);
	return (r.failed);
}
