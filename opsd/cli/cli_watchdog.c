#include "config.h"

#include "opsd/cli/cli_watchdog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define STEP_US 1000000 /* between two looks at most, unless we stood still */

static int
has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (; text != NULL; text = strchr(text, '\n'), text += text != NULL)
		if (strncmp(text, line, n) == 0 && (text[n] == '\n' || text[n] == '\0'))
			return (1);
	return (0);
}

void
watched_told(struct watched *x, const char *text)
{
	x->silent_us = 0;
	if (has_line(text, "RELOADING=1") || has_line(text, "STOPPING=1"))
		x->armed = 0;
	if (has_line(text, "READY=1"))
		x->armed = 1;
}

int
watched_hangs(struct watched *x, uint64_t step, uint64_t limit_us)
{
	if (!x->armed)
		return (0);
	x->silent_us += step;
	if (x->silent_us <= limit_us)
		return (0);
	x->armed = 0;
	return (1);
}

uint64_t
watchdog_step(struct watchdog *w, uint64_t now)
{
	uint64_t step = now - w->looked_us;

	w->looked_us = now;
	return (step < STEP_US ? step : STEP_US);
}

/* In place of one that a run left behind; another run's stays. */
static int
bind_to(int fd, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int yes = 1;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	strcpy(sun.sun_path, path);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0) {
		errno = EADDRINUSE;
		return (-1);
	}
	unlink(path);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) == -1 ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		return (-1);
	return (chmod(path, 0600));
}

void
watchdog_open(struct watchdog *w, const char *folder, uint64_t limit_us)
{
	w->limit_us = limit_us;
	w->looked_us = mono_us();
	w->path = xasprintf("%s/notify.sock", folder);
	w->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd != -1 && file_make_folder(folder) == 0 && bind_to(w->fd, w->path) == 0)
		return;
	log_warn("%s: daemons that hang are not noticed", w->path);
	if (w->fd != -1)
		close(w->fd);
	w->fd = -1;
}

void
watchdog_close(struct watchdog *w)
{
	if (w->fd != -1) {
		unlink(w->path);
		close(w->fd);
	}
	free(w->path);
}

static void
set_number(const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	setenv(name, text, 1);
}

void
watchdog_environment(const struct watchdog *w)
{
	if (w->fd == -1) {
		unsetenv("NOTIFY_SOCKET");
		unsetenv("WATCHDOG_USEC");
		return;
	}
	setenv("NOTIFY_SOCKET", w->path, 1);
	set_number("WATCHDOG_USEC", w->limit_us);
	set_number("WATCHDOG_PID", (uint64_t)getpid());
}

pid_t
watchdog_read(struct watchdog *w, char *text, size_t size)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { text, size - 1 };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *h;
	struct ucred who = { .pid = -1 };
	ssize_t n = w->fd == -1 ? -1 : recvmsg(w->fd, &m, MSG_CMSG_CLOEXEC);

	if (n == -1)
		return (0);
	text[n] = '\0';
	h = CMSG_FIRSTHDR(&m);
	if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_CREDENTIALS)
		memcpy(&who, CMSG_DATA(h), sizeof(who));
	return (who.pid > 0 ? who.pid : -1);
}
