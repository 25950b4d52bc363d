#include "config.h"

#include "common/ipc/passed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/log.h"

/* Sockets that systemd passes: which of them is for an address, and that the next program gets them. */

static union {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
} at;

static const struct sockaddr *
address(const char *host, in_port_t port)
{
	memset(&at, 0, sizeof(at));
	if (strchr(host, ':') != NULL) {
		at.in6.sin6_family = AF_INET6;
		at.in6.sin6_port = port;
		inet_pton(AF_INET6, host, &at.in6.sin6_addr);
	} else {
		at.in.sin_family = AF_INET;
		at.in.sin_port = port;
		inet_pton(AF_INET, host, &at.in.sin_addr);
	}
	return (&at.sa);
}

/* The next that is passed; its port.  only: of IPv6 alone. */
static in_port_t
pass_next(int nr, const char *host, int only, int listens)
{
	const struct sockaddr *sa = address(host, 0);
	socklen_t n = sizeof(at);
	int fd = socket(sa->sa_family, SOCK_STREAM, 0);

	if (sa->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (fd == -1 || bind(fd, sa, n) == -1)
		return (0);
	if (listens)
		assert_int_equal(listen(fd, 4), 0);
	if (fd != SD_LISTEN_FDS_START + nr) {
		assert_int_not_equal(dup2(fd, SD_LISTEN_FDS_START + nr), -1);
		close(fd);
	}
	assert_int_equal(getsockname(SD_LISTEN_FDS_START + nr, &at.sa, &n), 0);
	return (at.sa.sa_family == AF_INET ? at.in.sin_port : at.in6.sin6_port);
}

static void
read_passed(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	passed_read();
	assert_null(getenv("LISTEN_FDS"));
}

static int
is_there(const char *host, in_port_t port)
{
	int fd = passed_open(address(host, port));

	if (fd == -1)
		return (0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	return (1);
}

static void
test_addresses(void **state)
{
	in_port_t one = pass_next(0, "127.0.0.1", 0, 1), all = pass_next(1, "0.0.0.0", 0, 1);

	read_passed(2);
	assert_true(is_there("127.0.0.1", one) && is_there("0.0.0.0", all));
	assert_false(is_there("127.0.0.1", all) || is_there("0.0.0.0", one));
	assert_false(is_there("127.0.0.2", one) || is_there("127.0.0.1", htons(1)));
	assert_false(is_there("::", all));
	passed_close_rest();
	close(3);
	close(4);
}

static void
test_ipv6(void **state)
{
	in_port_t both = pass_next(0, "::", 0, 1), only = pass_next(1, "::", 1, 1);

	if (both == 0 || only == 0)
		skip(); /* there is none here */
	read_passed(2);
	assert_true(is_there("::", both) && is_there("0.0.0.0", both) && is_there("::", only));
	assert_false(is_there("0.0.0.0", only) || is_there("127.0.0.1", both));
	close(3);
	close(4);
}

static void
test_no_listeners(void **state)
{
	in_port_t port = pass_next(0, "127.0.0.1", 0, 0);

	read_passed(1);
	assert_false(is_there("127.0.0.1", port));
	assert_int_equal(fcntl(3, F_GETFD), -1);
}

/* The first is not wanted, so the others move down. */
static void
test_handed_on(void **state)
{
	in_port_t ports[3];

	for (int i = 0; i < 3; i++)
		ports[i] = pass_next(i, "127.0.0.1", 0, 1);
	read_passed(3);
	assert_true(is_there("127.0.0.1", ports[1]) && is_there("127.0.0.1", ports[2]));
	passed_close_rest();
	assert_int_equal(fcntl(3, F_GETFD), -1);
	assert_false(is_there("127.0.0.1", ports[0]));
	passed_hand_on();
	assert_string_equal(getenv("LISTEN_FDS"), "2");
	assert_int_equal(fcntl(3, F_GETFD) & FD_CLOEXEC, 0);
	assert_int_equal(fcntl(4, F_GETFD) & FD_CLOEXEC, 0);
	passed_read();
	assert_true(is_there("127.0.0.1", ports[1]) && is_there("127.0.0.1", ports[2]));
	assert_true(fcntl(3, F_GETFD) & FD_CLOEXEC);
	close(3);
	close(4);
	close(5);
}

/* Of another process: as a shell that was started by systemd would hand it down. */
static void
test_not_for_us(void **state)
{
	in_port_t port = pass_next(0, "127.0.0.1", 0, 1);

	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", "1", 1);
	passed_read();
	assert_false(is_there("127.0.0.1", port));
	close(3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_no_listeners),
		cmocka_unit_test(test_handed_on),
		cmocka_unit_test(test_not_for_us),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
