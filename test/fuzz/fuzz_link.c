#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/base/mem.h"
#include "common/base/shard.h"
#include "leafd/link/link_priv.h"
#include "test/fuzz/feed.h"

/*
 * Messages from another node over a link.  The first byte says: bit 0, a good HELLO goes before, and opsd
 * lets it in; bit 1, READY as well.  Then messages, each a u16 length, little-endian, and its bytes.
 */

#define MAX (1u << 14)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char links[] =
    "{\"hello\":{\"id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"hostname\":\"a\",\"version\":\"1\",\"format\":[1,1]},"
    "\"listen\":[],\"dial\":[],\"max_payload\":65536,\"revoked\":[]}";
static const char hello[] =
    "{\"format\":[1,1],\"id\":\"cccccccccccccccccccccccccccccccc\",\"hostname\":\"c\",\"version\":\"1\",\"now\":1,"
    "\"boot\":\"x\",\"max\":65536}";
static const char upgrade[] =
    "GET /replication HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: hubleaf.1\r\n\r\n";

struct node {
	struct chan *leaf, *opsd;
	struct links *links;
	unsigned ups, downs;
	int admitted;
};

/* Of the node that was let in, or it is a fault of ours. */
static void
check_id(const struct node *node, struct rd *r)
{
	const uint8_t *id = rd_bytes(r, NODE_ID_LEN);

	if (id == NULL || id[0] != 0xcc || !node->admitted)
		abort();
}

static int
on_up(struct chan *c, struct msg *m, void *arg)
{
	struct node *node = arg;
	struct buf out = { 0 };
	size_t n;
	const uint8_t *p = rd_blob(&m->body, &n);
	json_t *o = json_loadb((const char *)p, n, JSON_REJECT_DUPLICATES, NULL);

	if (!rd_done(&m->body) || !json_is_string(json_object_get(o, "hostname")))
		abort();
	node->admitted = strcmp(json_string_value(json_object_get(o, "id")),
			     "cccccccccccccccccccccccccccccccc") == 0;
	json_decref(o);
	node->ups++;
	buf_u16(&out, node->admitted ? 200 : 403);
	buf_str(&out, "");
	buf_u64(&out, 1);
	buf_u64(&out, 2);
	chan_reply(c, m->id, &out);
	return (0);
}

static int
on_down(struct chan *c, struct msg *m, void *arg)
{
	struct node *node = arg;

	if (++node->downs > node->ups)
		abort();
	return (0);
}

static int
on_req(struct chan *c, struct msg *m, void *arg)
{
	struct buf out = { 0 };
	size_t n;

	check_id(arg, &m->body);
	(void)rd_strn(&m->body, &n);
	(void)rd_blob(&m->body, &n);
	if (!rd_done(&m->body))
		abort();
	buf_u16(&out, 200);
	buf_blob(&out, "{}", 2);
	chan_reply(c, m->id, &out);
	return (0);
}

static int
on_serve(struct chan *c, struct msg *m, void *arg)
{
	struct buf out = { 0 };
	size_t n;

	check_id(arg, &m->body);
	(void)rd_blob(&m->body, &n);
	if (!rd_done(&m->body))
		abort();
	buf_blob(&out, "answer", 6);
	chan_reply(c, m->id, &out);
	return (0);
}

/* There is none, it ends, or what comes is no log. */
static int
on_read(struct chan *c, struct msg *m, void *arg)
{
	struct buf out = { 0 };
	uint32_t turn;
	uint64_t after;

	check_id(arg, &m->body);
	turn = rd_u32(&m->body);
	(void)rd_u64(&m->body);
	(void)rd_u64(&m->body);
	after = rd_u64(&m->body);
	buf_u8(&out, after % 3 != 0);
	chan_reply(c, m->id, &out);
	if (after % 3 == 1)
		buf_add(&out, "no log", 6);
	buf_u32(&out, turn);
	chan_send(c, MSG_LINK_LOG, &out);
	return (0);
}

static int
on_more(struct chan *c, struct msg *m, void *arg)
{
	check_id(arg, &m->body);
	(void)rd_u32(&m->body);
	(void)rd_u64(&m->body);
	if (!rd_done(&m->body))
		abort();
	return (0);
}

static int
on_apply(struct chan *c, struct msg *m, void *arg)
{
	struct buf out = { 0 };
	struct shard s;
	size_t n;

	check_id(arg, &m->body);
	s = shard_read(&m->body);
	(void)rd_u64(&m->body);
	(void)rd_blob(&m->body, &n);
	if (!rd_done(&m->body) || n == 0 || s.n != 1)
		abort();
	buf_u64(&out, 0);
	chan_reply(c, m->id, &out);
	return (0);
}

static const struct chan_handler handlers[] = {
	{ MSG_LINK_UP, on_up },
	{ MSG_LINK_DOWN, on_down },
	{ MSG_LINK_REQ, on_req },
	{ MSG_LINK_SERVE, on_serve },
	{ MSG_LINK_READ, on_read },
	{ MSG_LINK_MORE, on_more },
	{ MSG_APPLY, on_apply },
	{ 0, NULL },
};
static const struct chan_ops opsd_ops = { handlers, NULL, NULL };

static int
on_links(struct chan *c, struct msg *m, void *arg)
{
	struct node *node = arg;

	return (links_set(node->links, m));
}

static int
on_log(struct chan *c, struct msg *m, void *arg)
{
	struct node *node = arg;

	return (links_log(node->links, m));
}

static const struct chan_handler leaf_handlers[] = {
	{ MSG_LINKS, on_links },
	{ MSG_LINK_LOG, on_log },
	{ 0, NULL },
};
static const struct chan_ops leaf_ops = { leaf_handlers, NULL, NULL };

static void
links_did(void *arg)
{
}

static struct event_base *base;
static struct node node;

/* One that lives on from one input to the next. */
static void
begin(void)
{
	struct buf b = { 0 };
	int fds[2];

	base = feed_loop();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1)
		abort();
	node.opsd = chan_attach(base, fds[0], ROLE_OPSD, &opsd_ops, &node);
	node.leaf = chan_attach(base, fds[1], ROLE_LEAFD, &leaf_ops, &node);
	node.links = links_new(base, node.leaf, "boot", links_did, &node);
	while (!chan_is_up(node.opsd) || !chan_is_up(node.leaf))
		event_base_loop(base, EVLOOP_ONCE);
	buf_blob(&b, links, sizeof(links) - 1);
	chan_send(node.opsd, MSG_LINKS, &b);
	while (!links_up(node.links))
		event_base_loop(base, EVLOOP_ONCE);
}

static void
turn(int fd)
{
	char away[4096];

	for (int i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	while (recv(fd, away, sizeof(away), MSG_DONTWAIT) > 0)
		continue;
}

/* A frame whose mask changes nothing. */
static void
say(int fd, const void *p, size_t n)
{
	struct buf b = { 0 };

	buf_u8(&b, 0x82);
	buf_u8(&b, 0x80 | 126);
	if (n < 126)
		b.data[1] = (uint8_t)(0x80 | n);
	else {
		buf_u8(&b, (uint8_t)(n >> 8));
		buf_u8(&b, (uint8_t)n);
	}
	buf_u32(&b, 0);
	buf_add(&b, p, n);
	if (send(fd, b.data, b.len, MSG_DONTWAIT) > 0)
		turn(fd);
	buf_free(&b);
}

static void
say_hello(int fd)
{
	struct buf b = { 0 };

	buf_u8(&b, LINK_HELLO);
	buf_add(&b, hello, sizeof(hello) - 1);
	say(fd, b.data, b.len);
	buf_free(&b);
	turn(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rd r = rd_init(data, n);
	uint8_t how = rd_u8(&r), ready = LINK_READY;
	int fds[2];

	if (base == NULL)
		begin();
	if (n == 0 || n > MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1)
		return (0);
	node.admitted = 0;
	evutil_make_socket_nonblocking(fds[0]);
	link_new(node.links, fds[0], "127.0.0.1:1", 0, NULL);
	if (send(fds[1], upgrade, sizeof(upgrade) - 1, MSG_DONTWAIT) > 0)
		turn(fds[1]);
	if (how & 1)
		say_hello(fds[1]);
	if (how & 2)
		say(fds[1], &ready, 1);
	while (rd_left(&r) > 2) {
		size_t len = rd_u16(&r);

		len = len < rd_left(&r) ? len : rd_left(&r);
		say(fds[1], rd_bytes(&r, len), len);
	}
	close(fds[1]);
	for (int i = 0; i < 8; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	while (node.links->all != NULL)
		link_free(node.links->all);
	return (0);
}
