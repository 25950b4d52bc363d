#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/conf/repaddress.h"
#include "common/ipc/passed.h"
#include "leafd/link/link_priv.h"

/* Where links come in, and who may try again how soon. */

#define RETRY_S       5  /* to bind */
#define FREE_FAILURES 10 /* of one address, before it has to wait */
#define HELD_MIN_MS   100
#define HELD_MAX_MS   5000
#define FORGET_US     60000000
#define ARRIVALS_MAX  1024

struct listener {
	struct listener *prev, *next;
	struct links *ls;
	char *host; /* NULL: all */
	uint16_t port;
	int secure, kept;
	int tried; /* what keeps it from being bound is the port, not the certificate */
	struct evconnlistener *lev; /* NULL: not bound */
	struct event *timer;        /* to bind, or to accept, again */
	char *error;
};

/* An address whose last attempts came to nothing. */
struct arrivals {
	UT_hash_handle hh;
	uint8_t net[8];
	unsigned failures;
	uint64_t last_us, held_us;
};

/* Addresses */

static void
net_of(const char *address, uint8_t net[8])
{
	struct repaddress at;

	(void)repaddress_read(&at, address);
	(void)address_net(at.host, net);
}

static struct arrivals *
find_arrivals(const struct links *ls, const char *address)
{
	struct arrivals *a;
	uint8_t net[8];

	net_of(address, net);
	HASH_FIND(hh, ls->arrivals, net, sizeof(net), a);
	return (a);
}

static void
forget_arrivals(struct links *ls, uint64_t before_us)
{
	struct arrivals *a, *tmp;

	HASH_ITER(hh, ls->arrivals, a, tmp) {
		if (a->last_us >= before_us)
			continue;
		HASH_DEL(ls->arrivals, a);
		free(a);
	}
}

static struct arrivals *
add_arrivals(struct links *ls, const char *address, uint64_t now)
{
	struct arrivals *a;

	if (HASH_COUNT(ls->arrivals) >= ARRIVALS_MAX)
		forget_arrivals(ls, now > FORGET_US ? now - FORGET_US : 0);
	if (HASH_COUNT(ls->arrivals) >= ARRIVALS_MAX)
		forget_arrivals(ls, UINT64_MAX);
	a = xcalloc(1, sizeof(*a));
	net_of(address, a->net);
	HASH_ADD(hh, ls->arrivals, net, sizeof(a->net), a);
	return (a);
}

void
listen_judge(struct links *ls, const char *address, int admitted)
{
	struct arrivals *a = find_arrivals(ls, address);
	uint64_t now = mono_us(), ms;
	unsigned more;

	if (admitted) {
		if (a != NULL) {
			HASH_DEL(ls->arrivals, a);
			free(a);
		}
		return;
	}
	if (a == NULL)
		a = add_arrivals(ls, address, now);
	if (now - a->last_us > FORGET_US)
		a->failures = 0;
	a->last_us = now;
	if (++a->failures <= FREE_FAILURES)
		return;
	more = a->failures - FREE_FAILURES - 1;
	ms = more < 6 ? HELD_MIN_MS << more : HELD_MAX_MS;
	a->held_us = now + (ms < HELD_MAX_MS ? ms : HELD_MAX_MS) * 1000;
}

static int
is_held(const struct links *ls, const char *address)
{
	const struct arrivals *a = find_arrivals(ls, address);

	return (a != NULL && mono_us() < a->held_us);
}

/* One address does not take the places of all. */
static int
is_full(const struct links *ls, const char *address)
{
	const struct peerlink *k;
	size_t all = 0, from_it = 0;
	uint8_t net[8], other[8];

	net_of(address, net);
	DL_FOREACH(ls->all, k) {
		if (k->dialled || k->state == LINK_ADMITTED)
			continue;
		net_of(k->address, other);
		from_it += memcmp(net, other, sizeof(net)) == 0;
		all++;
	}
	return (all >= LINK_UNADMITTED || from_it >= LINK_FROM_ONE);
}

/* Accepting */

static void
link_accept_cb(struct evconnlistener *lev, evutil_socket_t fd, struct sockaddr *sa, int len,
    void *arg)
{
	static struct log_brake brake = { .most = 5 };
	struct listener *l = arg;
	struct links *ls = l->ls;
	char address[ADDRESS_TEXT];

	address_text(sa, (socklen_t)len, address);
	if (!is_full(ls, address) && !is_held(ls, address)) {
		link_new(ls, fd, address, l->secure, NULL);
		return;
	}
	log_braked(&brake, LOG_WARN, "link: %s: too many attempts have failed", address);
	close(fd);
}

static void
wait_again(struct listener *l)
{
	const struct timeval wait = { RETRY_S, 0 };

	evtimer_add(l->timer, &wait);
}

/* Out of descriptors: let those who are there go on for a moment. */
static void
link_accept_error_cb(struct evconnlistener *lev, void *arg)
{
	struct listener *l = arg;

	log_warn("link: port %u: cannot accept", l->port);
	evconnlistener_disable(lev);
	wait_again(l);
}

/* Binding */

static int
bind_address(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, off = 0, saved;

	if (fd == -1)
		return (-1);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, a->ai_addr, a->ai_addrlen) == 0)
		return (fd);
	saved = errno;
	close(fd);
	errno = saved;
	return (-1);
}

/* All addresses are those of IPv6, which has IPv4's with it, or those of IPv4 where there is no other. */
static int
bind_port(const struct listener *l)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_PASSIVE,
	};
	const char *hosts[] = { l->host != NULL ? l->host : "::",
		l->host != NULL ? NULL : "0.0.0.0" };
	struct addrinfo *list = NULL;
	char port[8];
	int fd = -1;

	snprintf(port, sizeof(port), "%u", l->port);
	for (size_t i = 0; i < 2 && fd == -1 && hosts[i] != NULL; i++) {
		if (getaddrinfo(hosts[i], port, &hints, &list) != 0) {
			errno = EADDRNOTAVAIL;
			continue;
		}
		if ((fd = passed_open(list->ai_addr)) == -1)
			fd = bind_address(list);
		freeaddrinfo(list);
	}
	return (fd);
}

static void
set_error(struct listener *l, const char *why)
{
	if (why != NULL && (l->error == NULL || strcmp(l->error, why) != 0))
		log_errorx("link: cannot listen at %s%sport %u: %s", l->host != NULL ? l->host : "",
		    l->host != NULL ? ", " : "", l->port, why);
	free(l->error);
	l->error = xstrdup(why);
	links_changed(l->ls);
}

static const char *
bind_fault(unsigned port, int error)
{
	return (error == EACCES && port < 1024 ?
		"Permission denied (systemd opens one below 1024: hubleaf-link.socket)" :
		strerror(error));
}

static void
open_port(struct listener *l)
{
	struct links *ls = l->ls;
	int fd;

	l->tried = !l->secure || ls->tls != NULL;
	if (!l->tried) {
		set_error(l,
		    ls->tls_fault != NULL ? ls->tls_fault : "this node has no certificate");
		return;
	}
	fd = bind_port(l);
	if (fd != -1)
		l->lev = evconnlistener_new(ls->base, link_accept_cb, l,
		    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 128, fd);
	if (l->lev == NULL) {
		set_error(l, bind_fault(l->port, errno));
		if (fd != -1)
			close(fd);
		wait_again(l);
		return;
	}
	evconnlistener_set_error_cb(l->lev, link_accept_error_cb);
	set_error(l, NULL);
}

static void
listen_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	if (l->lev != NULL)
		evconnlistener_enable(l->lev);
	else
		open_port(l);
}

/* What is to be */

static struct listener *
listener_new(struct links *ls, const struct linkspec_listen *spec)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->ls = ls;
	l->host = xstrdup(spec->host);
	l->port = spec->port;
	l->secure = spec->secure;
	if ((l->timer = evtimer_new(ls->base, listen_timer_cb, l)) == NULL)
		fatalx("link: no timer");
	DL_APPEND(ls->listeners, l);
	return (l);
}

static void
listener_free(struct listener *l)
{
	DL_DELETE(l->ls->listeners, l);
	if (l->lev != NULL)
		evconnlistener_free(l->lev);
	event_free(l->timer);
	free(l->host);
	free(l->error);
	free(l);
}

static struct listener *
find_listener(const struct links *ls, const struct linkspec_listen *spec)
{
	struct listener *l;

	DL_FOREACH(ls->listeners, l)
		if (!l->kept && l->port == spec->port && l->secure == spec->secure &&
		    (l->host == NULL ? spec->host == NULL :
				       spec->host != NULL && strcmp(l->host, spec->host) == 0))
			return (l);
	return (NULL);
}

static void
open_ports(struct links *ls)
{
	struct listener *l;
	int waiting = 0;

	DL_FOREACH(ls->listeners, l) {
		if (l->secure && ls->tls == NULL && l->lev != NULL) {
			evconnlistener_free(l->lev);
			l->lev = NULL;
		}
		if (l->lev == NULL)
			open_port(l);
		waiting |= l->secure && ls->tls == NULL;
	}
	/* Those that wait for a certificate may have theirs yet. */
	if (!waiting)
		passed_close_rest();
}

void
listen_set(struct links *ls)
{
	struct listener *l, *tmp;
	size_t i;

	DL_FOREACH(ls->listeners, l)
		l->kept = 0;
	for (i = 0; i < ls->spec->nlisten; i++) {
		if ((l = find_listener(ls, &ls->spec->listen[i])) == NULL)
			l = listener_new(ls, &ls->spec->listen[i]);
		l->kept = 1;
	}
	/* A port that goes is free for one that comes; without a certificate nobody may come in. */
	DL_FOREACH_SAFE(ls->listeners, l, tmp)
		if (!l->kept)
			listener_free(l);
	open_ports(ls);
}

void
listen_free_all(struct links *ls)
{
	while (ls->listeners != NULL)
		listener_free(ls->listeners);
	forget_arrivals(ls, UINT64_MAX);
}

json_t *
listen_json(const struct links *ls)
{
	json_t *list = json_array(), *o;
	struct listener *l;

	DL_FOREACH(ls->listeners, l) {
		o = json_pack("{s:s?, s:i, s:b}", "host", l->host, "port", (int)l->port, "secure",
		    l->secure);
		if (l->error != NULL && l->tried)
			json_object_set_new(o, "error", json_string(l->error));
		json_array_append_new(list, o);
	}
	return (list);
}
