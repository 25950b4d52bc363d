#include "config.h"

#include "opsd/cli/cli.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <event2/http.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/ipc/usock.h"
#include "common/tls/tls.h"

#define ANSWER_MAX   (1u << 30)
#define DEFAULT_PORT 9925
#define RECEIVE      65536

void
target_free(struct cli_target *t)
{
	free(t->socket);
	free(t->host);
	free(t->authorization);
	memset(t, 0, sizeof(*t));
}

int
target_parse(struct cli_target *t, const char *url, char **err)
{
	struct evhttp_uri *u = evhttp_uri_parse(url);
	const char *scheme = u != NULL ? evhttp_uri_get_scheme(u) : NULL;
	const char *host = u != NULL ? evhttp_uri_get_host(u) : NULL;
	int ok = scheme != NULL && host != NULL && host[0] != '\0' &&
	    (strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0);

	if (ok) {
		t->host = xstrdup(host);
		t->tls = strcasecmp(scheme, "https") == 0;
		t->port = evhttp_uri_get_port(u) > 0 ? evhttp_uri_get_port(u) : DEFAULT_PORT;
		/* [::1] */
		if (t->host[0] == '[') {
			memmove(t->host, t->host + 1, strlen(t->host));
			t->host[strcspn(t->host, "]")] = '\0';
		}
	} else
		*err = xasprintf("'%s' is not a URL such as https://host:9925", url);
	if (u != NULL)
		evhttp_uri_free(u);
	return (ok ? 0 : -1);
}

void
target_login(struct cli_target *t, const char *username, const char *password)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = xasprintf("%s:%s", username, password);
	size_t n = strlen(text);
	struct buf b = { 0 };

	buf_addf(&b, "Basic ");
	for (size_t i = 0; i < n; i += 3) {
		const uint8_t *p = (const uint8_t *)text + i;
		size_t left = n - i;
		uint32_t v = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0) |
		    (left > 2 ? p[2] : 0);

		buf_addf(&b, "%c%c%c%c", digits[v >> 18], digits[v >> 12 & 63],
		    left > 1 ? digits[v >> 6 & 63] : '=', left > 2 ? digits[v & 63] : '=');
	}
	buf_u8(&b, 0);
	free(text);
	free(t->authorization);
	t->authorization = (char *)buf_take(&b, &n);
}

static int
connect_host(const char *host, int port, char **err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	char text[16];
	int fd = -1, rc;

	snprintf(text, sizeof(text), "%d", port);
	if ((rc = getaddrinfo(host, text, &hints, &list)) != 0) {
		*err = xasprintf("%s: %s", host, gai_strerror(rc));
		return (-1);
	}
	for (ai = list; ai != NULL && fd == -1; ai = ai->ai_next) {
		fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, 0);
		if (fd != -1 && connect(fd, ai->ai_addr, ai->ai_addrlen) == -1) {
			*err = *err != NULL ?
			    *err :
			    xasprintf("%s port %d: %s", host, port, strerror(errno));
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd != -1) {
		free(*err);
		*err = NULL;
	}
	return (fd);
}

static int
target_connect(const struct cli_target *t, char **err)
{
	struct timeval tv = { .tv_sec = t->timeout_s };
	int fd;

	if (t->socket == NULL)
		fd = connect_host(t->host, t->port, err);
	else if ((fd = usock_connect(t->socket, 0)) == -1)
		*err = xasprintf("%s: %s%s", t->socket, strerror(errno),
		    errno == ENOENT || errno == ECONNREFUSED ? " (opsd does not run?)" :
			errno == EACCES ? " (it is for root and the members of the group hubleaf)" :
					  "");
	if (fd != -1) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	}
	return (fd);
}

static int
send_all(int fd, struct ssl_st *ssl, const uint8_t *p, size_t n)
{
	ssize_t done;

	if (ssl != NULL)
		return (tls_write(ssl, p, n));
	for (; n > 0; p += done, n -= (size_t)done)
		if ((done = send(fd, p, n, MSG_NOSIGNAL)) <= 0)
			return (-1);
	return (0);
}

/* Asks in HTTP/1.0, so that the answer comes in one piece and ends with the connection. */
static void
write_request(struct buf *b, const struct cli_target *t, const char *method, const char *path,
    const char *body)
{
	buf_addf(b, "%s %s HTTP/1.0\r\nHost: %s\r\n", method, path,
	    t->socket != NULL ? "localhost" : t->host);
	if (t->authorization != NULL)
		buf_addf(b, "Authorization: %s\r\n", t->authorization);
	if (t->accept != NULL)
		buf_addf(b, "Accept: %s\r\n", t->accept);
	if (body != NULL)
		buf_addf(b, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
		    strlen(body));
	buf_add(b, "\r\n", 2);
	if (body != NULL)
		buf_add(b, body, strlen(body));
}

static int
read_answer(struct buf *in, int cut, struct answer *a)
{
	const char *end, *length;
	char *text;

	buf_u8(in, 0);
	text = (char *)in->data;
	if (sscanf(text, "HTTP/1.%*d %d", &a->status) != 1 ||
	    (end = strstr(text, "\r\n\r\n")) == NULL)
		return (-1);
	a->len = in->len - 1 - (size_t)(end + 4 - text);
	length = strcasestr(text, "\r\nContent-Length:");
	if (length == NULL || length > end ? cut : strtoull(length + 17, NULL, 10) != a->len)
		return (-1);
	a->body = xstrndup(end + 4, a->len);
	return (0);
}

/* An answer while it arrives: collected, or its body is handed on. */
struct arriving {
	struct buf in;                 /* what is collected: all, or the head */
	const struct cli_taker *taker; /* NULL: all is */
	int flows;                     /* the body is handed on */
	uint64_t total, got;           /* bytes of that */
	int cut, refused;              /* ended by an error; by the taker, with errno */
};

/* Whether this is a success of known length, whose head is there. */
static int
body_begins(struct arriving *in)
{
	const char *text, *end, *length;
	int status;

	buf_u8(&in->in, 0);
	in->in.len--;
	text = (const char *)in->in.data;
	if (sscanf(text, "HTTP/1.%*d %d", &status) != 1 || status != 200 ||
	    (end = strstr(text, "\r\n\r\n")) == NULL ||
	    (length = strcasestr(text, "\r\nContent-Length:")) == NULL || length > end)
		return (0);
	in->total = strtoull(length + 17, NULL, 10);
	in->got = in->in.len - (size_t)(end + 4 - text);
	return (1);
}

/* So many bytes are there, behind in->in.  1 go on, 0 that was all, -1 with errno. */
static int
take_arrived(struct arriving *in, size_t n)
{
	const uint8_t *p = in->in.data + in->in.len;

	if (!in->flows) {
		in->in.len += n;
		if (in->in.len > ANSWER_MAX) {
			errno = EMSGSIZE;
			return (-1);
		}
		if (in->taker == NULL || !(in->flows = body_begins(in)))
			return (1);
		n = (size_t)in->got;
		p = in->in.data + in->in.len - n;
	} else
		in->got += n;
	if (in->got > in->total)
		n -= (size_t)(in->got - in->total);
	if (in->taker->take(in->taker->arg, p, n, in->total) == -1) {
		in->refused = 1;
		return (-1);
	}
	return (in->got < in->total);
}

/* Until it is whole, or the other side closes. */
static int
receive_all(int fd, struct ssl_st *ssl, struct arriving *in)
{
	ssize_t got;
	int rc = 1;

	while (rc == 1) {
		buf_reserve(&in->in, RECEIVE);
		got = ssl != NULL ? tls_read(ssl, in->in.data + in->in.len, RECEIVE) :
				    recv(fd, in->in.data + in->in.len, RECEIVE, 0);
		rc = got <= 0 ? (int)got : take_arrived(in, (size_t)got);
	}
	return (rc);
}

static int
talk_over(int fd, const struct cli_target *t, const struct buf *out, struct arriving *in,
    char **err)
{
	struct ssl_st *ssl = NULL;
	int rc = 0;

	if (t->tls && (ssl = tls_dial(fd, t->host, !t->insecure, err)) == NULL)
		return (-1);
	if (send_all(fd, ssl, out->data, out->len) == -1 ||
	    ((in->cut = receive_all(fd, ssl, in) == -1) && in->in.len == 0)) {
		*err = xasprintf("no answer: %s", errno == EAGAIN ? "time is up" : strerror(errno));
		rc = -1;
	}
	if (in->refused)
		*err = xstrdup(strerror(errno));
	tls_hang_up(ssl);
	return (rc);
}

/* All of it arrived; 0, or -1 with *err. */
static int
arrived_whole(struct arriving *in, struct answer *a, char **err)
{
	if (*err != NULL)
		return (-1);
	if (in->flows && in->got != in->total)
		*err = xasprintf("the answer was cut off after %llu of %llu bytes",
		    (unsigned long long)in->got, (unsigned long long)in->total);
	else if (in->flows)
		a->status = 200;
	else if (read_answer(&in->in, in->cut, a) == -1)
		*err = xasprintf("the answer is not understood or not complete");
	return (*err == NULL ? 0 : -1);
}

static int
exchange_once(const struct cli_target *t, const char *method, const char *path, const char *body,
    struct arriving *in, struct answer *a, char **err)
{
	struct buf out = { 0 };
	int fd, rc;

	memset(a, 0, sizeof(*a));
	*err = NULL;
	if ((fd = target_connect(t, err)) == -1)
		return (-1);
	write_request(&out, t, method, path, body);
	rc = talk_over(fd, t, &out, in, err);
	if (rc == 0)
		rc = arrived_whole(in, a, err);
	close(fd);
	buf_free(&out);
	buf_free(&in->in);
	return (rc);
}

int
cli_request(const struct cli_target *t, const char *method, const char *path, const char *body,
    struct answer *a, char **err)
{
	struct arriving in = { 0 };

	return (exchange_once(t, method, path, body, &in, a, err));
}

int
cli_download(const struct cli_target *t, const char *body, const struct cli_taker *taker,
    struct answer *a, char **err)
{
	struct arriving in = { .taker = taker };

	return (exchange_once(t, "POST", "/", body, &in, a, err));
}
