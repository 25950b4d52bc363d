#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/ipc/chan.h"
#include "test/fuzz/feed.h"

/*
 * Bytes from a peer on a daemon's socket.  The first byte says: bit 0, a good
 * HELLO goes before; the rest, how many bytes arrive at a time (0: all).
 */

#define MAX (1u << 15)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct peer {
	struct chan *chan;
	int up;
};

static void
on_up(struct chan *c, enum role peer, void *arg)
{
	struct peer *p = arg;

	if (p->up++ || !chan_is_up(c))
		abort();
}

static void
on_down(struct chan *c, enum role peer, void *arg)
{
	struct peer *p = arg;

	if (--p->up || chan_is_up(c))
		abort();
	p->chan = NULL;
}

static int
on_any(struct chan *c, struct msg *m, void *arg)
{
	struct peer *p = arg;
	struct buf b = { 0 };
	size_t n;

	if (!p->up)
		abort();
	rd_u64(&m->body);
	rd_blob(&m->body, &n);
	if (!rd_done(&m->body))
		return (-1);
	buf_u64(&b, n);
	chan_reply(c, m->id, &b);
	return (0);
}

static const struct chan_handler handlers[] = {
	{ MSG_LOG_TAIL, on_any },
	{ MSG_LOG_READ, on_any },
	{ MSG_SERVE, on_any },
	{ MSG_APPLY, on_any },
	{ 0, NULL },
};
static const struct chan_ops ops = { handlers, on_up, on_down };

static void
put_hello(struct buf *b)
{
	size_t at = b->len;

	buf_u32(b, 0);
	buf_u16(b, MSG_HELLO);
	buf_u32(b, 0);
	buf_u16(b, PROTO_MAJOR);
	buf_u16(b, PROTO_MINOR);
	buf_u8(b, ROLE_LEAFD);
	buf_str(b, "1");
	buf_put_u32(b, at, (uint32_t)(b->len - at - PROTO_HEAD));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct event_base *base = feed_loop();
	struct peer p = { 0 };
	struct buf b = { 0 };
	int fds[2];

	if (n == 0 || n > MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1)
		return (0);
	if (data[0] & 1)
		put_hello(&b);
	buf_add(&b, data + 1, n - 1);
	p.chan = chan_attach(base, fds[0], ROLE_OPSD, &ops, &p);
	feed_all(fds[1], b.data, b.len, data[0] >> 1);
	/* Freed by itself if it never was up: the end of the socket is the way to tell it. */
	close(fds[1]);
	while (event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > 0)
		event_base_loop(base, EVLOOP_ONCE);
	if (p.up)
		abort();
	buf_free(&b);
	return (0);
}
