#include "config.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * clients: HTTP clients that curl cannot be, to a port of 127.0.0.1.
 *
 *	clients PORT idle N		N connections that ask, stay, and ask again
 *	clients PORT half		sends what it reads, ends its side, prints the answers
 *	clients PORT slow MS		sends what it reads, a byte each MS, until it is cut off;
 *					prints what comes, then after how many bytes it came
 *	clients PORT stall BYTES MS	sends what it reads, reads BYTES of the answer and then
 *					nothing for MS; prints how many bytes come then, and how it ends
 */
#define ASK "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
#define FEW 200 /* connections at a time that wait to be accepted */

static uint16_t port;

static int
dial(void)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 16384;

	if (fd == -1)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "connect");
	return (fd);
}

static void
put(int fd, const char *p, size_t n)
{
	ssize_t sent;

	for (; n > 0; p += sent, n -= (size_t)sent)
		if ((sent = send(fd, p, n, MSG_NOSIGNAL)) == -1)
			err(1, "send");
}

/* Within so many milliseconds: bytes, 0 at the end, -1 reset or nothing. */
static ssize_t
get(int fd, char *p, size_t n, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	errno = ETIMEDOUT;
	return (poll(&pfd, 1, ms) == 1 ? recv(fd, p, n, 0) : -1);
}

static size_t
read_stdin(char *p, size_t most)
{
	return (fread(p, 1, most, stdin));
}

static void
ask(const int *fds, size_t n, const char *when)
{
	char answer[1024];

	for (size_t i = 0; i < n; i++)
		put(fds[i], ASK, sizeof(ASK) - 1);
	for (size_t i = 0; i < n; i++)
		if (get(fds[i], answer, sizeof(answer), 20000) < 12 ||
		    memcmp(answer, "HTTP/1.1 200", 12) != 0)
			errx(1, "connection %zu gets no answer %s", i, when);
}

static int
idle(size_t n)
{
	struct rlimit files;
	int *fds = calloc(n, sizeof(*fds));

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (fds == NULL || files.rlim_cur < n + 16)
		errx(2, "%zu connections need more open files than %llu", n,
		    (unsigned long long)files.rlim_cur);
	for (size_t i = 0; i < n; i++) {
		fds[i] = dial();
		if (i % FEW == FEW - 1)
			ask(fds + i + 1 - FEW, FEW, "at first");
	}
	puts("all are there");
	fflush(stdout);
	getchar();
	ask(fds, n, "again");
	puts("all are still there");
	free(fds);
	return (0);
}

static int
print_answers(int fd)
{
	char answer[4096];
	ssize_t n;

	while ((n = get(fd, answer, sizeof(answer), 20000)) > 0)
		fwrite(answer, 1, (size_t)n, stdout);
	return (n == 0 ? 0 : 1);
}

static int
half(void)
{
	static char text[1 << 20];
	int fd = dial();

	put(fd, text, read_stdin(text, sizeof(text)));
	shutdown(fd, SHUT_WR);
	return (print_answers(fd));
}

static int
slow(int ms)
{
	static char text[1 << 20];
	size_t n = read_stdin(text, sizeof(text)), i;
	struct pollfd pfd = { .fd = dial(), .events = POLLIN };

	for (i = 0; i < n && poll(&pfd, 1, ms) == 0; i++)
		if (send(pfd.fd, text + i, 1, MSG_NOSIGNAL) == -1)
			break;
	print_answers(pfd.fd);
	printf("\n%zu\n", i);
	return (0);
}

static int
stall(size_t first, int ms)
{
	static char text[1 << 20];
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
	int fd = dial();
	size_t total = 0;
	ssize_t n = 1;

	put(fd, text, read_stdin(text, sizeof(text)));
	for (; total < first && n > 0; total += (size_t)n)
		if ((n = get(fd, text, first - total < 4096 ? first - total : 4096, 20000)) <= 0)
			errx(1, "the answer has %zu bytes only", total);
	nanosleep(&pause, NULL);
	for (total = 0; (n = get(fd, text, sizeof(text), 20000)) > 0; total += (size_t)n)
		;
	printf("%zu %s\n", total, n == 0 ? "end" : errno == ETIMEDOUT ? "nothing" : "reset");
	return (0);
}

int
main(int argc, char *argv[])
{
	const char *what = argc > 2 ? argv[2] : "";

	port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 0);
	if (strcmp(what, "idle") == 0 && argc == 4)
		return (idle((size_t)atoi(argv[3])));
	if (strcmp(what, "half") == 0 && argc == 3)
		return (half());
	if (strcmp(what, "slow") == 0 && argc == 4)
		return (slow(atoi(argv[3])));
	if (strcmp(what, "stall") == 0 && argc == 5)
		return (stall((size_t)atoi(argv[3]), atoi(argv[4])));
	errx(2, "usage: clients PORT idle N | half | slow MS | stall BYTES MS");
}
