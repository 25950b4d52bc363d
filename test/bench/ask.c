#include "config.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "test/bench/http.h"

/*
 * ask: small questions of the benchmarks to a node.
 *
 *	ask wait PORT			until /health answers 200
 *	ask lines PORT AUTH <FILE	each line is a request; all must succeed
 *	ask count PORT AUTH TABLE N	until the table has N rows; prints how many came
 *					while looking, and in how many seconds
 */
#define WAIT_US  120000000 /* for a node to start */
#define STALL_US 120000000 /* for another row */
#define PAUSE_US 1000

static int
dial_until(uint16_t port, uint64_t end)
{
	int fd;

	while ((fd = http_dial(port)) == -1) {
		if (errno != ECONNREFUSED || mono_us() > end)
			err(1, "port %u", (unsigned)port);
		usleep(PAUSE_US);
	}
	return (fd);
}

static int
healthy(uint16_t port, uint64_t end)
{
	static const char request[] = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
	char answer[16] = "";
	int fd = dial_until(port, end), ok;

	ok = send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0 &&
	    recv(fd, answer, sizeof(answer) - 1, MSG_WAITALL) > 12 &&
	    strncmp(answer + 8, " 200", 4) == 0;
	close(fd);
	return (ok);
}

static void
wait_for(uint16_t port)
{
	uint64_t end = mono_us() + WAIT_US;

	while (!healthy(port, end)) {
		if (mono_us() > end)
			errx(1, "port %u: not healthy", (unsigned)port);
		usleep(PAUSE_US);
	}
}

static void
send_lines(uint16_t port, const char *auth)
{
	struct buf body = { 0 }, out = { 0 };
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int fd = dial_until(port, 0);

	while ((n = getline(&line, &cap, stdin)) > 0) {
		buf_clear(&body);
		buf_add(&body, line, (size_t)n);
		if (http_ask(fd, auth, &body, &out) != 200)
			errx(1, "refused: %.200s: %s", line, (const char *)out.data);
	}
	free(line);
	buf_free(&body);
	buf_free(&out);
	close(fd);
}

static void
count_until(uint16_t port, const char *auth, char *name, int64_t wanted)
{
	struct table_name t;
	int64_t n = -1, last = -1, first = 0;
	uint64_t began = 0, moved = mono_us();
	int fd = dial_until(port, mono_us() + WAIT_US);

	if (table_name_read(&t, name) == -1)
		errx(2, "%s: not a table", name);
	while ((n = http_count(fd, auth, &t)) < wanted) {
		if (n == -1)
			errx(1, "the table cannot be asked for");
		if (n != last) {
			moved = mono_us();
			/* What was there before the first row came does not count. */
			if (began == 0 && last != -1)
				began = moved, first = n;
			last = n;
		}
		if (mono_us() - moved > STALL_US)
			errx(1, "no more rows at %" PRId64 " of %" PRId64, n, wanted);
		usleep(PAUSE_US);
	}
	if (began == 0)
		errx(1, "all rows were there already");
	printf("%" PRId64 " %.6f\n", n - first, (double)(mono_us() - began) / 1e6);
	close(fd);
}

int
main(int argc, char *argv[])
{
	uint16_t port = argc > 2 ? (uint16_t)atoi(argv[2]) : 0;

	if (argc == 3 && strcmp(argv[1], "wait") == 0)
		wait_for(port);
	else if (argc == 4 && strcmp(argv[1], "lines") == 0)
		send_lines(port, argv[3]);
	else if (argc == 6 && strcmp(argv[1], "count") == 0)
		count_until(port, argv[3], argv[4], strtoll(argv[5], NULL, 10));
	else
		errx(2, "usage: ask wait PORT | lines PORT AUTH | count PORT AUTH TABLE N");
	return (0);
}
