#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "common/base/buf.h"
#include "leafd/link/ws.h"
#include "test/fuzz/feed.h"

/*
 * Bytes from another node.  The first byte says: bit 0, we are the client; bit 1, a good upgrade
 * goes before; the rest, how many bytes arrive at a time (0: all).
 */

#define MAX      (1u << 15)
#define MESSAGE  4096
#define HEADROOM 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct end {
	struct ws *ws;
	int opened, closed;
	size_t bytes;
};

static void
on_open(struct ws *w, void *arg)
{
	struct end *e = arg;

	if (e->opened++ || e->closed)
		abort();
	ws_ping(w);
}

static void
on_message(struct ws *w, struct buf *m, void *arg)
{
	struct end *e = arg;

	if (!e->opened || e->closed || m->len < HEADROOM || m->len - HEADROOM > MESSAGE)
		abort();
	e->bytes += m->len - HEADROOM;
	if (m->len > HEADROOM) {
		if (m->data[HEADROOM] == 'c')
			ws_close(w, WS_REFUSED, "so");
		else if (m->data[HEADROOM] == 't')
			free(buf_take(m, NULL));
		else
			ws_send(w, m->data + HEADROOM, m->len - HEADROOM, NULL, 0);
	}
}

static void
on_pong(struct ws *w, uint64_t us, void *arg)
{
	struct end *e = arg;

	if (!e->opened || e->closed)
		abort();
}

static void
on_closed(struct ws *w, unsigned code, const char *why, void *arg)
{
	struct end *e = arg;

	for (; *why != '\0'; why++)
		if (*why < ' ' || *why > '~')
			abort();
	if (e->closed++)
		abort();
	ws_free(w);
	e->ws = NULL;
}

static const struct ws_ops ops = { on_open, on_message, on_pong, NULL, on_closed };

static void
put_upgrade(struct buf *b, int client)
{
	if (client)
		return; /* its key is a random one: no answer is right but by chance */
	buf_addf(b,
	    "GET /replication HTTP/1.1\r\nHost: n2\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: hubleaf.1\r\n\r\n");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct ws_opts o = {
		.path = "/replication",
		.protocol = "hubleaf.1",
		.host = "n1",
		.headroom = HEADROOM,
		.max = MESSAGE,
		.max_head = 2048,
	};
	struct event_base *base = feed_loop();
	struct bufferevent *bev;
	struct end e = { 0 };
	struct buf b = { 0 };
	int fds[2];

	if (n == 0 || n > MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1)
		return (0);
	if (data[0] & 2)
		put_upgrade(&b, data[0] & 1);
	buf_add(&b, data + 1, n - 1);
	evutil_make_socket_nonblocking(fds[0]);
	bev = bufferevent_socket_new(base, fds[0], BEV_OPT_CLOSE_ON_FREE);
	e.ws = data[0] & 1 ? ws_client(bev, &o, &ops, &e) : ws_server(bev, &o, &ops, &e);
	feed_all(fds[1], b.data, b.len, data[0] >> 2);
	if (e.bytes > b.len)
		abort();
	close(fds[1]);
	event_base_loop(base, EVLOOP_NONBLOCK);
	ws_free(e.ws);
	buf_free(&b);
	return (0);
}
