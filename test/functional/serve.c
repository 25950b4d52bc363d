#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A web server for tests, one request at a time: serve PORT
 *
 *   /csv		a small table
 *   /gzip		the same, encoded
 *   /rows/N		N rows
 *   /secret		the table for who sends X-Key: let-me-in, else 403
 *   /to/URL		a redirect
 *   /half		ends in the middle
 *   /			the same, with more of it
 *   /hang		some rows, then empty lines for as long as the client stays
 */

static const char table[] = "id,name\r\n1,one\r\n2,two\r\n";

static const char gzipped[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x4c\xd1\xc9\x4b\xcc\x4d\xe5\xe5\x32\xd4"
    "\xc9\xcf\x03\x52\x46\x3a\x25\xe5\xf9\xbc\x5c\x00\x15\x29\xea\x94\x17\x00\x00\x00";

static void
put_bytes(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, text, n, MSG_NOSIGNAL);

		if (done <= 0)
			return;
		text += done;
		n -= (size_t)done;
	}
}

static void
put(int fd, const char *text)
{
	put_bytes(fd, text, strlen(text));
}

static void
head(int fd, const char *status, long length)
{
	char text[200];

	snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nConnection: close\r\n", status);
	put(fd, text);
	if (length >= 0) {
		snprintf(text, sizeof(text), "Content-Length: %ld\r\n", length);
		put(fd, text);
	}
	put(fd, "\r\n");
}

static void
rows(int fd, long n)
{
	char text[100];

	head(fd, "200 OK", -1);
	put(fd, "id,name\n");
	for (long i = 1; i <= n; i++) {
		snprintf(text, sizeof(text), "%ld,name %ld\n", i, i);
		put(fd, text);
	}
}

/* Who fetches gives up on what brings too little for a minute: empty lines keep it, and are no rows. */
static void
hang(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char lines[8193], c;

	memset(lines, '\n', sizeof(lines) - 1);
	lines[sizeof(lines) - 1] = '\0';
	rows(fd, 10000);
	while (poll(&p, 1, 1000) == 0 || recv(fd, &c, 1, 0) > 0)
		put(fd, lines);
}

static void
answer(int fd, const char *path, const char *request)
{
	char text[2000];

	if (strcmp(path, "/csv") == 0 ||
	    (strcmp(path, "/secret") == 0 && strstr(request, "X-Key: let-me-in\r\n") != NULL)) {
		head(fd, "200 OK", (long)strlen(table));
		put(fd, table);
	} else if (strcmp(path, "/gzip") == 0) {
		put(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n");
		put_bytes(fd, gzipped, sizeof(gzipped) - 1);
	} else if (strncmp(path, "/rows/", 6) == 0)
		rows(fd, atol(path + 6));
	else if (strcmp(path, "/secret") == 0)
		head(fd, "403 Forbidden", 0);
	else if (strncmp(path, "/to/", 4) == 0) {
		snprintf(text, sizeof(text),
		    "HTTP/1.1 302 Found\r\nConnection: close\r\n"
		    "Content-Length: 0\r\nLocation: %s\r\n\r\n",
		    path + 4);
		put(fd, text);
	} else if (strcmp(path, "/half") == 0) {
		head(fd, "200 OK", 1000);
		put(fd, table);
	} else if (strcmp(path, "/") == 0) {
		head(fd, "200 OK", 10000);
		for (int i = 0; i < 100; i++)
			put(fd, table);
	} else if (strcmp(path, "/hang") == 0)
		hang(fd);
	else
		head(fd, "404 Not Found", 0);
}

static void
serve(int fd)
{
	char request[8192], path[2000];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(request) - 1 &&
	    (got = recv(fd, request + n, sizeof(request) - 1 - n, 0)) > 0) {
		n += (size_t)got;
		request[n] = '\0';
		if (strstr(request, "\r\n\r\n") != NULL)
			break;
	}
	request[n] = '\0';
	if (sscanf(request, "%*15s %1999s", path) == 1)
		answer(fd, path, request);
	close(fd);
}

int
main(int argc, char *argv[])
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, fd;

	sin.sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 0));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) == -1 || listen(l, 16) == -1) {
		perror("serve");
		return (1);
	}
	while ((fd = accept(l, NULL, NULL)) != -1 || errno == EINTR)
		if (fd != -1)
			serve(fd);
	return (1);
}
