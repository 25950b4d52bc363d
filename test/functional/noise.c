#include "config.h"

#include <err.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * noise PORT CONNECTIONS SEED: what is no HTTP, or not quite, over so many connections;
 * the same for the same seed.  Some are closed in order, some broken off, some kept
 * open beside others until the end.
 */
#define KEPT      24
#define OUT_MAX   70000
#define ANSWER_MS 20

static uint64_t seed;
static uint16_t port;

static uint32_t
below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return ((uint32_t)(seed % n));
}

static const char body[] = "{\"operation\":\"describe_all\"}";
static const char *const odd_lines[] = {
	"Content-Length: -1\r\n",
	"Content-Length: 99999999999999999999\r\n",
	"Content-Length: 5\r\n",
	"Content-Length: 2147483648\r\n",
	"Content-Length: 0x10\r\n",
	"Transfer-Encoding: chunked\r\n",
	"Transfer-Encoding: gzip, chunked\r\n",
	"Expect: 100-continue\r\n",
	"Connection: upgrade\r\n",
	"Authorization: Basic \r\n",
	"Authorization: Basic AAAA\r\n",
	"Authorization: Bearer a.b.c\r\n",
	"Authorization: Digest x\r\n",
	"Cookie: hdb-session=x; =; ;;\r\n",
	"Content-Type: application/cbor\r\n",
	"Content-Type: application/x-msgpack\r\n",
	"Accept: text/csv;q=x,*/*;;\r\n",
	"Origin: null\r\n",
	": nameless\r\n",
	"no colon\r\n",
	" folded\r\n",
	"\r\n",
	"Host: \xff\x80\r\n",
	"X: \x01\x02\r\n",
};
static const char *const first_lines[] = { "POST / HTTP/1.1\r\n", "POST / HTTP/1.0\r\n",
	"POST / HTTP/9.9\r\n", "POST /\r\n", "GET / HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n",
	"HEAD /health HTTP/1.1\r\n", "PUT / HTTP/1.1\r\n", "CONNECT a:1 HTTP/1.1\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST http:///%%zz HTTP/1.1\r\n", " / HTTP/1.1\r\n",
	"\r\n\r\n", "POST /?operation=describe_all HTTP/1.1\r\n", "FLY / HTTP/1.1\r\n",
	"POST  /  HTTP/1.1 \r\n" };

#define ANY(a) (a)[below(sizeof(a) / sizeof((a)[0]))]

static size_t
good(char *out)
{
	return ((size_t)snprintf(out, OUT_MAX,
	    "POST / HTTP/1.1\r\nHost: a\r\n"
	    "Authorization: Basic YWRtaW46YWRtaW4tc2VjcmV0\r\nContent-Length: %zu\r\n\r\n%s",
	    sizeof(body) - 1, body));
}

static size_t
random_bytes(char *out)
{
	size_t n = below(4000);

	for (size_t i = 0; i < n; i++)
		out[i] = (char)below(256);
	return (n);
}

static size_t
odd_head(char *out)
{
	size_t n = (size_t)sprintf(out, "%s", ANY(first_lines));
	uint32_t lines = below(8);

	while (lines-- > 0)
		n += (size_t)sprintf(out + n, "%s", ANY(odd_lines));
	return (n + (size_t)sprintf(out + n, "\r\n%s", body));
}

static size_t
chunks(char *out)
{
	static const char *const sizes[] = { "1c", "0", "-5", "ffffffffffffffff", "zz", "", "5;x=y",
		"7fffffff" };
	size_t n = (size_t)sprintf(out,
	    "POST / HTTP/1.1\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");

	for (uint32_t i = below(4); i < 4; i++)
		n += (size_t)sprintf(out + n, "%s\r\n%s%s", ANY(sizes), body,
		    below(4) ? "\r\n" : "");
	return (n);
}

/* Longer than a head may be, in one line or in many. */
static size_t
long_head(char *out)
{
	size_t n = (size_t)sprintf(out, "POST / HTTP/1.1\r\n");
	int lines = below(2) == 0;

	while (n < OUT_MAX - 64)
		n += (size_t)sprintf(out + n, lines ? "X-%zu: y\r\n" : "%zu", n);
	return (n);
}

static size_t
bent(char *out)
{
	size_t n = good(out);

	for (uint32_t i = below(6); i < 6; i++)
		out[below((uint32_t)n)] = (char)below(256);
	return (n);
}

static size_t
cut(char *out)
{
	return (below((uint32_t)good(out)));
}

static size_t
pipelined(char *out)
{
	size_t n = 0;

	for (uint32_t i = below(20); i < 20; i++)
		n += good(out + n);
	return (n + random_bytes(out + n));
}

static int
dial(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		err(1, "port %u", (unsigned)port);
	return (fd);
}

/* Some of what is said, if anything is. */
static void
listen_a_little(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char in[4096];

	if (poll(&p, 1, ANSWER_MS) == 1 && recv(fd, in, sizeof(in), MSG_DONTWAIT) > 0)
		while (recv(fd, in, sizeof(in), MSG_DONTWAIT) > 0)
			;
}

static void
hang_up(int fd)
{
	struct linger now = { .l_onoff = 1 };

	if (below(3) == 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	else if (below(2) == 0)
		shutdown(fd, SHUT_WR);
	if (below(2) == 0)
		listen_a_little(fd);
	close(fd);
}

/* All at once, or in pieces with pauses for the other side. */
static void
speak(int fd, const char *out, size_t n)
{
	size_t at = 0, part;

	while (at < n) {
		part = below(4) == 0 ? 1 + below((uint32_t)(n - at)) : n - at;
		if (send(fd, out + at, part, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
			return;
		at += part;
		if (at < n)
			listen_a_little(fd);
	}
}

int
main(int argc, char *argv[])
{
	static size_t (*const kinds[])(char *) = {
		random_bytes,
		odd_head,
		odd_head,
		odd_head,
		chunks,
		long_head,
		bent,
		bent,
		cut,
		pipelined,
	};
	static char out[OUT_MAX + 8192];
	int kept[KEPT], n, fd;

	if (argc != 4)
		errx(2, "usage: noise PORT CONNECTIONS SEED");
	port = (uint16_t)atoi(argv[1]);
	n = atoi(argv[2]);
	seed = strtoull(argv[3], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
	memset(kept, -1, sizeof(kept));
	for (int i = 0; i < n; i++) {
		fd = dial();
		speak(fd, out, ANY(kinds)(out));
		if (below(3) == 0) {
			int was = kept[i % KEPT];

			kept[i % KEPT] = fd;
			fd = was;
		}
		if (fd != -1)
			hang_up(fd);
	}
	for (int i = 0; i < KEPT; i++)
		if (kept[i] != -1)
			hang_up(kept[i]);
	return (0);
}
