#include "config.h"

#include "common/ipc/sockwatch.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/usock.h"

struct sockwatch {
	struct event *look;
	char *path;
	mode_t mode;
	void (*bound)(int fd, void *arg);
	void *arg;
	int failing;
};

static void
sockwatch_look_cb(evutil_socket_t none, short what, void *arg)
{
	struct sockwatch *w = arg;
	struct stat st;
	int fd;

	if (lstat(w->path, &st) == 0 || errno != ENOENT)
		return;
	if ((fd = usock_bind(w->path, w->mode)) != -1) {
		log_warnx("%s was removed: it is made again", w->path);
		w->bound(fd, w->arg);
	} else if (!w->failing)
		log_warn("%s was removed, and cannot be made again yet", w->path);
	w->failing = fd == -1;
}

struct sockwatch *
sockwatch_new(struct event_base *base, const char *path, mode_t mode,
    void (*bound)(int fd, void *arg), void *arg)
{
	struct sockwatch *w = xcalloc(1, sizeof *w);
	struct timeval every = { 1, 0 };

	w->path = xstrdup(path);
	w->mode = mode;
	w->bound = bound;
	w->arg = arg;
	w->look = event_new(base, -1, EV_PERSIST, sockwatch_look_cb, w);
	if (w->look == NULL || event_add(w->look, &every) == -1)
		fatalx("%s: no event", path);
	return (w);
}

void
sockwatch_free(struct sockwatch *w)
{
	if (w == NULL)
		return;
	event_free(w->look);
	free(w->path);
	free(w);
}
