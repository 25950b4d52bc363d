#include "config.h"

#include "common/base/tool.h"

#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define TOOL_OUTPUT 65536 /* more than that is not kept */

/* In the child, between fork and exec: nothing but system calls. */
static void
run_child(char *const argv[], int out, pid_t parent)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	int null, sig;

	/* The signal comes when the parent dies; it may have done so already. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1 || getppid() != parent)
		_exit(126);
	for (sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setpgid(0, 0); /* the terminal's ^C is for the daemon */
	null = open("/dev/null", O_RDONLY);
	if (null == -1 || dup2(null, 0) == -1 || dup2(out, 1) == -1 || dup2(out, 2) == -1)
		_exit(126);
	(void)close_range(3, ~0u, 0);
	execv(argv[0], argv);
	_exit(127);
}

pid_t
tool_spawn(char *const argv[], int *out)
{
	int fds[2], saved;
	pid_t pid, parent = getpid();

	if (pipe2(fds, O_CLOEXEC) == -1)
		return (-1);
	pid = fork();
	if (pid == 0)
		run_child(argv, fds[1], parent);
	saved = errno;
	close(fds[1]);
	if (pid == -1) {
		close(fds[0]);
		errno = saved;
		return (-1);
	}
	*out = fds[0];
	return (pid);
}

int
tool_reap(pid_t pid, unsigned ms)
{
	uint64_t until = mono_us() + (uint64_t)ms * 1000;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (mono_us() < until) {
			usleep(2000);
			continue;
		}
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			;
		break;
	}
	return (status);
}

struct tool {
	pid_t pid;
	int fd;
	struct event *output, *timer;
	uint64_t until; /* mono_us */
	struct buf said;
	void (*done)(int status, const char *said, void *arg);
	void *arg;
};

static void
tool_free(struct tool *t)
{
	event_free(t->output);
	event_free(t->timer);
	close(t->fd);
	buf_free(&t->said);
	free(t);
}

/* With what it started; nothing of it is waited for any longer. */
static void
tool_kill(struct tool *t)
{
	int status;

	(void)kill(-t->pid, SIGKILL);
	(void)kill(t->pid, SIGKILL);
	while (waitpid(t->pid, &status, 0) == -1 && errno == EINTR)
		;
}

static void
tool_end(struct tool *t, int status)
{
	while (t->said.len > 0 && isspace(t->said.data[t->said.len - 1]))
		t->said.len--;
	buf_u8(&t->said, 0);
	t->done(status, (const char *)t->said.data, t->arg);
	tool_free(t);
}

/* Its output has ended, or its time. */
static void
tool_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = { .tv_usec = 5000 };
	struct tool *t = arg;
	int status;

	if (waitpid(t->pid, &status, WNOHANG) != 0) {
		tool_end(t, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	} else if (mono_us() < t->until) {
		evtimer_add(t->timer, &soon);
	} else {
		tool_kill(t);
		buf_addf(&t->said, "%sit did not end in time", t->said.len > 0 ? ": " : "");
		tool_end(t, -1);
	}
}

static void
tool_output_cb(evutil_socket_t fd, short what, void *arg)
{
	struct tool *t = arg;
	char text[4096];
	ssize_t n = read(fd, text, sizeof(text));

	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		if (t->said.len < TOOL_OUTPUT)
			buf_add(&t->said, text, (size_t)n);
		return;
	}
	event_del(t->output);
	event_active(t->timer, EV_TIMEOUT, 0);
}

struct tool *
tool_begin(struct event_base *base, char *const argv[], unsigned ms,
    void (*done)(int status, const char *said, void *arg), void *arg)
{
	struct timeval wait = { ms / 1000, (ms % 1000) * 1000 };
	struct tool *t;
	int fd;
	pid_t pid = tool_spawn(argv, &fd);

	if (pid == -1)
		return (NULL);
	t = xcalloc(1, sizeof(*t));
	t->pid = pid;
	t->fd = fd;
	t->until = mono_us() + (uint64_t)ms * 1000;
	t->done = done;
	t->arg = arg;
	evutil_make_socket_nonblocking(fd);
	t->output = event_new(base, fd, EV_READ | EV_PERSIST, tool_output_cb, t);
	t->timer = evtimer_new(base, tool_timer_cb, t);
	if (t->output == NULL || t->timer == NULL || event_add(t->output, NULL) == -1 ||
	    evtimer_add(t->timer, &wait) == -1)
		fatalx("tool: cannot watch a program");
	return (t);
}

void
tool_cancel(struct tool *t)
{
	if (t == NULL)
		return;
	tool_kill(t);
	tool_free(t);
}
