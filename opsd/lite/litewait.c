#include "config.h"

#include "opsd/lite/litewait.h"

#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"

void
litewait_open(struct litewait *w)
{
	w->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->event == -1)
		fatal("eventfd");
	w->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->told = 0;
}

void
litewait_close(struct litewait *w)
{
	close(w->event);
	if (w->notify != -1)
		close(w->notify);
}

void
litewait_watch(struct litewait *w, const char *path)
{
	char *wal = xasprintf("%s-wal", path);

	if (w->notify != -1)
		w->told = inotify_add_watch(w->notify, wal, IN_MODIFY) != -1;
	free(wal);
}

void
litewait_wake(struct litewait *w)
{
	static const uint64_t one = 1;

	if (write(w->event, &one, sizeof(one)) == -1)
		log_debug("litewait: it is woken already");
}

/* What they said is looked at by whoever waited. */
static void
read_wakes(int fd)
{
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf))
		;
}

int
litewait_for(struct litewait *w, int ms, int changes)
{
	struct pollfd p[2] = {
		{ .fd = w->event, .events = POLLIN },
		{ .fd = w->notify, .events = POLLIN },
	};

	if (poll(p, changes && w->notify != -1 ? 2 : 1, ms) <= 0)
		return (0);
	if (p[0].revents != 0)
		read_wakes(w->event);
	if (p[1].revents != 0)
		read_wakes(w->notify);
	return (1);
}
