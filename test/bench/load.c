#include "config.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "test/bench/arrive.h"
#include "test/bench/http.h"
#include "test/bench/sample.h"

/*
 * load: inserts, or searches of one kind, over keep-alive connections, as fast as they
 * are answered or at a rate.  Prints one line: rows acknowledged a second, the median and the 99th
 * percentile of a request in microseconds, and for the node where rows arrive,
 * rows a second and the same two for a row.
 */
#define CONNECTIONS_MAX 1024
#define TICK_US         250
#define LOOK_US         100
#define REQUESTS_MAX    20000000

struct conn {
	int fd;
	int busy;
	uint64_t sent_us;
	size_t out_at;
	struct buf out, in;
};

struct load {
	uint16_t port;
	const char *auth;
	struct table_name table;
	unsigned connections, batch, rate;
	const char *search; /* id, value or range; NULL: inserts */
	uint64_t rows;      /* of the table to search in */
	uint64_t wanted;    /* rows; 0: until the time is over */
	double seconds;
	struct arrive_opts to;
	struct arrive *arrive; /* or NULL */
	int epoll, timer;
	struct conn *conns;
	struct buf body;
	uint64_t began_us, until_us, acked_us;
	uint64_t next; /* id of the next row */
	uint64_t requests, answers, acked;
	uint64_t *took_us;
};

static int
may_send(const struct load *l, uint64_t now)
{
	if (now >= l->until_us || (l->wanted != 0 && l->next >= l->wanted) ||
	    l->requests >= REQUESTS_MAX)
		return (0);
	return (l->rate == 0 || l->requests * 1000000 <= (now - l->began_us) * l->rate);
}

static void
add_rows(struct load *l)
{
	char row[SAMPLE_MAX];

	buf_clear(&l->body);
	buf_addf(&l->body,
	    "{\"operation\":\"insert\",\"database\":\"%s\",\"table\":\"%s\","
	    "\"records\":[",
	    l->table.database, l->table.table);
	for (unsigned i = 0; i < l->batch; i++) {
		size_t n = sample_row(row, l->next);

		if (l->arrive != NULL)
			arrive_sent(l->arrive, l->next);
		l->next++;
		if (i > 0)
			buf_u8(&l->body, ',');
		buf_add(&l->body, row, n);
	}
	buf_addf(&l->body, "]}");
}

static void
add_search(struct load *l)
{
	uint64_t at = sample_mixed(l->next++) % l->rows;

	buf_clear(&l->body);
	buf_addf(&l->body, "{\"database\":\"%s\",\"table\":\"%s\",\"get_attributes\":[\"*\"],",
	    l->table.database, l->table.table);
	if (strcmp(l->search, "id") == 0)
		buf_addf(&l->body, "\"operation\":\"search_by_id\",\"ids\":[%" PRIu64 "]}", at);
	else if (strcmp(l->search, "value") == 0)
		buf_addf(&l->body,
		    "\"operation\":\"search_by_value\",\"attribute\":\"name\","
		    "\"value\":\"name-%" PRIu64 "\"}",
		    at);
	else
		buf_addf(&l->body,
		    "\"operation\":\"search_by_conditions\",\"limit\":10,"
		    "\"sort\":{\"attribute\":\"weight\",\"descending\":true},\"conditions\":["
		    "{\"attribute\":\"id\",\"comparator\":\"between\",\"value\":[%" PRIu64
		    ",%" PRIu64 "]}]}",
		    at, at + 99);
}

static void
conn_flush(struct load *l, struct conn *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	ssize_t n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at, MSG_NOSIGNAL);

	if (n == -1 && errno != EAGAIN)
		err(1, "send");
	if (n > 0)
		c->out_at += (size_t)n;
	if (c->out_at < c->out.len)
		e.events |= EPOLLOUT;
	if (c->out_at < c->out.len || n == -1 || c->out.len > 65536)
		epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void
conn_request(struct load *l, struct conn *c)
{
	if (l->search != NULL)
		add_search(l);
	else
		add_rows(l);
	buf_clear(&c->out);
	c->out_at = 0;
	http_request(&c->out, l->auth, l->body.data, l->body.len);
	c->busy = 1;
	c->sent_us = mono_us();
	l->requests++;
	conn_flush(l, c);
}

static void
conn_next(struct load *l, struct conn *c)
{
	if (!c->busy && may_send(l, mono_us()))
		conn_request(l, c);
}

static void
conn_read(struct load *l, struct conn *c)
{
	size_t body;
	ssize_t n, len;
	int status;

	buf_reserve(&c->in, 65536);
	n = recv(c->fd, c->in.data + c->in.len, 65536, 0);
	if (n == 0 || (n == -1 && errno != EAGAIN))
		err(1, "a connection was closed");
	if (n == -1)
		return;
	c->in.len += (size_t)n;
	len = http_answer(&c->in, &status, &body);
	if (len == 0)
		return;
	if (len == -1 || status != 200)
		errx(1, "refused: %.300s", (const char *)c->in.data);
	c->busy = 0;
	buf_clear(&c->in);
	l->acked_us = mono_us();
	l->took_us[l->answers++] = l->acked_us - c->sent_us;
	l->acked += l->batch;
	conn_next(l, c);
}

static void
tick(struct load *l)
{
	uint64_t n;

	if (read(l->timer, &n, sizeof(n)) == -1)
		return;
	for (unsigned i = 0; i < l->connections; i++)
		conn_next(l, &l->conns[i]);
}

static void
begin(struct load *l)
{
	struct itimerspec every = { { 0, TICK_US * 1000 }, { 0, TICK_US * 1000 } };
	struct epoll_event e = { .events = EPOLLIN };

	l->took_us = xcalloc(REQUESTS_MAX, sizeof(*l->took_us));
	l->conns = xcalloc(l->connections, sizeof(*l->conns));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll == -1)
		err(1, "epoll");
	for (unsigned i = 0; i < l->connections; i++) {
		struct conn *c = &l->conns[i];

		if ((c->fd = http_dial(l->port)) == -1)
			err(1, "port %u", (unsigned)l->port);
		fcntl(c->fd, F_SETFL, O_NONBLOCK);
		e.data.ptr = c;
		if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) == -1)
			err(1, "epoll");
	}
	if (l->to.port != 0)
		l->arrive = arrive_start(&l->to);
	l->began_us = mono_us();
	l->until_us = l->began_us + (uint64_t)(l->seconds * 1e6);
	if (l->rate != 0) {
		l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		e.data.ptr = NULL;
		if (l->timer == -1 || timerfd_settime(l->timer, 0, &every, NULL) == -1 ||
		    epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->timer, &e) == -1)
			err(1, "timer");
	}
}

static int
over(const struct load *l)
{
	return (l->answers == l->requests &&
	    (mono_us() >= l->until_us || (l->wanted != 0 && l->next >= l->wanted)));
}

static void
run(struct load *l)
{
	struct epoll_event events[64];
	int n;

	for (unsigned i = 0; i < l->connections; i++)
		conn_next(l, &l->conns[i]);
	while (!over(l)) {
		n = epoll_wait(l->epoll, events, 64, 100);
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (c == NULL) {
				tick(l);
				continue;
			}
			if (events[i].events & EPOLLOUT)
				conn_flush(l, c);
			if (events[i].events & ~(uint32_t)EPOLLOUT)
				conn_read(l, c);
		}
	}
}

static void
report(struct load *l)
{
	uint64_t last_us, *took_us, came;
	double seconds = (double)(l->acked_us - l->began_us) / 1e6;

	printf("%.0f", (double)l->acked / seconds);
	printf(" %.0f", sample_quantile(l->took_us, l->answers, 500));
	printf(" %.0f", sample_quantile(l->took_us, l->answers, 990));
	if (l->arrive != NULL) {
		came = arrive_end(l->arrive, &last_us, &took_us);
		printf(" %.0f", (double)came * 1e6 / (double)(last_us - l->began_us));
		if (took_us != NULL) {
			printf(" %.0f", sample_quantile(took_us, came, 500));
			printf(" %.0f", sample_quantile(took_us, came, 990));
		}
		free(took_us);
	}
	putchar('\n');
}

static __attribute__((noreturn)) void
usage(void)
{
	fprintf(stderr,
	    "usage: load -p port -a auth -t database.table [-s seconds] [-n rows]\n"
	    "    [-c connections] [-b rows per request] [-r requests per second]\n"
	    "    [-P port where rows arrive] [-e]\n"
	    "    [-q id|value|range -k rows of the table]\n");
	exit(2);
}

static void
options(struct load *l, int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "P:a:b:c:ek:n:p:q:r:s:t:")) != -1) {
		switch (o) {
		case 'P':
			l->to.port = (uint16_t)atoi(optarg);
			break;
		case 'a':
			l->auth = optarg;
			break;
		case 'b':
			l->batch = (unsigned)atoi(optarg);
			break;
		case 'c':
			l->connections = (unsigned)atoi(optarg);
			break;
		case 'e':
			l->to.each = 1;
			break;
		case 'k':
			l->rows = strtoull(optarg, NULL, 10);
			break;
		case 'q':
			l->search = optarg;
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
			l->seconds = atof(optarg);
			break;
		case 't':
			if (table_name_read(&l->table, optarg) == -1)
				usage();
			break;
		default:
			usage();
		}
	}
	if (l->port == 0 || l->auth == NULL || l->table.table == NULL || l->batch < 1 ||
	    l->connections < 1 || l->connections > CONNECTIONS_MAX || l->seconds <= 0 ||
	    (l->search != NULL && l->rows == 0))
		usage();
	l->to.auth = l->auth;
	l->to.table = l->table;
	l->to.pause_us = l->to.each ? LOOK_US : 5000;
}

int
main(int argc, char *argv[])
{
	static struct load l = { .connections = 64, .batch = 1, .seconds = 3600 };

	options(&l, argc, argv);
	begin(&l);
	run(&l);
	report(&l);
	return (0);
}
