#include "config.h"

#include "leafd/link/links.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "common/base/frame.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/shard.h"
#include "common/conf/settings.h"
#include "common/ipc/chan.h"
#include "leafd/link/link_priv.h"
#include "leafd/link/ws.h"
#include "test/unit/certs.h"
#include "test/unit/folder.h"
#include "test/unit/until.h"

/* Links of two nodes, each with what its opsd is to leafd, over loopback. */

#define ENTRIES_MAX 4000
#define PAYLOAD     1000

struct node {
	char name; /* 'a' or 'b' */
	uint8_t id[NODE_ID_LEN];
	char hex[NODE_HEX_LEN];
	int port;
	struct certs certs;
	struct links *links;
	struct chan *leaf, *opsd; /* the two ends of its daemons' socket */
	struct chan_listener *listener;
	/* what its opsd does */
	int refuse, hold_up, hold_apply, count_apply, no_read;
	struct chan_deferred *held[1000];
	unsigned nheld;
	uint64_t have;  /* of the other's log: what LINK_UP is answered */
	uint64_t end;   /* of its own log */
	size_t payload; /* bytes of an entry */
	uint32_t turn;  /* of LINK_READ; 0: none */
	uint64_t granted, given, window;
	uint64_t read_after, read_incarnation;
	/* what it has seen */
	unsigned ups, downs, asked, served, applied, reads, mores;
	int let_in; /* it has been let in, and no end was told */
	uint64_t applied_last, applied_bytes;
	json_t *up;
	char why[200];
	unsigned changes;
};

/* An answer of leafd's to opsd. */
struct answer {
	int got;
	unsigned status;
	char text[64];
	size_t len;
};

static struct event_base *base;
static struct certs root;
static struct node a, b;

static void
give_window(struct node *n)
{
	struct buf out = { 0 };
	uint8_t *payload = xcalloc(1, n->payload);
	uint64_t seq = n->read_after + 1;
	uint64_t left = n->granted - n->given, most = left < n->window ? left : n->window;
	uint32_t count = 1;

	while (count < 100 && seq + count <= n->end && (count + 1) * n->payload <= most)
		count++;
	n->read_after += count;
	buf_u64(&out, 1);
	buf_u16(&out, 1);
	buf_u32(&out, 64);
	buf_str(&out, "dev");
	buf_str(&out, "dog");
	buf_u32(&out, count);
	for (; count > 0; count--, seq++) {
		struct log_entry e = {
			.seq = seq,
			.mark = seq << 32 | 5,
			.prev = seq - 1,
			.prev_mark = seq > 1 ? (seq - 1) << 32 | 5 : 0,
			.ms = 1000 + seq,
			.table = 64,
			.payload = payload,
			.len = (uint32_t)n->payload,
		};

		log_entry_write(&out, &e);
	}
	n->given += out.len;
	buf_u32(&out, n->turn);
	chan_send(n->opsd, MSG_LINK_LOG, &out);
	free(payload);
}

/* All that it may, at once. */
static void
give_log(struct node *n)
{
	while (n->turn != 0 && n->read_after < n->end && n->given < n->granted)
		give_window(n);
}

static int
on_up(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;
	size_t len;
	const uint8_t *text = rd_blob(&m->body, &len);
	struct buf out = { 0 };

	assert_true(rd_done(&m->body));
	json_decref(n->up);
	n->up = json_loadb((const char *)text, len, 0, NULL);
	assert_non_null(n->up);
	n->ups++;
	if (n->hold_up) {
		n->held[n->nheld++] = chan_defer(c, m);
		return (0);
	}
	n->let_in |= !n->refuse;
	buf_u16(&out, n->refuse ? 403 : 200);
	buf_str(&out, n->refuse ? "is no member" : "");
	buf_u64(&out, n->have > 0);
	buf_u64(&out, n->have);
	chan_reply(c, m->id, &out);
	return (0);
}

static int
on_down(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;
	char *why;

	rd_bytes(&m->body, NODE_ID_LEN);
	why = rd_str(&m->body);
	assert_true(rd_done(&m->body));
	snprintf(n->why, sizeof(n->why), "%s", why);
	free(why);
	n->downs++;
	n->let_in = 0;
	return (0);
}

static int
on_req(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;
	const struct node *other = n == &a ? &b : &a;
	const uint8_t *id = rd_bytes(&m->body, NODE_ID_LEN);
	char *verb = rd_str(&m->body);
	size_t len;
	const uint8_t *text = rd_blob(&m->body, &len);
	struct buf out = { 0 };

	assert_true(rd_done(&m->body));
	assert_memory_equal(id, other->id, NODE_ID_LEN);
	assert_string_equal(verb, "status");
	n->asked++;
	if (len != 4 || memcmp(text, "null", 4) != 0) {
		buf_u16(&out, 207);
		buf_blob(&out, text, len);
		chan_reply(c, m->id, &out);
	}
	free(verb);
	return (0);
}

/* Answers with as many bytes as the question says. */
static int
on_serve(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;
	struct buf out = { 0 };
	size_t len, size;
	const uint8_t *p;
	char *text;

	rd_bytes(&m->body, NODE_ID_LEN);
	p = rd_blob(&m->body, &len);
	assert_true(rd_done(&m->body));
	n->served++;
	text = xstrndup((const char *)p, len);
	size = strtoul(text, NULL, 10);
	free(text);
	text = xcalloc(1, size + 1);
	memset(text, 'x', size);
	buf_blob(&out, text, size);
	chan_reply(c, m->id, &out);
	free(text);
	return (0);
}

static int
on_read(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;
	struct buf out = { 0 };

	rd_bytes(&m->body, NODE_ID_LEN);
	n->turn = rd_u32(&m->body);
	n->granted = rd_u64(&m->body);
	n->given = 0;
	n->read_incarnation = rd_u64(&m->body);
	n->read_after = rd_u64(&m->body);
	n->window = rd_u32(&m->body);
	assert_true(rd_done(&m->body) && n->turn != 0);
	n->reads++;
	buf_u8(&out, !n->no_read);
	chan_reply(c, m->id, &out);
	if (n->no_read)
		n->turn = 0;
	give_log(n);
	return (0);
}

static int
on_more(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;
	uint32_t turn;

	rd_bytes(&m->body, NODE_ID_LEN);
	turn = rd_u32(&m->body);
	if (turn == n->turn)
		n->granted = rd_u64(&m->body);
	n->mores++;
	give_log(n);
	return (0);
}

static void
apply_done(struct chan_deferred *d)
{
	struct buf out = { 0 };

	buf_u64(&out, 0);
	chan_deferred_reply(d, &out);
}

static int
on_apply(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;
	const struct node *other = n == &a ? &b : &a;
	const uint8_t *id = rd_bytes(&m->body, NODE_ID_LEN), *p;
	struct shard s = shard_read(&m->body);
	uint64_t seq = rd_u64(&m->body);
	struct buf room = { 0 };
	struct frame f;
	struct rd r;
	size_t len;

	p = rd_blob(&m->body, &len);
	assert_true(rd_done(&m->body));
	assert_true(n->count_apply || memcmp(id, other->id, NODE_ID_LEN) == 0);
	assert_int_equal(seq, 0);
	assert_int_equal(s.n, 1);
	if (!n->count_apply) {
		r = rd_init(p, len);
		assert_int_equal(frame_open(&r, &f, &room), 0);
		buf_free(&room);
		assert_memory_equal(f.node, other->id, NODE_ID_LEN);
		n->applied_last = f.last;
		n->applied_bytes += len;
	}
	n->applied += n->count_apply ? 1 : f.count;
	if (n->hold_apply)
		n->held[n->nheld++] = chan_defer(c, m);
	else
		apply_done(chan_defer(c, m));
	return (0);
}

static const struct chan_handler opsd_handlers[] = {
	{ MSG_LINK_UP, on_up },
	{ MSG_LINK_DOWN, on_down },
	{ MSG_LINK_REQ, on_req },
	{ MSG_LINK_SERVE, on_serve },
	{ MSG_LINK_READ, on_read },
	{ MSG_LINK_MORE, on_more },
	{ MSG_APPLY, on_apply },
	{ 0, NULL },
};

static void
opsd_up(struct chan *c, enum role role, void *arg)
{
	struct node *n = arg;

	n->opsd = c;
}

static void
opsd_down(struct chan *c, enum role role, void *arg)
{
	struct node *n = arg;

	n->opsd = NULL;
	n->turn = 0;
}

static const struct chan_ops opsd_ops = { opsd_handlers, opsd_up, opsd_down };

static int
on_links(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;

	return (links_set(n->links, m));
}

static int
on_ask(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;

	return (links_ask(n->links, m));
}

static int
on_pull(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;

	return (links_pull(n->links, m));
}

static int
on_log(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;

	return (links_log(n->links, m));
}

static int
on_close(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;

	return (links_close(n->links, m));
}

static const struct chan_handler leaf_handlers[] = {
	{ MSG_LINKS, on_links },
	{ MSG_LINK_ASK, on_ask },
	{ MSG_LINK_PULL, on_pull },
	{ MSG_LINK_LOG, on_log },
	{ MSG_LINK_CLOSE, on_close },
	{ 0, NULL },
};

static void
leaf_down(struct chan *c, enum role role, void *arg)
{
	struct node *n = arg;

	links_forget(n->links);
}

static const struct chan_ops leaf_ops = { leaf_handlers, NULL, leaf_down };

static void
links_did(void *arg)
{
	struct node *n = arg;

	n->changes++;
}

/* Nobody listens there when it is asked for. */
static int
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return (ntohs(sin.sin_port));
}

static void
connect_daemons(struct node *n)
{
	const char name[] = { n->name, '\0' };
	char *path = in_folder(name);

	n->listener = chan_listen(base, path, ROLE_OPSD, &opsd_ops, n);
	assert_non_null(n->listener);
	n->leaf = chan_dial(base, path, ROLE_LEAFD, ROLE_OPSD, &leaf_ops, n);
	until(n->opsd != NULL && chan_is_up(n->leaf));
	free(path);
}

static void
node_new(struct node *n, char name)
{
	char san[64], cn[8];

	memset(n, 0, sizeof(*n));
	n->name = name;
	n->payload = PAYLOAD;
	memset(n->id, name, NODE_ID_LEN);
	node_id_hex(n->id, n->hex);
	n->port = free_port();
	snprintf(cn, sizeof(cn), "%c", name);
	snprintf(san, sizeof(san), "DNS:%c.example.com,IP:127.0.0.1", name);
	certs_make(&n->certs, &root,
	    &(struct certs_wish){ .cn = cn,
		.san = san,
		.serial = name,
		.usage = "serverAuth,clientAuth" });
	connect_daemons(n);
	n->links = links_new(base, n->leaf, cn, links_did, n);
}

static void
node_free(struct node *n)
{
	chan_free(n->leaf);
	chan_listener_free(n->listener);
	links_free(n->links);
	certs_free(&n->certs);
	json_decref(n->up);
	for (unsigned i = 0; i < n->nheld; i++)
		chan_deferred_drop(n->held[i]);
}

struct wish {
	int listen, dial, plain;
	const char *hostname; /* NULL: that of its certificate */
	const char *revoked, *proxy;
	int proxy_port, in_flight, compress;
};

static void
tell(struct node *n, const struct wish *w)
{
	struct node *other = n == &a ? &b : &a;
	char hostname[40], proxy[40];
	json_t *o;
	struct buf out = { 0 };
	char *text;

	snprintf(hostname, sizeof(hostname), "%c.example.com", n->name);
	snprintf(proxy, sizeof(proxy), "127.0.0.1:%d", w->proxy_port);
	o = json_pack(
	    "{s:{s:s, s:s, s:s, s:[i,i]}, s:[], s:[], s:i, s:i, s:b, s:{s:s, s:s, s:s, s:b}, s:[]}",
	    "hello", "id", n->hex, "hostname", w->hostname != NULL ? w->hostname : hostname,
	    "version", "1", "format", 1, 1, "listen", "dial", "max_payload", 1 << 20, "in_flight",
	    w->in_flight != 0 ? w->in_flight : 32 << 20, "compress", w->compress, "tls",
	    "certificate", n->certs.cert, "key", n->certs.key, "authorities", root.cert,
	    "system_roots", 0, "revoked");
	if (w->listen)
		json_array_append_new(json_object_get(o, "listen"),
		    json_pack("{s:s, s:i, s:b}", "host", "127.0.0.1", "port", n->port, "secure",
			!w->plain));
	if (w->dial)
		json_array_append_new(json_object_get(o, "dial"),
		    json_pack("{s:s, s:s, s:i, s:b, s:s}", "key", "the other", "host", "127.0.0.1",
			"port", other->port, "secure", !w->plain, "name", "127.0.0.1"));
	if (w->revoked != NULL)
		json_array_append_new(json_object_get(o, "revoked"), json_string(w->revoked));
	if (w->proxy_port != 0)
		json_object_set_new(o, "proxy", json_string(proxy));
	text = json_dumps(o, 0);
	buf_blob(&out, text, strlen(text));
	chan_send(n->opsd, MSG_LINKS, &out);
	free(text);
	json_decref(o);
}

static size_t
linked(const struct node *n)
{
	json_t *list = links_state(n->links);
	size_t k = json_array_size(list);

	json_decref(list);
	return (k);
}

static void
open_link(void)
{
	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&b, &(struct wish){ .listen = 1 });
	tell(&a, &(struct wish){ .dial = 1 });
	until(linked(&a) == 1 && linked(&b) == 1);
}

static void
close_all(void)
{
	node_free(&a);
	node_free(&b);
}

static void
on_answer(struct rd *body, void *arg)
{
	struct answer *ans = arg;
	const uint8_t *p;

	ans->got = 1;
	if (body == NULL)
		return;
	ans->status = rd_u16(body);
	if (rd_left(body) >= 8)
		rd_u32(body);
	p = rd_blob(body, &ans->len);
	snprintf(ans->text, sizeof(ans->text), "%.*s", (int)ans->len,
	    p != NULL ? (const char *)p : "");
}

static void
ask(struct node *n, const char *text, unsigned ms, struct answer *ans)
{
	struct node *other = n == &a ? &b : &a;
	struct buf out = { 0 };

	memset(ans, 0, sizeof(*ans));
	buf_add(&out, other->id, NODE_ID_LEN);
	buf_str(&out, "status");
	buf_u32(&out, ms);
	buf_blob(&out, text, strlen(text));
	chan_call(n->opsd, MSG_LINK_ASK, &out, 0, on_answer, ans);
}

static void
on_pulled(struct rd *body, void *arg)
{
	struct answer *ans = arg;

	ans->got = 1;
	if (body == NULL)
		return;
	ans->status = rd_u16(body);
	rd_blob(body, &ans->len);
	assert_true(rd_done(body));
}

static void
pull(struct node *n, const char *text, struct answer *ans)
{
	struct node *other = n == &a ? &b : &a;
	struct buf out = { 0 };

	memset(ans, 0, sizeof(*ans));
	buf_add(&out, other->id, NODE_ID_LEN);
	buf_u32(&out, 20000);
	buf_blob(&out, text, strlen(text));
	chan_call(n->opsd, MSG_LINK_PULL, &out, 0, on_pulled, ans);
}

static const char *
said(const struct node *n, const char *key)
{
	return (json_string_value(json_object_get(n->up, key)));
}

/* The error of the one that is dialled; "" for none. */
static const char *
dial_error(const struct node *n)
{
	static char text[300];
	json_t *list = links_dialling(n->links);
	const char *error = json_string_value(json_object_get(json_array_get(list, 0), "error"));

	snprintf(text, sizeof(text), "%s", error != NULL ? error : "");
	json_decref(list);
	return (text);
}

static void
test_linked(void **state)
{
	struct answer one, two;
	json_t *list;

	open_link();
	assert_int_equal(a.ups + b.ups, 2);
	assert_string_equal(said(&b, "id"), a.hex);
	assert_string_equal(said(&b, "hostname"), "a.example.com");
	assert_string_equal(said(&b, "serial"), "61");
	assert_string_equal(said(&b, "issuer"), "CN=root");
	assert_string_equal(said(&b, "boot"), "a");
	assert_int_equal(strlen(said(&b, "spki")), 64);
	assert_true(json_is_true(json_object_get(b.up, "secure")));
	assert_int_equal(json_array_size(json_object_get(b.up, "names")), 2);
	assert_null(said(&b, "dialled"));
	assert_string_equal(said(&a, "dialled"), "the other");
	list = links_state(a.links);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "hostname")),
	    "b.example.com");
	json_decref(list);
	/* Questions both ways, at once. */
	ask(&a, "{\"x\":1}", 20000, &one);
	ask(&b, "[2]", 20000, &two);
	until(one.got && two.got);
	assert_int_equal(one.status, 207);
	assert_string_equal(one.text, "{\"x\":1}");
	assert_string_equal(two.text, "[2]");
	pull(&a, "0", &one);
	pull(&b, "900000", &two);
	until(one.got && two.got);
	assert_int_equal(one.status, 200);
	assert_int_equal(one.len, 0);
	assert_int_equal(two.len, 900000);
	/* More than a message may have, and nobody who answers. */
	pull(&b, "1048570", &two);
	ask(&a, "null", 50, &one);
	until(one.got && two.got);
	assert_int_equal(two.status, 413);
	assert_int_equal(one.status, 504);
	close_all();
}

/* Who reads needs not be set so. */
static void
test_compressed(void **state)
{
	open_link();
	tell(&a, &(struct wish){ .dial = 1, .compress = 1 });
	until(a.links->spec->compress);
	a.payload = 2000;
	a.end = 200;
	give_log(&a);
	until(b.applied == 200);
	assert_in_range(b.applied_bytes, 100, 200 * a.payload / 10);
	close_all();
}

static void
test_log(void **state)
{
	json_t *list;

	open_link();
	a.end = ENTRIES_MAX;
	give_log(&a);
	until(b.applied == ENTRIES_MAX);
	assert_int_equal(b.applied_last, ENTRIES_MAX);
	b.end = 1;
	give_log(&b);
	until(a.applied == 1);
	/* Once it was asked for, and more of it than there is credit for. */
	assert_int_equal(a.reads, 1);
	assert_in_range(a.mores, 1, 8);
	/* It is confirmed. */
	list = links_state(a.links);
	while (json_object_get(json_array_get(list, 0), "sending_ms") != NULL) {
		event_base_loop(base, EVLOOP_ONCE);
		json_decref(list);
		list = links_state(a.links);
	}
	assert_true(json_integer_value(json_object_get(json_array_get(list, 0), "confirmed_ms")) >
	    0);
	json_decref(list);
	close_all();
}

/* Who applies slowly is sent no more than so much. */
static void
test_credit(void **state)
{
	unsigned i;

	open_link();
	b.hold_apply = 1;
	a.payload = 10000;
	a.end = ENTRIES_MAX;
	give_log(&a);
	until(b.applied >= 300);
	for (i = 0; i < 200; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_true(b.applied * a.payload <= (4u << 20) + 100000);
	b.hold_apply = 0;
	for (i = 0; i < b.nheld; i++)
		apply_done(b.held[i]);
	b.nheld = 0;
	until(b.applied == ENTRIES_MAX);
	close_all();
}

/* As they are many, each has less: what the receiver says, and what the sender has itself. */
static void
test_share(void **state)
{
	const struct peerlink *k;

	open_link();
	k = links_find(a.links, b.id);
	b.links->admitted += 1000;
	a.end = 1;
	give_log(&a);
	until(k->out.share == LINK_SHARE_MIN);
	/* What was granted before, and not used, is taken back. */
	until(a.granted < LINK_SHARE_MIN + 10000);
	b.hold_apply = 1;
	a.payload = 10000;
	a.end = ENTRIES_MAX;
	give_log(&a);
	until(b.applied > 10);
	for (unsigned i = 0; i < 200; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_in_range(b.applied, 11, LINK_SHARE_MIN / a.payload + 5);
	b.hold_apply = 0;
	b.links->admitted -= 1000;
	a.links->admitted += 1000;
	for (unsigned i = 0; i < b.nheld; i++)
		apply_done(b.held[i]);
	b.nheld = 0;
	until(b.applied == ENTRIES_MAX && k->out.share == LINK_CREDIT);
	assert_int_equal(links_share(a.links), LINK_SHARE_MIN);
	a.links->admitted -= 1000;
	assert_int_equal(links_share(a.links), LINK_CREDIT);
	/* As it is configured. */
	until(a.granted > a.given + LINK_SHARE_MIN);
	tell(&a, &(struct wish){ .dial = 1, .in_flight = 1 << 20 });
	until(links_share(a.links) == 1 << 20);
	until(a.granted <= a.given + (1 << 20));
	close_all();
}

static void
test_refused(void **state)
{
	node_new(&a, 'a');
	node_new(&b, 'b');
	b.refuse = 1;
	tell(&b, &(struct wish){ .listen = 1 });
	tell(&a, &(struct wish){ .dial = 1 });
	until(strcmp(dial_error(&a), "is no member") == 0);
	assert_int_equal(linked(&a) + linked(&b), 0);
	b.refuse = 0;
	until(linked(&a) == 1 && linked(&b) == 1);
	assert_string_equal(dial_error(&a), "");
	/* opsd changes its mind. */
	struct buf out = { 0 };

	b.refuse = 1;
	buf_add(&out, a.id, NODE_ID_LEN);
	buf_str(&out, "was removed");
	chan_send(b.opsd, MSG_LINK_CLOSE, &out);
	until(linked(&a) == 0 && linked(&b) == 0);
	until(strcmp(b.why, "was removed") == 0 && strcmp(a.why, "was removed") == 0);
	close_all();
}

/* Of the last one that came in there and got no link: 1, the other refused this node; 0; -1: there is none. */
static int
refused_there(const struct node *n)
{
	json_t *list = links_refused(n->links);
	const json_t *last = json_array_get(list, json_array_size(list) - 1);
	int there = last == NULL ? -1 : json_is_true(json_object_get(last, "there"));

	json_decref(list);
	return (there);
}

static void
test_who_refuses(void **state)
{
	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&b, &(struct wish){ .listen = 1 });
	tell(&a, &(struct wish){ .dial = 1, .revoked = "62" });
	until(refused_there(&b) == 1);
	tell(&b, &(struct wish){ .listen = 1, .revoked = "61" });
	tell(&a, &(struct wish){ .dial = 1 });
	until(refused_there(&b) == 0);
	close_all();
}

static void
test_certificates(void **state)
{
	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&b, &(struct wish){ .listen = 1 });
	/* Not its own name. */
	tell(&a, &(struct wish){ .dial = 1, .hostname = "c.example.com" });
	until(strcmp(dial_error(&a), "its certificate is not one of 'c.example.com'") == 0);
	assert_int_equal(b.ups, 0);
	tell(&b, &(struct wish){ .listen = 1, .revoked = "6:1" });
	tell(&a, &(struct wish){ .dial = 1 });
	until(strcmp(dial_error(&a), "the certificate with serial number 61 is revoked") == 0);
	assert_int_equal(b.ups, 0);
	tell(&b, &(struct wish){ .listen = 1 });
	until(linked(&a) == 1 && linked(&b) == 1);
	/* One that stands ends. */
	tell(&b, &(struct wish){ .listen = 1, .revoked = "0061" });
	until(linked(&a) == 0 && linked(&b) == 0);
	assert_string_equal(b.why, "the certificate with serial number 61 is revoked");
	/* Nothing in plain text at a port with TLS. */
	tell(&a, &(struct wish){ .dial = 1, .plain = 1 });
	until(dial_error(&a)[0] != '\0' && strstr(dial_error(&a), "revoked") == NULL);
	close_all();
}

static void
test_both_dial(void **state)
{
	struct answer one, two;
	int i;

	for (i = 0; i < 5; i++) {
		node_new(&a, 'a');
		node_new(&b, 'b');
		tell(&a, &(struct wish){ .listen = 1, .dial = 1 });
		tell(&b, &(struct wish){ .listen = 1, .dial = 1 });
		until(linked(&a) == 1 && linked(&b) == 1 && dial_error(&a)[0] == '\0' &&
		    dial_error(&b)[0] == '\0');
		ask(&a, "1", 20000, &one);
		ask(&b, "2", 20000, &two);
		until(one.got && two.got);
		assert_int_equal(one.status, 207);
		assert_int_equal(two.status, 207);
		assert_true(a.let_in && b.let_in);
		close_all();
	}
}

/* A node that is stopped says so. */
static void
test_stopped(void **state)
{
	open_link();
	node_free(&b);
	until(a.downs == 1);
	assert_string_equal(a.why, "this node has stopped");
	node_free(&a);
}

/* opsd comes again: it is asked again, and says what it has. */
static void
test_opsd_restarts(void **state)
{
	struct answer one;

	open_link();
	a.end = 10;
	give_log(&a);
	until(b.applied == 10);
	until(links_find(a.links, b.id)->out.sending_ms == 0);
	b.hold_apply = 1;
	a.end = 20;
	give_log(&a);
	until(b.applied == 20);
	/* When the last one was written that is not confirmed. */
	assert_int_equal(links_find(a.links, b.id)->out.sending_ms, 1020);
	chan_hang_up(b.opsd);
	until(b.opsd == NULL && !chan_is_up(b.leaf));
	ask(&a, "1", 20000, &one);
	until(one.got);
	assert_int_equal(one.status, 503);
	/* What comes meanwhile is not lost, as it is asked for again. */
	a.end = 30;
	give_log(&a);
	ask(&a, "1", 20000, &one);
	until(one.got);
	ask(&a, "1", 20000, &one);
	until(one.got);
	/* Nor does it count as had, as little as what that opsd was given. */
	assert_int_equal(links_find(a.links, b.id)->out.frames, 2);
	for (unsigned i = 0; i < b.nheld; i++)
		chan_deferred_drop(b.held[i]);
	b.nheld = 0;
	b.hold_apply = 0;
	b.have = 10;
	b.ups = b.applied = 0;
	until(b.opsd != NULL && chan_is_up(b.leaf));
	tell(&b, &(struct wish){ .listen = 1 });
	until(b.applied == 20);
	assert_int_equal(b.applied_last, 30);
	assert_int_equal(b.ups, 1);
	assert_int_equal(linked(&a), 1);
	assert_int_equal(a.downs + b.downs, 0);
	/* The source's, which reads on where it was. */
	chan_hang_up(a.opsd);
	until(a.opsd == NULL && !chan_is_up(a.leaf));
	until(a.opsd != NULL && chan_is_up(a.leaf));
	a.end = 40;
	tell(&a, &(struct wish){ .dial = 1 });
	until(b.applied == 30);
	assert_int_equal(a.downs + b.downs, 0);
	ask(&a, "1", 20000, &one);
	until(one.got);
	assert_int_equal(one.status, 207);
	until(links_find(a.links, b.id)->out.frames == 0);
	close_all();
}

/* Its opsd is new, and has so much. */
static void
restart_opsd(struct node *n, uint64_t have)
{
	chan_hang_up(n->opsd);
	until(n->opsd == NULL && !chan_is_up(n->leaf));
	until(n->opsd != NULL && chan_is_up(n->leaf));
	n->have = have;
	tell(n, &(struct wish){ .listen = 1 });
}

/* Where opsd ends it, or knows nothing of the link, it is asked again when there is a reason to. */
static void
test_log_ends(void **state)
{
	struct buf end = { 0 };

	open_link();
	a.end = 10;
	until(a.reads == 1);
	buf_u32(&end, a.turn);
	a.turn = 0;
	chan_send(a.opsd, MSG_LINK_LOG, &end);
	until(links_find(a.links, b.id)->out.idle);
	assert_int_equal(b.applied, 0);
	a.no_read = 1;
	restart_opsd(&b, 2);
	until(a.reads == 2);
	until(links_find(a.links, b.id)->out.idle);
	assert_int_equal(b.applied, 0);
	a.no_read = 0;
	restart_opsd(&b, 4);
	until(b.applied == 6);
	assert_int_equal(a.reads, 3);
	close_all();
}

/* Who says once what is wrong with a certificate, and then closes each connection at once: listen.c, for a while. */
static void
curt_read(struct bufferevent *bev, void *arg)
{
	static const uint8_t unknown_ca[] = { 0x15, 3, 3, 0, 2, 2, 48 };

	(void)!write(bufferevent_getfd(bev), unknown_ca, sizeof(unknown_ca));
	bufferevent_free(bev);
}

static void
curt_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	unsigned *calls = arg;
	struct bufferevent *bev;

	if ((*calls)++ > 0) {
		close(fd);
		return;
	}
	bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, curt_read, NULL, NULL, NULL);
	bufferevent_enable(bev, EV_READ);
}

/* As much of an HTTP proxy as CONNECT takes. */
struct proxy {
	struct evconnlistener *listener;
	struct bufferevent *in, *out;
	int port, asked, refuse;
	char line[200];
};

static void
proxy_pass(struct bufferevent *from, void *arg)
{
	struct proxy *p = arg;
	struct bufferevent *to = from == p->in ? p->out : p->in;

	if (to != NULL)
		bufferevent_write_buffer(to, bufferevent_get_input(from));
}

static void
proxy_head(struct bufferevent *bev, void *arg)
{
	struct proxy *p = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct sockaddr_in sin = { .sin_family = AF_INET };
	size_t n;
	char *line;

	if (evbuffer_search(in, "\r\n\r\n", 4, NULL).pos < 0)
		return;
	line = evbuffer_readln(in, &n, EVBUFFER_EOL_CRLF);
	snprintf(p->line, sizeof(p->line), "%s", line);
	free(line);
	evbuffer_drain(in, evbuffer_get_length(in));
	p->asked++;
	if (p->refuse) {
		evbuffer_add_printf(bufferevent_get_output(bev),
		    "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
		return;
	}
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)b.port);
	p->out = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(p->out, proxy_pass, NULL, NULL, p);
	bufferevent_socket_connect(p->out, (struct sockaddr *)&sin, sizeof(sin));
	bufferevent_enable(p->out, EV_READ | EV_WRITE);
	bufferevent_setcb(bev, proxy_pass, NULL, NULL, p);
	evbuffer_add_printf(bufferevent_get_output(bev),
	    "HTTP/1.1 200 Connection established\r\n\r\n");
}

static void
proxy_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct proxy *p = arg;

	if (p->in != NULL)
		bufferevent_free(p->in);
	p->in = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(p->in, proxy_head, NULL, NULL, p);
	bufferevent_enable(p->in, EV_READ | EV_WRITE);
}

static void
test_why_stays(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct evconnlistener *l;
	unsigned calls = 0;

	node_new(&a, 'a');
	node_new(&b, 'b');
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)b.port);
	l = evconnlistener_new_bind(base, curt_accept, &calls,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 8, (struct sockaddr *)&sin, sizeof(sin));
	assert_non_null(l);
	tell(&a, &(struct wish){ .dial = 1 });
	until(strstr(dial_error(&a), "no authority that the other node trusts") != NULL);
	until(calls == 3);
	assert_non_null(strstr(dial_error(&a), "no authority that the other node trusts"));
	/* It is not there any more: that is another matter. */
	evconnlistener_free(l);
	until(strstr(dial_error(&a), "Connection refused") != NULL);
	close_all();
}

static void
test_proxy(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct proxy p = { .refuse = 1 };
	char wanted[100];

	node_new(&a, 'a');
	node_new(&b, 'b');
	p.port = free_port();
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)p.port);
	p.listener = evconnlistener_new_bind(base, proxy_accept, &p,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 8, (struct sockaddr *)&sin, sizeof(sin));
	assert_non_null(p.listener);
	tell(&b, &(struct wish){ .listen = 1 });
	tell(&a, &(struct wish){ .dial = 1, .proxy_port = p.port });
	until(strstr(dial_error(&a), "403 Forbidden") != NULL);
	p.refuse = 0;
	until(linked(&a) == 1 && linked(&b) == 1);
	snprintf(wanted, sizeof(wanted), "CONNECT 127.0.0.1:%d HTTP/1.1", b.port);
	assert_string_equal(p.line, wanted);
	close_all();
	bufferevent_free(p.in);
	bufferevent_free(p.out);
	evconnlistener_free(p.listener);
}

/* A node that is none of ours, without TLS. */
struct stranger {
	struct ws *ws;
	int opened, ended;
	unsigned code, types, begins;
	char why[200], bye[200];
};

static void
stranger_open(struct ws *w, void *arg)
{
	struct stranger *s = arg;

	s->opened = 1;
}

static void
stranger_message(struct ws *w, struct buf *m, void *arg)
{
	struct stranger *s = arg;

	s->types |= 1u << m->data[0];
	s->begins += m->data[0] == 11;
	if (m->data[0] == 10 && m->len > 3)
		snprintf(s->bye, sizeof(s->bye), "%.*s", (int)m->len - 3,
		    (const char *)m->data + 3);
}

static void
stranger_closed(struct ws *w, unsigned code, const char *why, void *arg)
{
	struct stranger *s = arg;

	s->ended = 1;
	s->code = code;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static const struct ws_ops stranger_ops = { stranger_open, stranger_message, NULL, NULL,
	stranger_closed };

static const struct ws_opts stranger_opts = {
	.path = "/replication",
	.protocol = "hubleaf.1",
	.host = "a",
	.max = 1 << 20,
	.max_head = 4096,
};

/* From 127.0.0.`from`. */
static int
dial_port(int port, unsigned from)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + from);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)port);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	evutil_make_socket_nonblocking(fd);
	return (fd);
}

static void
stranger_new(struct stranger *s)
{
	memset(s, 0, sizeof(*s));
	s->ws = ws_client(bufferevent_socket_new(base, dial_port(a.port, 1), BEV_OPT_CLOSE_ON_FREE),
	    &stranger_opts, &stranger_ops, s);
	until(s->opened);
}

static void
say(struct stranger *s, uint8_t type, const void *p, size_t n)
{
	ws_send(s->ws, &type, 1, p, n);
}

static const char *stranger_boot = "x";

static void
say_hello(struct stranger *s, const char *id, const char *hostname)
{
	char text[500];

	snprintf(text, sizeof(text),
	    "{\"format\":[1,1],\"id\":\"%s\",\"hostname\":\"%s\",\"version\":\"1\",\"now\":1,\"boot\":\"%s\","
	    "\"max\":1048576,\"more\":[1]}",
	    id, hostname, stranger_boot);
	say(s, 1, text, strlen(text));
}

static const char stranger_id[] = "cccccccccccccccccccccccccccccccc";

static void
test_strangers(void **state)
{
	static const struct {
		uint8_t type;
		const char *bytes;
		size_t n;
		int before; /* HELLO */
	} cases[] = {
		{ 2, "", 0, 1 }, { 3, "\1\0\0\0\0\0\0\0\0\0", 10, 1 }, { 8, "xxxx", 4, 1 },
		{ 1, "{}", 2, 1 }, { 1, "[", 1, 1 }, { 0, "", 0, 0 }, { 12, "", 0, 0 },
		{ 255, "", 0, 0 }, { 1, "{}", 2, 0 }, { 3, "\1\0\0\0\xff\xff", 6, 0 },
		{ 3, "\1\0\0\0\0\0\xff\xff\xff\xff", 10, 0 }, { 5, "\1\0\0\0\1", 5, 0 },
		{ 6, "\1", 1, 0 }, { 7, "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0", 15, 0 }, { 8, "", 0, 0 },
		{ 9, "\1\0\0\0\1\0\0\0\0\0\0\0", 12, 0 },
		{ 11, "", 0, 0 }, /* the second, as one WANT was said */
	};
	struct stranger s;
	size_t i;

	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* What comes to nothing is held off after some times: let a good one between. */
		stranger_new(&s);
		say_hello(&s, stranger_id, "c");
		until(s.types & 1u << 2);
		if (cases[i].before) {
			ws_free(s.ws);
			stranger_new(&s);
		} else {
			say(&s, 2, "", 0);
			say(&s, 11, "", 0);
		}
		say(&s, cases[i].type, cases[i].bytes, cases[i].n);
		until(s.ended);
		assert_int_equal(s.code, WS_NOT_UNDERSTOOD);
		assert_true(s.bye[0] != '\0');
		ws_free(s.ws);
	}
	assert_int_equal(a.applied + a.asked + a.served, 0);
	/* It is ourselves; it says more than it may before it is let in. */
	stranger_new(&s);
	say_hello(&s, a.hex, "a.example.com");
	until(s.ended);
	assert_string_equal(s.bye, "it is this node itself");
	ws_free(s.ws);
	stranger_new(&s);
	char *large = xcalloc(1, 20000);

	say(&s, 1, large, 20000);
	free(large);
	until(s.ended);
	assert_int_equal(s.code, WS_TOO_BIG);
	ws_free(s.ws);
	close_all();
}

/* Nothing is read of one that opsd has not let in, and its end is then told to opsd. */
static void
test_before_admitted(void **state)
{
	struct stranger s;
	struct buf out = { 0 };
	unsigned i;

	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	a.hold_up = 1;
	stranger_new(&s);
	say_hello(&s, stranger_id, "c");
	say(&s, 2, "", 0);
	say(&s, 3, "\1\0\0\0\6\0status\4\0\0\0null", 20);
	until(a.ups == 1);
	for (i = 0; i < 50; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(a.asked, 0);
	assert_int_equal(linked(&a), 0);
	assert_false(s.ended || a.downs > 0);
	/* Another one with that id takes its place. */
	ws_free(s.ws);
	stranger_new(&s);
	say_hello(&s, stranger_id, "c");
	until(a.ups == 2 && a.downs == 1);
	ws_free(s.ws);
	/* opsd lets in what is not there any more. */
	buf_u16(&out, 200);
	buf_str(&out, "");
	buf_u64(&out, 0);
	buf_u64(&out, 0);
	chan_deferred_reply(a.held[1], &out);
	a.nheld = 1;
	until(a.downs == 2);
	assert_int_equal(linked(&a), 0);
	close_all();
}

/* A stranger that a listens to says its hello, and is let in. */
static void
let_in(struct stranger *s, const char *id)
{
	until(s->opened);
	say_hello(s, id, "c");
	until(s->types & 1u << 2);
	say(s, 2, "", 0);
}

/* A link that a lets in, and one that it dials there: the one that both nodes keep. */
static void
stranger_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
    void *arg)
{
	struct stranger *s = arg;

	s->ws = ws_server(bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE), &stranger_opts,
	    &stranger_ops, s);
}

static void
meet_twice(const char *id, int dials_first, int anew)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct evconnlistener *l;
	struct stranger in, out = { 0 }, *stays, *goes;

	node_new(&a, 'a');
	node_new(&b, 'b');
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)b.port);
	l = evconnlistener_new_bind(base, stranger_accept, &out,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 8, (struct sockaddr *)&sin, sizeof(sin));
	assert_non_null(l);
	tell(&a, &(struct wish){ .listen = 1, .dial = dials_first, .plain = 1 });
	until(a.changes > 0);
	if (!dials_first)
		stranger_new(&in);
	let_in(dials_first ? &out : &in, id);
	until(linked(&a) == 1);
	if (dials_first)
		stranger_new(&in);
	else
		tell(&a, &(struct wish){ .listen = 1, .dial = 1, .plain = 1 });
	stays = anew ? (dials_first ? &in : &out) : id[0] > '6' ? &out : &in;
	goes = stays == &in ? &out : &in;
	stranger_boot = anew ? "y" : "x";
	until((dials_first ? &in : &out)->opened);
	say_hello(dials_first ? &in : &out, id, "c");
	stranger_boot = "x";
	until(goes->ended);
	assert_string_equal(goes->bye, "another link of these nodes stays");
	until(stays->types & 1u << 2);
	assert_false(stays->ended);
	evconnlistener_free(l);
	ws_free(in.ws);
	ws_free(out.ws);
	close_all();
}

static void
test_one_stays(void **state)
{
	for (int i = 0; i < 8; i++)
		meet_twice(i & 1 ? stranger_id : "11111111111111111111111111111111", i & 2, i & 4);
}

/* Of two that come the same way the newer one is the one that the other has. */
static void
test_newer_stays(void **state)
{
	struct stranger first, second;

	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	stranger_new(&first);
	let_in(&first, stranger_id);
	stranger_new(&second);
	let_in(&second, stranger_id);
	until(first.ended && linked(&a) == 1);
	assert_false(second.ended);
	ws_free(first.ws);
	ws_free(second.ws);
	close_all();
}

/* What was on its way before the other began where it was asked to is not of that. */
static void
test_frames_before_begin(void **state)
{
	struct stranger s;

	node_new(&a, 'a');
	node_new(&b, 'b');
	a.count_apply = 1;
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	stranger_new(&s);
	let_in(&s, stranger_id);
	until(s.types & 1u << 7);
	say(&s, 8, "late", 4);
	until(s.types & 1u << 9);
	assert_int_equal(a.applied, 0);
	say(&s, 11, "", 0);
	say(&s, 8, "good", 4);
	until(a.applied == 1);
	ws_free(s.ws);
	close_all();
}

/* Who sends more than was let go is not waited for: memory has an end. */
static void
test_flood(void **state)
{
	char *frame = xcalloc(1, 1000000);
	struct stranger s;

	node_new(&a, 'a');
	node_new(&b, 'b');
	a.count_apply = 1;
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	stranger_new(&s);
	let_in(&s, stranger_id);
	say(&s, 11, "", 0);
	for (unsigned i = 0; i < 20; i++) {
		say(&s, 8, frame, 1000000);
		until(a.applied == i + 1);
	}
	for (int i = 0; i < 20; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_false(s.ended);
	a.hold_apply = 1;
	for (int i = 0; i < 20; i++)
		say(&s, 8, frame, 1000000);
	until(s.ended);
	assert_int_equal(s.code, WS_NOT_UNDERSTOOD);
	assert_true(a.nheld >= 4 && a.nheld <= 7);
	free(frame);
	ws_free(s.ws);
	close_all();
}

/* What a server answers to one that asks for no link; -1: not yet; 0: it hangs up. */
static ssize_t heard;

static int
hears(int fd)
{
	char text[200];

	if (heard == -1)
		heard = recv(fd, text, sizeof(text), MSG_DONTWAIT);
	return (heard != -1);
}

static int
is_answered(void)
{
	int fd = dial_port(a.port, 1);

	(void)!write(fd, "x\r\n\r\n", 5);
	heard = -1;
	until(hears(fd));
	close(fd);
	return (heard > 0);
}

/* An address from which nothing good comes has to wait, longer and longer; a good one starts afresh. */
static void
test_held_off(void **state)
{
	struct stranger s;
	int i, k;

	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	for (k = 0; k < 3; k++) {
		for (i = 0; i < 9; i++)
			assert_true(is_answered());
		stranger_new(&s);
		let_in(&s, stranger_id);
		ws_free(s.ws);
	}
	for (i = 0; i < 30 && is_answered(); i++)
		continue;
	assert_true(i >= 10 && i < 30);
	close_all();
}

/* Who only says that it is a node does not end that node's link. */
static void
test_impostor(void **state)
{
	struct stranger s, other;

	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	stranger_new(&s);
	say_hello(&s, stranger_id, "c");
	until(s.types & 1u << 2);
	say(&s, 2, "", 0);
	until(linked(&a) == 1);
	a.refuse = 1;
	stranger_new(&other);
	say_hello(&other, stranger_id, "d");
	until(other.ended);
	assert_string_equal(other.bye, "is no member");
	ws_free(other.ws);
	assert_int_equal(linked(&a), 1);
	assert_true(a.let_in && !s.ended);
	/* What is let in takes its place, as one that began anew. */
	a.refuse = 0;
	stranger_new(&other);
	say_hello(&other, stranger_id, "c");
	until(other.types & 1u << 2 && s.ended);
	assert_string_equal(s.bye, "another link of these nodes stays");
	ws_free(s.ws);
	say(&other, 2, "", 0);
	until(linked(&a) == 1);
	assert_true(a.let_in);
	ws_free(other.ws);
	until(!a.let_in);
	close_all();
}

/* One that it has let in, and that has said so, too, if wanted. */
static void
stranger_link(struct stranger *s, int ready)
{
	stranger_new(s);
	say_hello(s, b.hex, "b.example.com");
	until(s->types & 1u << 2);
	if (!ready)
		return;
	say(s, 2, "", 0);
	say(s, 11, "", 0);
	until(linked(&a) == 1);
}

/* Who has not let us in has nothing to say: the answer could not go. */
static void
test_before_ready(void **state)
{
	static const struct {
		uint8_t type;
		const char *bytes;
		size_t n;
	} cases[] = {
		{ 3, "\1\0\0\0\6\0status\4\0\0\0null", 20 },
		{ 5, "\1\0\0\0\6\0\0\00090000", 14 },
		{ 7, "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 16 },
		{ 11, "", 0 },
	};
	struct stranger s;

	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stranger_link(&s, 0);
		say(&s, cases[i].type, cases[i].bytes, cases[i].n);
		until(s.ended);
		assert_int_equal(s.code, WS_NOT_UNDERSTOOD);
		ws_free(s.ws);
	}
	assert_int_equal(a.asked + a.served + a.reads, 0);
	close_all();
}

/* opsd is asked for no more than can be sent, however often a place is said. */
static void
test_many_wants(void **state)
{
	struct stranger s;
	unsigned i;

	node_new(&a, 'a');
	node_new(&b, 'b');
	a.end = ENTRIES_MAX;
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	stranger_link(&s, 1);
	for (i = 0; i < 5000; i++)
		say(&s, 7, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	until(s.begins == 5000 && s.types & 1u << 8);
	assert_in_range(a.reads, 1, 200);
	ws_free(s.ws);
	until(!a.let_in);
	close_all();
}

/* What it is refused is not kept for one that reads nothing. */
static void
test_many_questions(void **state)
{
	struct stranger s;
	unsigned i, k;

	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	stranger_link(&s, 1);
	ws_pause(s.ws, 1);
	for (i = 0; i < 400 && a.let_in; i++) {
		for (k = 0; k < 10000; k++)
			say(&s, 3, "\1\0\0\0\6\0status\4\0\0\0null", 20);
		until(ws_queued(s.ws) == 0 || !a.let_in);
	}
	until(!a.let_in);
	assert_string_equal(a.why, "a message of kind 3 is not understood");
	assert_int_equal(a.asked, 8);
	ws_free(s.ws);
	close_all();
}

/* So many may be there that have not said who they are, of one address fewer. */
static void
test_many_strangers(void **state)
{
	int fds[80];
	size_t i, open = 0, open_of_one = 0;
	char c;

	node_new(&a, 'a');
	node_new(&b, 'b');
	tell(&a, &(struct wish){ .listen = 1, .plain = 1 });
	until(a.changes > 0);
	for (i = 0; i < 80; i++) {
		fds[i] = dial_port(a.port, i < 20 ? 1 : 2 + ((unsigned)i - 20) / 15);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	for (i = 0; i < 50; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	for (i = 0; i < 20; i++)
		open_of_one += recv(fds[i], &c, 1, MSG_DONTWAIT) == -1;
	for (i = 0; i < 80; i++) {
		open += recv(fds[i], &c, 1, MSG_DONTWAIT) == -1;
		close(fds[i]);
	}
	assert_int_equal(open_of_one, 16);
	assert_int_equal(open, 64);
	close_all();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linked),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_credit),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_who_refuses),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_both_dial),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_opsd_restarts),
		cmocka_unit_test(test_log_ends),
		cmocka_unit_test(test_why_stays),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_before_admitted),
		cmocka_unit_test(test_one_stays),
		cmocka_unit_test(test_newer_stays),
		cmocka_unit_test(test_frames_before_begin),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_held_off),
		cmocka_unit_test(test_impostor),
		cmocka_unit_test(test_before_ready),
		cmocka_unit_test(test_many_wants),
		cmocka_unit_test(test_many_questions),
		cmocka_unit_test(test_many_strangers),
	};
	int failed;

	signal(SIGPIPE, SIG_IGN);
	log_init("test", getenv("HL_TEST_LOG") != NULL ? LOG_DEBUG : (enum log_level)0);
	base = event_base_new();
	certs_make(&root, NULL, &(struct certs_wish){ .cn = "root", .serial = 1, .authority = 1 });
	failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
	certs_free(&root);
	event_base_free(base);
	return (failed);
}
