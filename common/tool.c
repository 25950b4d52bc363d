#include "config.h"

#include "tool.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "mem.h"

#define TOOL_MS		10000	/* a run to the end may take so long */
#define TOOL_OUTPUT	65536

/* In the child, between fork and exec: nothing but system calls. */
static void
child(char *const argv[], int out, pid_t parent)
{
	struct sigaction	 sa = { .sa_handler = SIG_DFL };
	sigset_t		 none;
	int			 null, sig;

	/* The signal comes when the parent dies; it may have done so already. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1 || getppid() != parent)
		_exit(126);
	for (sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setpgid(0, 0);	/* the terminal's ^C is for the daemon */
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
	int	fds[2], saved;
	pid_t	pid, parent = getpid();

	if (pipe2(fds, O_CLOEXEC) == -1)
		return (-1);
	pid = fork();
	if (pid == 0)
		child(argv, fds[1], parent);
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

/* Read until the program closes its output, it is too much or takes too long. */
static void
collect(int fd, struct buf *b)
{
	struct pollfd	pfd = { .fd = fd, .events = POLLIN };
	uint64_t	until = mono_us() + TOOL_MS * 1000, now;
	ssize_t		n;

	while ((now = mono_us()) < until && b->len < TOOL_OUTPUT) {
		if (poll(&pfd, 1, (int)((until - now) / 1000) + 1) == -1 && errno != EINTR)
			break;
		if (pfd.revents == 0)
			continue;
		buf_reserve(b, 4096);
		n = read(fd, b->data + b->len, 4096);
		if (n == 0 || (n == -1 && errno != EINTR))
			break;
		if (n > 0)
			b->len += (size_t)n;
	}
}

int
tool_reap(pid_t pid, unsigned ms)
{
	uint64_t	until = mono_us() + (uint64_t)ms * 1000;
	int		status = 0;

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

int
tool_run(char *const argv[], char **output)
{
	struct buf	b = { 0 };
	size_t		len;
	int		fd, status;
	pid_t		pid = tool_spawn(argv, &fd);

	if (pid == -1) {
		*output = xasprintf("cannot start: %s", strerror(errno));
		return (-1);
	}
	collect(fd, &b);
	close(fd);
	status = tool_reap(pid, 200);
	while (b.len > 0 && isspace(b.data[b.len - 1]))
		b.len--;
	buf_u8(&b, 0);
	*output = (char *)buf_take(&b, &len);
	return (WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}
