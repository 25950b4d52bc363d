#include "config.h"

#include "opsd/http/conn_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "common/base/mem.h"
#include "common/base/turnout.h"
#include "opsd/store/value.h"

/* What goes out on a connection. */

/*
 * Output that waits: beyond, no more is made.  The system has buffers of its own behind it, so
 * more would not make it faster, but is what each reader that stands still costs.
 */
#define WRITE_HIGH 32768

static const char *
date_text(struct http_thread *t)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now != t->dated) {
		t->dated = now;
		strftime(t->date, sizeof(t->date), "%a, %d %b %Y %H:%M:%S GMT",
		    gmtime_r(&now, &tm));
	}
	return (t->date);
}

static void
release_cb(const void *data, size_t n, void *arg)
{
	free(arg);
}

void
conn_send(struct conn *c, struct buf *b)
{
	struct evbuffer *out = turnout_buffer(c->out);
	uint8_t *data;
	size_t n;

	c->queued += b->len;
	if (b->len <= 4096) {
		evbuffer_add(out, b->data, b->len);
		buf_clear(b);
		return;
	}
	data = buf_take(b, &n);
	/* It may wait for long, and have room for twice as much. */
	data = xrealloc(data, n);
	if (evbuffer_add_reference(out, data, n, release_cb, data) == -1)
		free(data);
}

/* length -1: not known yet. */
static void
send_head(struct conn *c, int status, const struct buf *headers, int64_t length,
    const struct buf *body)
{
	struct buf b = { 0 };

	c->framed = length == -1 && c->minor > 0;
	if (c->thread->http->stopping || c->unread || (length == -1 && c->minor == 0))
		c->close = 1;
	buf_reserve(&b, 256 + headers->len);
	buf_addf(&b, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_reason(status),
	    date_text(c->thread));
	buf_add(&b, headers->data, headers->len);
	if (length != -1 && status != 204)
		buf_addf(&b, "Content-Length: %lld\r\n", (long long)length);
	else if (c->framed)
		buf_addf(&b, "Transfer-Encoding: chunked\r\n");
	if (c->close)
		buf_addf(&b, "Connection: close\r\n");
	else if (c->minor == 0)
		buf_addf(&b, "Connection: keep-alive\r\n");
	buf_add(&b, "\r\n", 2);
	if (body != NULL && !c->bodiless && body->len <= 4096)
		buf_add(&b, body->data, body->len);
	conn_send(c, &b);
	buf_free(&b);
}

/* The answer is written or on its way: for the next request, or the last bytes. */
static void
answer_queued(struct conn *c)
{
	c->x = NULL;
	conn_body_free(c);
	c->begun = 0;
	c->searched = 0;
	TAILQ_REMOVE(&c->thread->conns, c, link);
	TAILQ_INSERT_TAIL(&c->thread->conns, c, link);
	c->state = c->close ? CONN_LAST : CONN_HEAD;
	conn_deadline(c,
	    conn_written(c) == c->queued ? conn_limits(c)->keepalive_ms :
					   conn_limits(c)->timeout_ms);
	if (!c->going)
		conn_go(c);
}

void
conn_answer(struct conn *c, int status, const struct buf *headers, struct buf *body)
{
	send_head(c, status, headers, (int64_t)body->len, body);
	if (!c->bodiless && body->len > 4096)
		conn_send(c, body);
	answer_queued(c);
}

void
conn_begin(struct conn *c, int status, const struct buf *headers, int64_t length)
{
	send_head(c, status, headers, length, NULL);
	c->state = CONN_STREAM;
	conn_deadline(c, conn_limits(c)->timeout_ms);
}

void
conn_piece(struct conn *c, struct buf *data)
{
	struct buf line = { 0 };

	if (data->len == 0)
		return;
	if (c->framed) {
		buf_addf(&line, "%zx\r\n", data->len);
		buf_reserve(data, 2);
		buf_add(data, "\r\n", 2);
		conn_send(c, &line);
		buf_free(&line);
	}
	conn_send(c, data);
}

void
conn_end(struct conn *c)
{
	struct buf last = { 0 };

	if (c->framed) {
		buf_addf(&last, "0\r\n\r\n");
		conn_send(c, &last);
		buf_free(&last);
	}
	answer_queued(c);
}

/* Without its end; where neither chunks nor a length say so, only a reset tells. */
void
conn_cut(struct conn *c)
{
	struct linger now = { 1, 0 };

	c->x = NULL;
	setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	conn_drop(c);
}

int
conn_full(const struct conn *c)
{
	return (c->queued - conn_written(c) > WRITE_HIGH);
}

void
conn_refuse(struct conn *c, int status, const char *text)
{
	struct buf headers = { 0 }, body = { 0 };

	c->close = 1;
	c->unread = 1;
	buf_addf(&headers, "Content-Type: application/json\r\n");
	buf_addf(&body, "{\"error\":");
	value_text_string(&body, text, strlen(text));
	buf_addf(&body, "}");
	conn_answer(c, status, &headers, &body);
	buf_free(&headers);
	buf_free(&body);
}
