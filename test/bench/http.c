#include "config.h"

#include "test/bench/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX (64u << 20)

int
table_name_read(struct table_name *t, char *text)
{
	char *dot = strchr(text, '.');

	if (dot == NULL || dot == text || dot[1] == '\0')
		return (-1);
	*dot = '\0';
	t->database = text;
	t->table = dot + 1;
	return (0);
}

int
http_dial(uint16_t port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), saved;

	if (fd == -1)
		return (-1);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return (fd);
	saved = errno;
	close(fd);
	errno = saved;
	return (-1);
}

void
http_request(struct buf *b, const char *auth, const void *body, size_t n)
{
	buf_addf(b,
	    "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic %s\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	    auth, n);
	buf_add(b, body, n);
}

ssize_t
http_answer(struct buf *b, int *status, size_t *body)
{
	const char *text, *end, *length;
	size_t n;

	buf_u8(b, '\0');
	b->len--;
	text = (const char *)b->data;
	if ((end = strstr(text, "\r\n\r\n")) == NULL)
		return (b->len > 65536 ? -1 : 0);
	length = strcasestr(text, "\r\ncontent-length:");
	if (length == NULL || length > end || strncmp(text, "HTTP/1.", 7) != 0)
		return (-1);
	n = strtoul(length + 17, NULL, 10);
	if (n > ANSWER_MAX)
		return (-1);
	*status = atoi(text + 9);
	*body = (size_t)(end + 4 - text);
	return (b->len >= *body + n ? (ssize_t)(*body + n) : 0);
}

static int
write_all(int fd, const struct buf *b)
{
	size_t at = 0;
	ssize_t n;

	while (at < b->len) {
		n = send(fd, b->data + at, b->len - at, MSG_NOSIGNAL);
		if (n <= 0)
			return (-1);
		at += (size_t)n;
	}
	return (0);
}

static int
read_answer(int fd, struct buf *in, size_t *body, ssize_t *len)
{
	int status = -1;
	ssize_t n;

	while ((*len = http_answer(in, &status, body)) == 0) {
		buf_reserve(in, 65536);
		n = recv(fd, in->data + in->len, 65536, 0);
		if (n <= 0)
			return (-1);
		in->len += (size_t)n;
	}
	return (*len == -1 ? -1 : status);
}

int
http_ask(int fd, const char *auth, const struct buf *body, struct buf *out)
{
	struct buf b = { 0 };
	size_t at = 0;
	ssize_t len = 0;
	int status = -1;

	http_request(&b, auth, body->data, body->len);
	buf_clear(out);
	if (write_all(fd, &b) == 0) {
		buf_clear(&b);
		status = read_answer(fd, &b, &at, &len);
	}
	if (status != -1)
		buf_add(out, b.data + at, (size_t)len - at);
	buf_u8(out, '\0');
	out->len--;
	buf_free(&b);
	return (status);
}

int64_t
http_count(int fd, const char *auth, const struct table_name *t)
{
	static const char field[] = "\"record_count\":";
	struct buf body = { 0 }, out = { 0 };
	const char *at;
	int64_t n = -1;

	buf_addf(&body, "{\"operation\":\"describe_table\",\"database\":\"%s\",\"table\":\"%s\"}",
	    t->database, t->table);
	if (http_ask(fd, auth, &body, &out) == 200 &&
	    (at = strstr((const char *)out.data, field)) != NULL)
		n = strtoll(at + sizeof(field) - 1, NULL, 10);
	buf_free(&body);
	buf_free(&out);
	return (n);
}
