#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/passed.h"
#include "common/ipc/sockwatch.h"
#include "common/ipc/usock.h"
#include "opsd/http/http.h"
#include "opsd/http/http_priv.h"

/* Where connections come in: addresses of both families, and the domain socket. */

#define BACKLOG     1024
#define SOCKET_MODE 0660

void
listen_resume_cb(evutil_socket_t fd, short what, void *arg)
{
	struct http_thread *t = arg;

	for (unsigned i = 0; i < t->nlisteners && !t->http->stopping; i++)
		evconnlistener_enable(t->listeners[i]);
}

/* Out of descriptors, most likely: those who wait in the backlog wait a little more. */
static void
http_accept_error_cb(struct evconnlistener *l, void *arg)
{
	struct http_thread *t = arg;
	struct timeval soon = { 0, 500000 };

	log_warn("http: accept");
	if (event_add(t->resume, &soon) == 0)
		evconnlistener_disable(l);
}

static void
http_accept_plain_cb(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int n,
    void *arg)
{
	conn_accept(arg, WAY_PLAIN, fd, sa);
}

static void
http_accept_tls_cb(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int n,
    void *arg)
{
	conn_accept(arg, WAY_TLS, fd, sa);
}

static void
http_accept_local_cb(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int n,
    void *arg)
{
	conn_accept(arg, WAY_LOCAL, fd, sa);
}

static void
way_in(struct http_thread *t, unsigned at, enum way way, struct evconnlistener *l)
{
	static const evconnlistener_cb accepts[] = {
		[WAY_PLAIN] = http_accept_plain_cb,
		[WAY_TLS] = http_accept_tls_cb,
		[WAY_LOCAL] = http_accept_local_cb,
	};

	t->listeners[at] = l;
	evconnlistener_set_error_cb(l, http_accept_error_cb);
	evconnlistener_set_cb(l, accepts[way], t);
}

/* Bound, for one family alone: that of IPv4 has sockets of its own.  -1 with errno. */
static int
bound_socket(const struct addrinfo *ai, int shared)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1,
	    error;

	if (fd == -1)
		return (-1);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* Accepted sockets inherit it. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return (fd);
	error = errno;
	close(fd);
	errno = error;
	return (-1);
}

/* The one that systemd has bound, which all threads have then; -1: none. */
static int
passed_socket(const struct addrinfo *ai)
{
	int fd = passed_open(ai->ai_addr), on = 1;

	if (fd != -1)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return (fd);
}

static int
listen_on(struct http_thread *t, enum way way, const struct addrinfo *ai)
{
	int passed = passed_socket(ai), fd = passed != -1 ? passed : bound_socket(ai, 1);
	struct evconnlistener *l;

	if (fd == -1)
		return (-1);
	l = evconnlistener_new(t->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE, BACKLOG, fd);
	if (l == NULL) {
		close(fd);
		return (-1);
	}
	way_in(t, t->nlisteners++, way, l);
	return (0);
}

/*
 * SO_REUSEPORT shares a port among the threads, but also with another node that
 * was given the same port: so see first whether anybody has it.
 */
static int
listen_all_threads(struct http *h, enum way way, const struct addrinfo *ai)
{
	int fd = passed_socket(ai);

	if (fd == -1 && (fd = bound_socket(ai, 0)) == -1)
		return (-1);
	close(fd);
	for (unsigned i = 0; i < h->n; i++)
		if (h->threads[i].nlisteners == LISTENERS_MAX - 1) {
			errno = E2BIG; /* the last one is for the domain socket */
			return (-1);
		} else if (listen_on(&h->threads[i], way, ai) == -1)
			return (-1);
	return (0);
}

/* All addresses of IPv6, where there is none. */
static int
is_not_here(const struct addrinfo *ai)
{
	const struct sockaddr_in6 *sin6 = (const void *)ai->ai_addr;

	return (ai->ai_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr) &&
	    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL));
}

/* Whoever wants an address; -1 with errno. */
struct listen_taker {
	int (*take)(struct listen_taker *t, const struct addrinfo *ai);
	struct sockaddr_storage seen[LISTENERS_MAX];
	unsigned nseen;
};

/* As when a name stands in two lines of the host's file, or stands for an address that is listed, too. */
static int
is_seen(struct listen_taker *t, const struct addrinfo *ai)
{
	for (unsigned i = 0; i < t->nseen; i++)
		if (memcmp(&t->seen[i], ai->ai_addr, ai->ai_addrlen) == 0)
			return (1);
	if (t->nseen < LISTENERS_MAX)
		memcpy(&t->seen[t->nseen++], ai->ai_addr, ai->ai_addrlen);
	return (0);
}

static int
each_of_host(const char *host, int64_t port, struct listen_taker *t, char **err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV },
			*list = NULL, *ai;
	const char *why;
	char text[16];
	int rc;

	snprintf(text, sizeof(text), "%d", (int)port);
	if ((rc = getaddrinfo(host, text, &hints, &list)) != 0) {
		*err = xasprintf("operationsApi.network.host: %s: %s", host, gai_strerror(rc));
		return (-1);
	}
	for (ai = list; ai != NULL; ai = ai->ai_next)
		if (!is_seen(t, ai) && t->take(t, ai) == -1 && !is_not_here(ai)) {
			why = errno == EACCES && port < 1024 ?
			    "Permission denied (systemd opens one below 1024: "
			    "hubleaf-api.socket)" :
			    strerror(errno);
			*err = port == 0 ?
			    xasprintf("operationsApi.network.host: %s: %s", host, why) :
			    xasprintf("operationsApi.network.host: %s port %d: %s", host, (int)port,
				why);
			break;
		}
	freeaddrinfo(list);
	return (ai != NULL ? -1 : 0);
}

static int
each_address(const char *hosts, int64_t port, struct listen_taker *t, char **err)
{
	char *copy = xstrdup(hosts), *rest = copy, *host;
	int rc = 0, n = 0;

	while (rc == 0 && (host = strsep(&rest, ", ")) != NULL)
		if (*host != '\0') {
			rc = each_of_host(host, port, t, err);
			n++;
		}
	free(copy);
	if (n == 0) {
		*err = xasprintf("operationsApi.network.host: there is no address to listen on");
		rc = -1;
	}
	return (rc);
}

struct listening {
	struct listen_taker taker; /* first */
	struct http *http;
	enum way way;
};

static int
take_listener(struct listen_taker *t, const struct addrinfo *ai)
{
	struct listening *l = (struct listening *)t;

	return (listen_all_threads(l->http, l->way, ai));
}

int
listen_tcp(struct http *h, enum way way, const char *hosts, int64_t port, char **err)
{
	struct listening l = { .taker.take = take_listener, .http = h, .way = way };

	return (each_address(hosts, port, &l.taker, err));
}

/* All of the addresses at once, on a port that nobody has. */
struct trial {
	struct listen_taker taker; /* first */
	int fds[LISTENERS_MAX];
	unsigned n;
	in_port_t port; /* in the network's order; 0: the first one's is to come */
};

static in_port_t *
sockaddr_port(struct sockaddr *sa)
{
	return (sa->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)sa)->sin6_port :
					    &((struct sockaddr_in *)(void *)sa)->sin_port);
}

static int
take_trial(struct listen_taker *t, const struct addrinfo *ai)
{
	struct trial *trial = (struct trial *)t;
	struct sockaddr_storage at;
	socklen_t n = sizeof(at);
	int fd;

	/* HTTP and HTTPS each, and the domain socket. */
	if (trial->n == (LISTENERS_MAX - 1) / 2) {
		errno = E2BIG;
		return (-1);
	}
	*sockaddr_port(ai->ai_addr) = trial->port;
	if ((fd = bound_socket(ai, 0)) == -1)
		return (-1);
	trial->fds[trial->n++] = fd;
	if (listen(fd, 1) == -1 || getsockname(fd, (struct sockaddr *)&at, &n) == -1)
		return (-1);
	trial->port = *sockaddr_port((struct sockaddr *)&at);
	return (0);
}

int
http_can_listen(const char *hosts, char **err)
{
	struct trial trial = { .taker.take = take_trial };
	int rc = each_address(hosts, 0, &trial.taker, err);

	while (trial.n > 0)
		close(trial.fds[--trial.n]);
	return (rc);
}

static int
bind_local(const char *path, char **err)
{
	int fd = usock_bind(path, SOCKET_MODE);

	if (fd == -1 && errno == ENAMETOOLONG)
		*err = xasprintf("operations API: %s: longer than %d bytes, which is the most for "
				 "a socket",
		    path, USOCK_PATH_MAX);
	else if (fd == -1)
		*err = xasprintf("operations API: %s: %s", path, strerror(errno));
	return (fd);
}

/* Takes fd; NULL with errno. */
static struct evconnlistener *
local_listener(struct http_thread *t, int fd)
{
	struct evconnlistener *l = evconnlistener_new(t->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE,
	    BACKLOG, fd);
	int error = errno;

	if (l == NULL)
		close(fd);
	errno = error;
	return (l);
}

/* In place of the one that nobody finds any more. */
static void
http_bound_cb(int fd, void *arg)
{
	struct http_thread *t = arg;
	struct evconnlistener *l = local_listener(t, fd);

	if (l == NULL) {
		log_warn("operations API: %s", t->http->socket_path);
		return;
	}
	evconnlistener_free(t->listeners[t->local]);
	way_in(t, t->local, WAY_LOCAL, l);
	if (t->http->stopping)
		evconnlistener_disable(l);
}

int
listen_local(struct http *h, const char *path, char **err)
{
	struct http_thread *t = &h->threads[0];
	struct evconnlistener *l;
	int fd;

	if ((fd = bind_local(path, err)) == -1)
		return (-1);
	h->socket_path = xstrdup(path);
	if ((l = local_listener(t, fd)) == NULL) {
		*err = xasprintf("operations API: %s: %s", path, strerror(errno));
		return (-1);
	}
	t->local = t->nlisteners++;
	way_in(t, t->local, WAY_LOCAL, l);
	t->watch = sockwatch_new(t->base, path, SOCKET_MODE, http_bound_cb, t);
	return (0);
}
