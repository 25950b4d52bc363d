#include "config.h"

#include "opsd/http/conn_priv.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/turnout.h"
#include "opsd/http/clientcert.h"

#define READ_HIGH   65536 /* input that waits: beyond, the client is not read */
#define WRITE_LOW   16384
#define TURNS       32    /* requests of one connection before others have a turn */
#define PROGRESS    16384 /* bytes that `timeout` must bring */
#define LINGER_MS   2000
#define LOOK_AT     16  /* connections, for one that is idle */
#define SURPLUS_MAX 256 /* connections that are told that there are too many */

/* ---- time ---- */

uint64_t
conn_written(const struct conn *c)
{
	return (c->queued - turnout_queued(c->out));
}

/* The event is only moved to an earlier time; when it is too early it moves itself. */
static void
arm_timer(struct conn *c)
{
	uint64_t now = mono_us(), in = c->deadline_us > now ? c->deadline_us - now : 0;
	struct timeval tv = { (time_t)(in / 1000000), (suseconds_t)(in % 1000000) };

	if (c->armed_us != 0 && c->armed_us <= c->deadline_us)
		return;
	c->armed_us = c->deadline_us;
	event_add(c->timer, &tv);
}

void
conn_deadline(struct conn *c, uint64_t ms)
{
	c->deadline_us = mono_us() + ms * 1000;
	c->mark = c->state == CONN_BODY ? c->got : conn_written(c);
	arm_timer(c);
}

const struct http_limits *
conn_limits(const struct conn *c)
{
	return (&c->thread->http->limits);
}

/* ---- life ---- */

void
conn_body_free(struct conn *c)
{
	if (c->body != NULL)
		evbuffer_free(c->body);
	c->body = NULL;
}

void
conn_free(struct conn *c)
{
	struct exchange *x = c->x;

	c->x = NULL;
	TAILQ_REMOVE(&c->thread->conns, c, link);
	c->thread->http->conns--;
	event_free(c->timer);
	turnout_free(c->out);
	bufferevent_free(c->bev);
	clientcert_free(c->cert);
	conn_body_free(c);
	free(c);
	if (x != NULL)
		exchange_gone(x);
}

void
conn_drop(struct conn *c)
{
	c->dead = 1;
	if (!c->going)
		conn_free(c);
}

/* ---- requests ---- */

static struct evbuffer *
conn_input(const struct conn *c)
{
	return (bufferevent_get_input(c->bev));
}

/* Bytes up to the end of the head, 0: not there yet. */
static size_t
head_length(struct conn *c)
{
	size_t n = evbuffer_get_length(conn_input(c));
	struct evbuffer_ptr from, at;

	if (evbuffer_ptr_set(conn_input(c), &from, c->searched, EVBUFFER_PTR_SET) == -1)
		return (0);
	at = evbuffer_search(conn_input(c), "\r\n\r\n", 4, &from);
	c->searched = n > 3 ? n - 3 : 0;
	return (at.pos == -1 ? 0 : (size_t)at.pos + 4);
}

static void
skip_empty_lines(struct conn *c)
{
	char two[2];

	while (evbuffer_copyout(conn_input(c), two, 2) == 2 && memcmp(two, "\r\n", 2) == 0)
		evbuffer_drain(conn_input(c), 2);
}

static void
request_is_there(struct conn *c, size_t n)
{
	struct head head;
	const char *why;
	char *text = xmalloc(n + 1);
	int status;

	evbuffer_remove(conn_input(c), text, n);
	status = head_read(&head, text, n, &why);
	c->minor = head.minor;
	c->close = head.close;
	c->expects = head.expects;
	c->bodiless = strcmp(head.method, "HEAD") == 0;
	c->chunked = head.chunked;
	c->chunks = (struct chunks){ 0 };
	c->left = head.length;
	c->got = 0;
	c->unread = head.chunked || head.length > 0;
	if (status != 0) {
		head_free(&head);
		conn_refuse(c, status, why);
		return;
	}
	c->state = CONN_WORK;
	conn_deadline(c, conn_limits(c)->timeout_ms);
	exchange_begin(c, &head);
}

/* Half a head, or none, will not become a whole one. */
static int
last_if_ended(struct conn *c)
{
	if (!c->ended)
		return (0);
	c->state = CONN_LAST;
	return (1);
}

static int
go_head(struct conn *c)
{
	size_t n;

	/* Who does not read answers gets no more of them. */
	if (conn_full(c))
		return (0);
	if (!c->begun)
		skip_empty_lines(c);
	if (evbuffer_get_length(conn_input(c)) == 0)
		return (last_if_ended(c));
	if (!c->begun) {
		c->begun = 1;
		conn_deadline(c, conn_limits(c)->headers_ms);
	}
	n = head_length(c);
	if (n == 0 && evbuffer_get_length(conn_input(c)) <= conn_limits(c)->max_header)
		return (last_if_ended(c));
	if (n == 0 || n > conn_limits(c)->max_header)
		conn_refuse(c, 431,
		    "the headers are larger than operationsApi.network.maxHeaderSize");
	else
		request_is_there(c, n);
	return (1);
}

void
conn_want_body(struct conn *c, uint64_t limit)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct buf b = { 0 };

	c->limit = limit;
	c->body = evbuffer_new();
	c->state = CONN_BODY;
	conn_deadline(c, conn_limits(c)->timeout_ms);
	if (c->unread && evbuffer_get_length(conn_input(c)) == 0 && c->expects) {
		buf_add(&b, go_on, sizeof(go_on) - 1);
		conn_send(c, &b);
		buf_free(&b);
	}
	if (!c->going)
		conn_go(c);
}

struct evbuffer *
conn_body_take(struct conn *c)
{
	struct evbuffer *body = c->body;

	c->body = NULL;
	return (body);
}

/* 1 the body is there, 0 not yet, -1 it is broken. */
static int
read_body(struct conn *c)
{
	size_t n = evbuffer_get_length(conn_input(c));

	if (c->chunked)
		return (chunks_read(&c->chunks, conn_input(c), c->body));
	if (n > c->left)
		n = (size_t)c->left;
	evbuffer_remove_buffer(conn_input(c), c->body, n);
	c->left -= n;
	return (c->left == 0);
}

static int
go_body(struct conn *c)
{
	uint64_t before = c->got;
	int rc = read_body(c);

	c->got = evbuffer_get_length(c->body);
	if (rc == -1)
		exchange_refuse(c->x, 400, "the chunks of the body are broken");
	else if (c->got > c->limit)
		exchange_too_long(c->x);
	else if (exchange_count(c->x, c->got - before) == -1)
		;
	else if (rc == 1) {
		c->unread = 0;
		c->state = CONN_WORK;
		conn_deadline(c, conn_limits(c)->timeout_ms);
		exchange_body(c->x);
	} else {
		if (c->ended)
			conn_drop(c);
		return (0);
	}
	return (1);
}

/* What the client still sends is read, or closing would take our answer from it. */
static int
go_last(struct conn *c)
{
	if (conn_written(c) < c->queued)
		return (0);
	if (c->ended || (c->way == WAY_TLS && !c->unread)) {
		conn_drop(c);
		return (0);
	}
	if (c->way != WAY_TLS)
		shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	c->state = CONN_LINGER;
	conn_deadline(c, LINGER_MS);
	return (1);
}

static int
go_linger(struct conn *c)
{
	evbuffer_drain(conn_input(c), evbuffer_get_length(conn_input(c)));
	if (c->ended)
		conn_drop(c);
	return (0);
}

void
conn_go(struct conn *c)
{
	static int (*const steps[])(struct conn *) = {
		[CONN_HEAD] = go_head,
		[CONN_BODY] = go_body,
		[CONN_LAST] = go_last,
		[CONN_LINGER] = go_linger,
	};
	int left = TURNS, more = 1;

	c->going = 1;
	while (!c->dead && more && left-- > 0)
		more = c->state != CONN_WORK && c->state != CONN_STREAM && steps[c->state](c);
	c->going = 0;
	if (c->dead)
		conn_free(c);
	else if (more)
		bufferevent_trigger(c->bev, EV_READ,
		    BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

/* ---- events ---- */

static void
conn_read_cb(struct bufferevent *bev, void *arg)
{
	conn_go(arg);
}

static void
conn_sent_cb(void *arg)
{
	struct conn *c = arg;

	c->going = 1;
	if (c->state == CONN_STREAM)
		exchange_drained(c->x);
	else if (c->state == CONN_HEAD && !c->begun && conn_written(c) == c->queued)
		conn_deadline(c, conn_limits(c)->keepalive_ms);
	conn_go(c);
}

static void
conn_write_cb(struct bufferevent *bev, void *arg)
{
	conn_sent_cb(arg);
}

/* TLS does not wait for the socket anyway. */
static void
write_plain(struct bufferevent *bev, struct evbuffer *out)
{
	if (bufferevent_openssl_get_ssl(bev) == NULL)
		evbuffer_write(out, bufferevent_getfd(bev));
}

static void
conn_event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	if (what & BEV_EVENT_CONNECTED) /* the handshake */
		return;
	c->going = 1;
	/* Who has sent everything may still wait for the answer. */
	if (what & BEV_EVENT_EOF)
		c->ended = 1;
	else {
		clientcert_failed(c);
		c->dead = 1;
	}
	conn_go(c);
}

/* The client had its time. */
static void
time_out(struct conn *c)
{
	uint64_t moved = (c->state == CONN_BODY ? c->got : conn_written(c)) - c->mark;
	int writing = c->state != CONN_LINGER && conn_written(c) < c->queued;

	if ((writing || c->state == CONN_BODY) && moved >= PROGRESS)
		conn_deadline(c, conn_limits(c)->timeout_ms);
	else if (writing)
		conn_drop(c);
	else if (c->state == CONN_BODY)
		exchange_refuse(c->x, 408, "the body did not arrive in time");
	else if (c->state == CONN_HEAD && c->begun)
		conn_refuse(c, 408, "the headers did not arrive in time");
	else if (c->state == CONN_WORK)
		exchange_refuse(c->x, 504,
		    "the operation takes longer than "
		    "operationsApi.network.timeout, and may still be carried out");
	else if (c->state == CONN_STREAM)
		conn_deadline(c, conn_limits(c)->timeout_ms);
	else
		conn_drop(c);
}

static void
conn_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	c->armed_us = 0;
	if (c->deadline_us > mono_us()) {
		arm_timer(c);
		return;
	}
	c->going = 1;
	time_out(c);
	conn_go(c);
}

/* ---- the beginning ---- */

static struct bufferevent *
bev_new(struct http_thread *t, enum way way, int fd)
{
	struct bufferevent *b = NULL;
	struct ssl_st *ssl;

	if (way != WAY_TLS)
		return (bufferevent_socket_new(t->base, fd, BEV_OPT_CLOSE_ON_FREE));
	if ((ssl = http_ssl(t->http)) != NULL)
		b = bufferevent_openssl_socket_new(t->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
		    BEV_OPT_CLOSE_ON_FREE);
	if (b != NULL)
		bufferevent_openssl_set_allow_dirty_shutdown(b, 1);
	return (b);
}

static void
take_address(struct conn *c, const struct sockaddr *sa)
{
	const void *a = sa->sa_family == AF_INET ?
	    (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr :
	    (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

	if (sa->sa_family == AF_INET || sa->sa_family == AF_INET6)
		inet_ntop(sa->sa_family, a, c->from, sizeof(c->from));
}

static struct conn *
conn_new(struct http_thread *t, enum way way, int fd)
{
	static const struct turnout_ops ops = { write_plain, conn_sent_cb };
	struct conn *c = xcalloc(1, sizeof(*c));

	c->thread = t;
	c->way = way;
	if ((c->bev = bev_new(t, way, fd)) == NULL) {
		free(c);
		return (NULL);
	}
	if ((c->timer = evtimer_new(t->base, conn_timer_cb, c)) == NULL) {
		bufferevent_free(c->bev);
		free(c);
		return (NULL);
	}
	c->out = turnout_new(c->bev, &ops, c);
	TAILQ_INSERT_TAIL(&t->conns, c, link);
	return (c);
}

/* Who has been idle for longest makes room, as if its time were over. */
static void
make_room(struct http_thread *t)
{
	struct conn *c = TAILQ_FIRST(&t->conns);

	for (int i = 0; i < LOOK_AT && c != NULL; i++, c = TAILQ_NEXT(c, link))
		if (c->state == CONN_HEAD && !c->begun && conn_written(c) == c->queued) {
			conn_free(c);
			return;
		}
}

void
conn_accept(struct http_thread *t, enum way way, int fd, const struct sockaddr *sa)
{
	const struct http_limits *l = &t->http->limits;
	struct conn *c;
	int n;

	if (t->http->conns >= l->max_conns)
		make_room(t);
	n = ++t->http->conns;
	c = n <= l->max_conns + SURPLUS_MAX ? conn_new(t, way, fd) : NULL;

	if (c == NULL) {
		t->http->conns--;
		close(fd);
		return;
	}
	c->surplus = n > l->max_conns;
	take_address(c, sa);
	bufferevent_setcb(c->bev, conn_read_cb, conn_write_cb, conn_event_cb, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0,
	    l->max_header > READ_HIGH ? l->max_header + 4 : READ_HIGH);
	bufferevent_setwatermark(c->bev, EV_WRITE, WRITE_LOW, 0);
	conn_deadline(c, c->surplus ? LINGER_MS : l->headers_ms);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}
