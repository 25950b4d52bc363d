#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * load: many writes of one row each over keep-alive connections, and a list of
 * those that were acknowledged.  A request whose answer got lost is counted
 * and not sent again; a connection that breaks is made anew.
 */
#define CONNECTIONS_MAX 256
#define ANSWER_MAX      16384

struct client {
	int fd;   /* -1: not connected */
	int busy; /* a request is out */
	int connecting;
	uint64_t again_ms; /* not before */
	char id[64];
	char out[2048];
	size_t out_len, out_at;
	char in[ANSWER_MAX];
	size_t in_len;
};

struct load {
	uint16_t port;
	char auth[512];
	const char *database, *table, *prefix, *operation;
	unsigned connections, pad, rate;
	uint64_t wanted, begin_ms, until_ms;
	uint64_t sent, acked, refused, lost;
	FILE *out;
	char padding[1025];
	struct client clients[CONNECTIONS_MAX];
};

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000);
}

static void
base64(char *out, const char *in)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = strlen(in);

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)(uint8_t)in[i] << 16;

		v |= i + 1 < n ? (uint32_t)(uint8_t)in[i + 1] << 8 : 0;
		v |= i + 2 < n ? (uint8_t)in[i + 2] : 0;
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*out = '\0';
}

static void
client_close(struct load *l, struct client *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->connecting = 0;
	if (c->busy)
		l->lost++;
	c->busy = 0;
	c->in_len = c->out_len = c->out_at = 0;
	c->again_ms = now_ms() + 20;
}

static void
client_connect(struct load *l, struct client *c)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(l->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		err(1, "socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->connecting = 1;
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == -1 && errno != EINPROGRESS)
		client_close(l, c);
}

static int
may_send(const struct load *l)
{
	uint64_t now = now_ms();

	if (l->until_ms != 0 && now >= l->until_ms)
		return (0);
	if (l->wanted != 0 && l->sent >= l->wanted)
		return (0);
	return (l->rate == 0 || l->sent * 1000 <= (now - l->begin_ms) * l->rate);
}

static int
finished(const struct load *l)
{
	if ((l->until_ms == 0 || now_ms() < l->until_ms) && (l->wanted == 0 || l->sent < l->wanted))
		return (0);
	for (unsigned i = 0; i < l->connections; i++)
		if (l->clients[i].busy)
			return (0);
	return (1);
}

static void
client_request(struct load *l, struct client *c)
{
	char body[1600];
	int n;

	snprintf(c->id, sizeof(c->id), "%s-%llu", l->prefix, (unsigned long long)l->sent++);
	n = snprintf(body, sizeof(body),
	    "{\"operation\":\"%s\",\"database\":\"%s\",\"table\":\"%s\","
	    "\"records\":[{\"id\":\"%s\",\"n\":%llu,\"pad\":\"%s\"}]}",
	    l->operation, l->database, l->table, c->id, (unsigned long long)l->sent, l->padding);
	c->out_len = (size_t)snprintf(c->out, sizeof(c->out),
	    "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Authorization: Basic %s\r\nContent-Type: application/json\r\n"
	    "Content-Length: %d\r\n\r\n%s",
	    l->auth, n, body);
	if (c->out_len >= sizeof(c->out))
		errx(1, "the request is too long");
	c->out_at = 0;
	c->busy = 1;
}

static void
client_write(struct load *l, struct client *c)
{
	int error = 0;
	socklen_t len = sizeof(error);
	ssize_t n;

	if (c->connecting) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error != 0) {
			client_close(l, c);
			return;
		}
		c->connecting = 0;
	}
	if (c->out_at == c->out_len)
		return;
	n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
	if (n > 0)
		c->out_at += (size_t)n;
	else if (errno != EAGAIN)
		client_close(l, c);
}

/* Bytes of the answer, 0 when it is not whole yet. */
static size_t
answer_length(struct client *c)
{
	char *end, *length;

	c->in[c->in_len] = '\0';
	if ((end = strstr(c->in, "\r\n\r\n")) == NULL)
		return (0);
	if ((length = strcasestr(c->in, "\r\ncontent-length:")) == NULL || length > end)
		errx(1, "an answer without a length: %.200s", c->in);
	return ((size_t)(end + 4 - c->in) + strtoul(length + 17, NULL, 10));
}

static void
client_answer(struct load *l, struct client *c)
{
	int status = atoi(c->in + 9);

	c->busy = 0;
	c->in_len = c->out_len = c->out_at = 0;
	if (status != 200) {
		if (l->refused++ == 0)
			warnx("refused: %.300s", c->in);
		c->again_ms = now_ms() + 20;
		return;
	}
	l->acked++;
	if (l->out != NULL)
		fprintf(l->out, "%s\n", c->id);
}

static void
client_read(struct load *l, struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - 1 - c->in_len, 0);
	size_t len;

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			client_close(l, c);
		return;
	}
	c->in_len += (size_t)n;
	len = answer_length(c);
	if (len >= sizeof(c->in))
		errx(1, "an answer of %zu bytes", len);
	if (len > 0 && c->in_len >= len)
		client_answer(l, c);
}

static void
client_next(struct load *l, struct client *c)
{
	if (now_ms() < c->again_ms)
		return;
	if (c->fd == -1)
		client_connect(l, c);
	if (c->fd != -1 && !c->connecting && !c->busy && may_send(l)) {
		client_request(l, c);
		client_write(l, c);
	}
}

static void
turn(struct load *l)
{
	struct pollfd p[CONNECTIONS_MAX];

	for (unsigned i = 0; i < l->connections; i++) {
		struct client *c = &l->clients[i];

		client_next(l, c);
		p[i] = (struct pollfd){ .fd = c->fd, .events = POLLIN };
		if (c->connecting || c->out_at < c->out_len)
			p[i].events |= POLLOUT;
	}
	if (poll(p, l->connections, l->rate != 0 ? 1 : 20) == -1 && errno != EINTR)
		err(1, "poll");
	for (unsigned i = 0; i < l->connections; i++) {
		if (p[i].fd != -1 && (p[i].revents & (POLLOUT | POLLERR)))
			client_write(l, &l->clients[i]);
		if (l->clients[i].fd != -1 && (p[i].revents & (POLLIN | POLLHUP)))
			client_read(l, &l->clients[i]);
	}
}

static __attribute__((noreturn)) void
usage(void)
{
	fprintf(stderr,
	    "usage: load -p port -u user:password -t database.table [-n rows] [-d seconds]\n"
	    "    [-c connections] [-r rows per second] [-k key prefix] [-s padding bytes]\n"
	    "    [-m insert|upsert|update] [-o file of acknowledged keys]\n");
	exit(2);
}

static void
set_table(struct load *l, char *name)
{
	char *dot = strchr(name, '.');

	if (dot == NULL)
		usage();
	*dot = '\0';
	l->database = name;
	l->table = dot + 1;
}

static void
options(struct load *l, int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "c:d:k:m:n:o:p:r:s:t:u:")) != -1) {
		switch (o) {
		case 'c':
			l->connections = (unsigned)atoi(optarg);
			break;
		case 'd':
			l->until_ms = now_ms() + (uint64_t)(atof(optarg) * 1000);
			break;
		case 'k':
			l->prefix = optarg;
			break;
		case 'm':
			l->operation = optarg;
			break;
		case 'n':
			l->wanted = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			l->port = (uint16_t)atoi(optarg);
			break;
		case 'r':
			l->rate = (unsigned)atoi(optarg);
			break;
		case 's':
			l->pad = (unsigned)atoi(optarg);
			break;
		case 't':
			set_table(l, optarg);
			break;
		case 'u':
			if (strlen(optarg) > 300)
				usage();
			base64(l->auth, optarg);
			break;
		case 'o':
			if ((l->out = fopen(optarg, "we")) == NULL)
				err(1, "%s", optarg);
			break;
		default:
			usage();
		}
	}
	if (l->port == 0 || l->table == NULL || l->connections < 1 ||
	    l->connections > CONNECTIONS_MAX || l->pad > 1024 ||
	    (l->wanted == 0 && l->until_ms == 0))
		usage();
}

int
main(int argc, char *argv[])
{
	static struct load l = { .connections = 64, .prefix = "r", .operation = "insert" };
	uint64_t ms;

	l.begin_ms = now_ms();
	options(&l, argc, argv);
	memset(l.padding, 'x', l.pad);
	for (unsigned i = 0; i < l.connections; i++)
		l.clients[i].fd = -1;
	while (!finished(&l))
		turn(&l);
	ms = now_ms() - l.begin_ms;
	if (l.out != NULL && fclose(l.out) != 0)
		err(1, "writing the keys");
	printf("%llu acknowledged, %llu refused, %llu lost, %llu ms\n", (unsigned long long)l.acked,
	    (unsigned long long)l.refused, (unsigned long long)l.lost, (unsigned long long)ms);
	return (l.refused != 0 && l.acked == 0);
}
