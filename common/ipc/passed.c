#include "config.h"

#include "common/ipc/passed.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/base/log.h"

#define PASSED_MOST 64

/* What this process was given, in order of descriptors. */
static struct {
	int fds[PASSED_MOST], used[PASSED_MOST];
	int n;
} passed;

void
passed_read(void)
{
	int n = sd_listen_fds(1);

	passed.n = 0;
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++)
		if (passed.n == PASSED_MOST || sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
			log_warnx("descriptor %d, which systemd has passed, is no socket that "
				  "listens: it is not used",
			    fd);
			close(fd);
		} else {
			passed.used[passed.n] = 0;
			passed.fds[passed.n++] = fd;
		}
}

static int
is_only_ipv6(int fd)
{
	socklen_t n = sizeof(int);
	int only = 0;

	return (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &n) == 0 && only);
}

static int
is_same_ipv4(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return (a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr);
}

static int
is_same_ipv6(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
	return (a->sin6_port == b->sin6_port && a->sin6_scope_id == b->sin6_scope_id &&
	    memcmp(&a->sin6_addr, &b->sin6_addr, sizeof(a->sin6_addr)) == 0);
}

static int
is_for_all(const struct sockaddr_in6 *has, const struct sockaddr_in *want)
{
	return (has->sin6_port == want->sin_port && want->sin_addr.s_addr == htonl(INADDR_ANY) &&
	    IN6_IS_ADDR_UNSPECIFIED(&has->sin6_addr));
}

static int
is_bound_for(int fd, const struct sockaddr *want)
{
	struct sockaddr_storage has;
	socklen_t n = sizeof(has);
	const void *a = &has, *b = want;

	if (getsockname(fd, (struct sockaddr *)&has, &n) == -1)
		return (0);
	if (has.ss_family == AF_INET6 && want->sa_family == AF_INET)
		return (is_for_all(a, b) && !is_only_ipv6(fd));
	if (has.ss_family != want->sa_family)
		return (0);
	return (has.ss_family == AF_INET  ? is_same_ipv4(a, b) :
		has.ss_family == AF_INET6 ? is_same_ipv6(a, b) :
					    0);
}

int
passed_open(const struct sockaddr *want)
{
	int fd;

	for (int i = 0; i < passed.n; i++) {
		if (!is_bound_for(passed.fds[i], want))
			continue;
		passed.used[i] = 1;
		if ((fd = fcntl(passed.fds[i], F_DUPFD_CLOEXEC, 0)) != -1)
			(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		return (fd);
	}
	return (-1);
}

static void
say_unused(int fd)
{
	struct sockaddr_storage at;
	socklen_t n = sizeof(at);
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";

	if (getsockname(fd, (struct sockaddr *)&at, &n) == 0)
		(void)getnameinfo((struct sockaddr *)&at, n, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	log_warnx(
	    "the socket at %s, port %s, which systemd has passed, is not used: no port of the "
	    "configuration is there",
	    host, port);
}

void
passed_close_rest(void)
{
	int kept = 0;

	for (int i = 0; i < passed.n; i++)
		if (passed.used[i]) {
			passed.used[kept] = 1;
			passed.fds[kept++] = passed.fds[i];
		} else {
			say_unused(passed.fds[i]);
			close(passed.fds[i]);
		}
	passed.n = kept;
}

/* Each moves down, if at all, so none is overwritten before it has moved. */
void
passed_hand_on(void)
{
	char text[16];

	if (passed.n == 0)
		return;
	for (int i = 0; i < passed.n; i++) {
		int to = SD_LISTEN_FDS_START + i;

		if (passed.fds[i] != to)
			(void)dup2(passed.fds[i], to);
		(void)fcntl(to, F_SETFD, 0);
	}
	snprintf(text, sizeof(text), "%d", passed.n);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
}
