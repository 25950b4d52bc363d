#include "config.h"

#include "leafd/link/dial.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/log.h"
#include "common/base/lookup.h"
#include "common/base/mem.h"
#include "leafd/link/ws_priv.h"

#define ANSWER_MAX 4096 /* of a proxy */

struct dial {
	struct event_base *base;
	char *host, *proxy;
	uint16_t port;
	struct lookup *lookup;
	struct addrinfo *list, *at; /* the addresses, and the one that is tried */
	int fd;
	struct event *ev; /* what is waited for: the addresses, the socket, the proxy's answer */
	struct event *timer;
	struct timeval timeout;
	char answer[ANSWER_MAX + 1];
	size_t nanswer;
	char address[ADDRESS_TEXT];
	char *why; /* the last fault */
	void (*cb)(int fd, const char *address, const char *why, void *arg);
	void *arg;
};

static void try_next(struct dial *);

static void
drop_socket(struct dial *d)
{
	if (d->ev != NULL)
		event_free(d->ev);
	d->ev = NULL;
	if (d->fd != -1)
		close(d->fd);
	d->fd = -1;
}

void
dial_free(struct dial *d)
{
	if (d == NULL)
		return;
	drop_socket(d);
	lookup_free(d->lookup);
	if (d->list != NULL)
		freeaddrinfo(d->list);
	event_free(d->timer);
	free(d->host);
	free(d->proxy);
	free(d->why);
	free(d);
}

/* Takes the text. */
static void
dial_failed(struct dial *d, char *why)
{
	void (*cb)(int, const char *, const char *, void *) = d->cb;
	void *arg = d->arg;

	dial_free(d);
	cb(-1, NULL, why, arg);
	free(why);
}

static void
dial_done(struct dial *d)
{
	void (*cb)(int, const char *, const char *, void *) = d->cb;
	void *arg = d->arg;
	char *address = xstrdup(d->address);
	int fd = d->fd;

	d->fd = -1;
	dial_free(d);
	cb(fd, address, NULL, arg);
	free(address);
}

/* The former event goes. */
static void
wait_for(struct dial *d, int fd, short what, void (*cb)(evutil_socket_t, short, void *))
{
	if (d->ev != NULL)
		event_free(d->ev);
	if ((d->ev = event_new(d->base, fd, what, cb, d)) == NULL)
		fatalx("link: no event");
	event_add(d->ev, NULL);
}

/* The proxy */

/* 1: all of it is here and good; 0: more has to come; -1 with *why. */
static int
look_at_answer(struct dial *d, char **why)
{
	char *end = strstr(d->answer, "\r\n\r\n");

	if (end == NULL && d->nanswer < ANSWER_MAX)
		return (0);
	if (end == NULL || strncmp(d->answer, "HTTP/1.", 7) != 0)
		*why = xasprintf("proxy %s: it does not speak HTTP", d->proxy);
	else if (strncmp(d->answer + 8, " 200", 4) != 0) {
		d->answer[strcspn(d->answer, "\r\n")] = '\0';
		ws_shake_plain(d->answer);
		*why = xasprintf("proxy %s: its answer is '%s'", d->proxy, d->answer + 9);
	} else if (end + 4 != d->answer + d->nanswer)
		*why = xasprintf("proxy %s: it sent more than an answer to CONNECT", d->proxy);
	else
		return (1);
	return (-1);
}

static void
dial_answer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	ssize_t n = read(fd, d->answer + d->nanswer, ANSWER_MAX - d->nanswer);
	char *why = NULL;
	int rc;

	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		wait_for(d, d->fd, EV_READ, dial_answer_cb);
		return;
	}
	if (n <= 0) {
		dial_failed(d, xasprintf("proxy %s: it hung up", d->proxy));
		return;
	}
	d->nanswer += (size_t)n;
	d->answer[d->nanswer] = '\0';
	if ((rc = look_at_answer(d, &why)) == 1)
		dial_done(d);
	else if (rc == 0)
		wait_for(d, d->fd, EV_READ, dial_answer_cb);
	else
		dial_failed(d, why);
}

static void
ask_proxy(struct dial *d)
{
	char *at = address_join(d->host, d->port);
	char *text = xasprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", at, at);
	size_t n = strlen(text);

	d->nanswer = 0;
	/* The socket is new: so little fits. */
	if (write(d->fd, text, n) != (ssize_t)n)
		dial_failed(d, xasprintf("proxy %s: %s", d->proxy, strerror(errno)));
	else
		wait_for(d, d->fd, EV_READ, dial_answer_cb);
	free(text);
	free(at);
}

/* Connecting */

static void
set_why(struct dial *d, const char *why)
{
	free(d->why);
	d->why = xasprintf("%s%s: %s", d->proxy != NULL ? "proxy " : "", d->address, why);
}

static void
dial_connected_cb(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	if (err != 0) {
		set_why(d, strerror(err));
		try_next(d);
	} else if (d->proxy != NULL)
		ask_proxy(d);
	else
		dial_done(d);
}

static int
begin_connect(struct dial *d, const struct addrinfo *a)
{
	address_text(a->ai_addr, a->ai_addrlen, d->address);
	d->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd != -1 && (connect(d->fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS))
		return (0);
	set_why(d, strerror(errno));
	return (-1);
}

static void
try_next(struct dial *d)
{
	drop_socket(d);
	evtimer_add(d->timer, &d->timeout);
	while (d->at != NULL) {
		const struct addrinfo *a = d->at;

		d->at = a->ai_next;
		if (begin_connect(d, a) == 0) {
			wait_for(d, d->fd, EV_WRITE, dial_connected_cb);
			return;
		}
		drop_socket(d);
	}
	dial_failed(d, xstrdup(d->why != NULL ? d->why : "no address"));
}

static void
dial_looked_up_cb(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	const char *why = NULL;

	drop_socket(d);
	d->list = d->at = lookup_take(d->lookup, &why);
	lookup_free(d->lookup);
	d->lookup = NULL;
	if (d->list != NULL)
		try_next(d);
	else
		dial_failed(d, xasprintf("%s: %s", d->proxy != NULL ? d->proxy : d->host, why));
}

static void
dial_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	if (d->list == NULL) {
		dial_failed(d, xasprintf("%s: no address was found in time", d->host));
		return;
	}
	set_why(d, "no answer in time");
	try_next(d);
}

struct dial *
dial_new(struct event_base *base, const struct dial_opts *o,
    void (*cb)(int fd, const char *address, const char *why, void *arg), void *arg)
{
	struct dial *d = xcalloc(1, sizeof(*d));

	d->base = base;
	d->host = xstrdup(o->host);
	d->proxy = xstrdup(o->proxy_host);
	d->port = o->port;
	d->fd = -1;
	d->cb = cb;
	d->arg = arg;
	if ((d->timer = evtimer_new(base, dial_timeout_cb, d)) == NULL)
		fatalx("link: no timer");
	d->timeout = (struct timeval){ o->timeout_ms / 1000, (o->timeout_ms % 1000) * 1000 };
	evtimer_add(d->timer, &d->timeout);
	d->lookup = lookup_new(o->proxy_host != NULL ? o->proxy_host : o->host,
	    o->proxy_host != NULL ? o->proxy_port : o->port, 0);
	/* Without it the time passes. */
	if (d->lookup != NULL)
		wait_for(d, lookup_fd(d->lookup), EV_READ, dial_looked_up_cb);
	return (d);
}
