#include "config.h"

#include "common/ipc/chan_priv.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/sockwatch.h"
#include "common/ipc/usock.h"

/* The socket at which peers come in. */

struct chan_listener {
	struct event_base *base;
	struct evconnlistener *lev;
	struct event *pause;
	struct sockwatch *watch;
	struct chan *chans;
	const struct chan_ops *ops;
	void *arg;
	char *path;
	enum role me;
	dev_t dev;
	ino_t ino;
};

static void
chan_accept_cb(struct evconnlistener *lev, evutil_socket_t fd, struct sockaddr *sa, int salen,
    void *arg)
{
	struct chan_listener *l = arg;
	struct chan *c;

	if (!usock_trusted(fd)) {
		close(fd);
		return;
	}
	c = chan_attach(l->base, fd, l->me, l->ops, l->arg);
	c->siblings = &l->chans;
	DL_APPEND(l->chans, c);
}

/* Out of descriptors: let those who are there go on for a moment. */
static void
chan_accept_error_cb(struct evconnlistener *lev, void *arg)
{
	struct chan_listener *l = arg;

	log_warn("%s: cannot accept", l->path);
	evconnlistener_disable(lev);
	chan_after(l->pause, 1000);
}

static void
chan_pause_cb(evutil_socket_t fd, short what, void *arg)
{
	struct chan_listener *l = arg;

	evconnlistener_enable(l->lev);
}

/* On the socket of l->path, which it takes; -1 with errno, and all stays as it is. */
static int
chan_listen_on(struct chan_listener *l, int fd)
{
	struct evconnlistener *lev = evconnlistener_new(l->base, chan_accept_cb, l,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 64, fd);
	struct stat st = { 0 };
	int saved = errno;

	if (lev == NULL) {
		close(fd);
		errno = saved;
		return (-1);
	}
	if (l->lev != NULL)
		evconnlistener_free(l->lev);
	l->lev = lev;
	evconnlistener_set_error_cb(lev, chan_accept_error_cb);
	if (lstat(l->path, &st) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	return (0);
}

static void
chan_bound_cb(int fd, void *arg)
{
	struct chan_listener *l = arg;

	if (chan_listen_on(l, fd) == -1)
		log_warn("%s", l->path);
}

struct chan_listener *
chan_listen(struct event_base *base, const char *path, enum role me, const struct chan_ops *ops,
    void *arg)
{
	struct chan_listener *l;
	int fd, saved;

	if ((fd = usock_bind(path, 0600)) == -1)
		return (NULL);
	l = xcalloc(1, sizeof *l);
	l->base = base;
	l->ops = ops;
	l->arg = arg;
	l->me = me;
	l->path = xstrdup(path);
	l->pause = evtimer_new(base, chan_pause_cb, l);
	if (l->pause != NULL && chan_listen_on(l, fd) == 0) {
		l->watch = sockwatch_new(base, path, 0600, chan_bound_cb, l);
		return (l);
	}
	saved = errno;
	chan_listener_free(l);
	errno = saved;
	return (NULL);
}

void
chan_listener_free(struct chan_listener *l)
{
	struct stat st;

	if (l == NULL)
		return;
	while (l->chans != NULL)
		chan_kill(l->chans);
	/* Not another daemon's that has bound it since. */
	if (lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	if (l->lev != NULL)
		evconnlistener_free(l->lev);
	if (l->pause != NULL)
		event_free(l->pause);
	sockwatch_free(l->watch);
	free(l->path);
	free(l);
}
