#include "config.h"

#include "common/ipc/chan.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/post.h"
#include "test/unit/until.h"

/* opsd listens, leafd dials: both ends in one loop. */
struct end {
	struct event_base *base;
	struct chan *peer; /* while up */
	int ups, downs, got;
	uint32_t last_id;
	size_t bytes;
	int bad, hold, defer, free_listener, free_self;
	struct chan_deferred *later[4]; /* of the first that came with `defer` */
	int nlater;
	struct chan_listener *l;
};

static char dir[PATH_MAX], path[PATH_MAX + 16];
static struct event_base *base;
static struct end ops, leaf;

static void
on_up(struct chan *c, enum role peer, void *arg)
{
	struct end *e = arg;

	e->ups++;
	e->peer = c;
	assert_true(chan_is_up(c));
}

static void
on_down(struct chan *c, enum role peer, void *arg)
{
	struct end *e = arg;

	e->downs++;
	if (e->peer == c)
		e->peer = NULL;
	assert_false(chan_is_up(c));
}

/* Answers with the body, unless told otherwise. */
static int
on_serve(struct chan *c, struct msg *m, void *arg)
{
	struct end *e = arg;
	struct buf b = { 0 };
	size_t n = rd_left(&m->body);

	e->got++;
	e->bytes += n;
	e->last_id = m->id;
	if (e->bad)
		return (-1);
	if (e->free_listener) {
		chan_listener_free(e->l);
		e->l = NULL;
		/* The message is still there. */
		assert_int_equal(rd_u8(&m->body), 'x');
		return (0);
	}
	if (e->hold)
		return (0);
	if (e->defer) {
		assert_true(e->nlater < 4);
		e->later[e->nlater++] = chan_defer(c, m);
		return (0);
	}
	buf_add(&b, rd_bytes(&m->body, n), n);
	chan_reply(c, m->id, &b);
	assert_int_equal(b.len, 0);
	return (0);
}

static int
on_cursors(struct chan *c, struct msg *m, void *arg)
{
	struct end *e = arg;

	e->got++;
	if (e->free_self)
		chan_free(c);
	if (e->defer)
		e->later[e->nlater++] = chan_defer(c, m);
	return (0);
}

static const struct chan_handler ops_handlers[] = {
	{ MSG_SERVE, on_serve },
	{ 0, NULL },
};
static const struct chan_handler leaf_handlers[] = {
	{ MSG_CONSUME, on_cursors },
	{ 0, NULL },
};
static const struct chan_ops ops_ops = { ops_handlers, on_up, on_down };
static const struct chan_ops leaf_ops = { leaf_handlers, on_up, on_down };

struct answer_got {
	int ran, null;
	size_t n;
	char text[16];
};

static void
on_answer(struct rd *body, void *arg)
{
	struct answer_got *a = arg;

	a->ran++;
	a->null = body == NULL;
	if (body == NULL)
		return;
	a->n = rd_left(body);
	memcpy(a->text, rd_bytes(body, a->n), a->n < 15 ? a->n : 15);
}

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof dir, "%s/hubleaf-chan-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL)
		return (-1);
	snprintf(path, sizeof path, "%s/s", dir);
	base = event_base_new();
	memset(&ops, 0, sizeof ops);
	memset(&leaf, 0, sizeof leaf);
	return (base == NULL ? -1 : 0);
}

static int
teardown(void **state)
{
	struct timeval tv = { 0, 10000 };

	/* The once events of until(). */
	event_base_once(base, -1, EV_TIMEOUT, until_wake_cb, NULL, &tv);
	event_base_loop(base, EVLOOP_ONCE);
	event_base_free(base);
	unlink(path);
	return (rmdir(dir));
}

static void
listen_ops(void)
{
	ops.l = chan_listen(base, path, ROLE_OPSD, &ops_ops, &ops);
	assert_non_null(ops.l);
}

static struct chan *
dial(void)
{
	return (chan_dial(base, path, ROLE_LEAFD, ROLE_OPSD, &leaf_ops, &leaf));
}

/* A peer without manners. */
static int
raw(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sun.sun_path, sizeof sun.sun_path, "%.100s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	return (fd);
}

static void
put_frame(struct buf *b, uint16_t type, uint32_t id, const struct buf *body)
{
	buf_u32(b, (uint32_t)body->len);
	buf_u16(b, type);
	buf_u32(b, id);
	buf_add(b, body->data, body->len);
}

static void
put_hello(struct buf *b, unsigned major, unsigned role)
{
	struct buf body = { 0 };

	buf_u16(&body, (uint16_t)major);
	buf_u16(&body, PROTO_MINOR + 1);
	buf_u8(&body, (uint8_t)role);
	buf_str(&body, "0.2.0");
	buf_u32(&body, 99); /* what a later minor version may add */
	put_frame(b, MSG_HELLO, 0, &body);
	buf_free(&body);
}

static void
say(int fd, struct buf *b)
{
	assert_int_equal(write(fd, b->data, b->len), (ssize_t)b->len);
	buf_free(b);
}

static int
is_closed(int fd)
{
	char c[512];
	ssize_t n;

	while ((n = recv(fd, c, sizeof c, MSG_DONTWAIT)) > 0)
		continue;
	return (n == 0);
}

static void
test_call_and_send(void **state)
{
	struct chan *c;
	struct answer_got a = { 0 };
	struct buf b = { 0 };
	struct stat st;

	listen_ops();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	c = dial();
	assert_false(chan_is_up(c));
	until(ops.ups == 1 && leaf.ups == 1);
	buf_add(&b, "hello", 5);
	chan_call(c, MSG_SERVE, &b, 1000, on_answer, &a);
	assert_null(b.data);
	assert_false(a.ran);
	until(a.ran);
	assert_false(a.null);
	assert_string_equal(a.text, "hello");
	chan_send(ops.peer, MSG_CONSUME, NULL);
	until(leaf.got == 1);
	chan_free(c);
	until(ops.downs == 1);
	assert_int_equal(leaf.downs, 0);
	chan_listener_free(ops.l);
	assert_int_equal(stat(path, &st), -1);
}

static void
test_large_bodies(void **state)
{
	struct chan *c;
	struct answer_got a[3] = { 0 };
	struct buf b = { 0 };
	const size_t sizes[] = { PROTO_MAX_BODY, 3000000, 2000 };
	int i;

	listen_ops();
	c = dial();
	until(leaf.ups == 1);
	for (i = 0; i < 3; i++) {
		buf_reserve(&b, sizes[i]);
		memset(b.data, 'a' + i, sizes[i]);
		b.len = sizes[i];
		chan_call(c, MSG_SERVE, &b, 0, on_answer, &a[i]);
	}
	for (i = 0; i < 3; i++) {
		until(a[i].ran);
		assert_int_equal(a[i].n, sizes[i]);
		assert_int_equal(a[i].text[14], 'a' + i);
	}
	/* One byte more is not sent, and the peer stays. */
	buf_reserve(&b, PROTO_MAX_BODY + 1);
	b.len = PROTO_MAX_BODY + 1;
	a[0].ran = 0;
	chan_call(c, MSG_SERVE, &b, 0, on_answer, &a[0]);
	assert_int_equal(a[0].ran, 1);
	assert_true(a[0].null);
	assert_true(chan_is_up(c));
	chan_free(c);
	chan_listener_free(ops.l);
}

/* Somebody cleaned up: who is there stays, and others can come again. */
static void
test_name_removed(void **state)
{
	struct chan *c;
	int fd;
	struct buf b = { 0 };

	listen_ops();
	c = dial();
	until(leaf.ups == 1 && ops.ups == 1);
	assert_int_equal(unlink(path), 0);
	until(access(path, F_OK) == 0);
	assert_true(chan_is_up(c));
	fd = raw();
	put_hello(&b, PROTO_MAJOR, ROLE_HUBD);
	say(fd, &b);
	until(ops.ups == 2);
	assert_int_equal(ops.downs, 0);
	close(fd);
	chan_free(c);
	chan_listener_free(ops.l);
	assert_int_equal(access(path, F_OK), -1);
}

static void
test_many_small(void **state)
{
	struct chan *c;
	struct buf b = { 0 };
	int i;

	listen_ops();
	ops.hold = 1;
	c = dial();
	until(leaf.ups == 1);
	for (i = 0; i < 20000; i++) {
		buf_u64(&b, (uint64_t)i);
		chan_send(c, MSG_SERVE, &b);
	}
	until(ops.got == 20000);
	assert_int_equal(ops.bytes, 160000);
	chan_free(c);
	chan_listener_free(ops.l);
}

static void
test_call_ends_once(void **state)
{
	struct chan *c;
	struct answer_got a = { 0 }, late = { 0 }, down = { 0 };

	listen_ops();
	ops.hold = 1;
	c = dial();
	chan_call(c, MSG_SERVE, NULL, 1000, on_answer, &down);
	assert_int_equal(down.ran, 1); /* not up yet */
	assert_true(down.null);
	until(leaf.ups == 1);
	chan_call(c, MSG_SERVE, NULL, 30, on_answer, &late);
	until(late.ran);
	assert_true(late.null);
	chan_reply(ops.peer, ops.last_id, NULL); /* too late: no harm */
	ops.hold = 0;
	chan_call(c, MSG_SERVE, NULL, 0, on_answer, &a);
	until(a.ran);
	assert_false(a.null);
	assert_int_equal(late.ran, 1);
	ops.hold = 1;
	a.ran = 0;
	chan_call(c, MSG_SERVE, NULL, 0, on_answer, &a);
	chan_free(c);
	assert_int_equal(a.ran, 1);
	assert_true(a.null);
	chan_listener_free(ops.l);
}

static void
reply_later(int i, const char *text)
{
	struct buf b = { 0 };

	buf_add(&b, text, strlen(text) + 1);
	chan_deferred_reply(ops.later[i], &b);
	assert_null(b.data);
}

/* In any order, also beside others that are answered at once. */
static void
test_deferred_replies(void **state)
{
	struct chan *c;
	struct answer_got a[4] = { 0 };
	struct buf b = { 0 };
	int i;

	listen_ops();
	ops.defer = 1;
	c = dial();
	until(leaf.ups == 1);
	for (i = 0; i < 3; i++)
		chan_call(c, MSG_SERVE, NULL, 0, on_answer, &a[i]);
	until(ops.nlater == 3);
	ops.defer = 0;
	buf_add(&b, "now", 4);
	chan_call(c, MSG_SERVE, &b, 0, on_answer, &a[3]);
	until(a[3].ran == 1);
	assert_int_equal(a[0].ran + a[1].ran + a[2].ran, 0);
	for (i = 0; i < 3; i++)
		assert_true(chan_deferred_wanted(ops.later[i]));
	reply_later(1, "one");
	chan_deferred_reply(ops.later[0], NULL);
	until(a[0].ran == 1 && a[1].ran == 1);
	assert_string_equal(a[1].text, "one");
	assert_int_equal(a[0].n, 0);
	/* One that is dropped is not answered. */
	chan_deferred_drop(ops.later[2]);
	chan_deferred_drop(NULL);
	assert_int_equal(a[2].ran, 0);
	chan_free(c);
	assert_int_equal(a[2].ran, 1);
	assert_true(a[2].null);
	chan_listener_free(ops.l);
}

/* Whoever comes after it has ids of its own, which are the same numbers. */
static void
test_deferred_for_a_peer_that_is_gone(void **state)
{
	struct chan *c;
	struct answer_got a = { 0 }, next = { 0 };

	listen_ops();
	ops.defer = 1;
	c = dial();
	until(leaf.ups == 1);
	chan_call(c, MSG_SERVE, NULL, 0, on_answer, &a);
	until(ops.nlater == 1);
	chan_free(c);
	until(ops.downs == 1);
	c = dial();
	until(leaf.ups == 2);
	chan_call(c, MSG_SERVE, NULL, 0, on_answer, &next);
	until(ops.nlater == 2);
	assert_false(chan_deferred_wanted(ops.later[0]));
	reply_later(0, "old");
	reply_later(1, "new");
	until(next.ran);
	assert_string_equal(next.text, "new");
	assert_true(a.null);
	chan_free(c);
	chan_listener_free(ops.l);
}

/* A channel that dials stays, and is up again: what its old peer asked is not the new one's. */
static void
test_deferred_over_a_channel_that_dials(void **state)
{
	struct answer_got a = { 0 };
	struct chan *c;

	listen_ops();
	leaf.defer = 1;
	c = dial();
	until(leaf.ups == 1 && ops.ups == 1);
	chan_call(ops.peer, MSG_CONSUME, NULL, 0, on_answer, &a);
	until(leaf.nlater == 1);
	assert_true(chan_deferred_wanted(leaf.later[0]));
	chan_hang_up(ops.peer);
	until(leaf.downs == 1);
	assert_false(chan_deferred_wanted(leaf.later[0]));
	until(leaf.ups == 2 && ops.ups == 2);
	chan_deferred_reply(leaf.later[0], NULL);
	chan_call(ops.peer, MSG_CONSUME, NULL, 0, on_answer, &a);
	until(leaf.nlater == 2);
	/* The channel is freed before the reply. */
	chan_free(c);
	assert_false(chan_deferred_wanted(leaf.later[1]));
	chan_deferred_drop(leaf.later[1]);
	until(ops.downs == 2);
	assert_int_equal(a.ran, 2);
	assert_true(a.null);
	chan_listener_free(ops.l);
}

/* A handler that lets go of the channel and keeps the question. */
static void
test_deferred_after_the_end(void **state)
{
	listen_ops();
	leaf.defer = leaf.free_self = 1;
	dial();
	until(leaf.ups == 1 && ops.ups == 1);
	chan_send(ops.peer, MSG_CONSUME, NULL);
	until(leaf.nlater == 1);
	assert_false(chan_deferred_wanted(leaf.later[0]));
	chan_deferred_reply(leaf.later[0], NULL);
	until(ops.downs == 1);
	chan_listener_free(ops.l);
}

static void
test_reconnect(void **state)
{
	struct chan *c = dial();
	struct answer_got a = { 0 };

	listen_ops(); /* the dialler was first */
	ops.hold = 1;
	until(leaf.ups == 1);
	chan_call(c, MSG_SERVE, NULL, 0, on_answer, &a);
	chan_listener_free(ops.l);
	assert_int_equal(ops.downs, 0);
	until(leaf.downs == 1);
	assert_int_equal(a.ran, 1);
	assert_true(a.null);
	listen_ops();
	until(leaf.ups == 2);
	chan_free(c);
	chan_listener_free(ops.l);
}

/* The size of what stderr is now, a file. */
static off_t
told(void)
{
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	return (st.st_size);
}

/* Daemons that start together find nobody at first, which is no fault. */
static void
test_nobody_there(void **state)
{
	FILE *log = tmpfile();
	int was = dup(STDERR_FILENO);
	struct chan *c;

	assert_non_null(log);
	assert_int_not_equal(dup2(fileno(log), STDERR_FILENO), -1);
	log_set_level(LOG_WARN);
	c = dial(); /* tries at once */
	assert_int_equal(told(), 0);
	until(told() > 0);
	listen_ops();
	until(leaf.ups == 1);
	log_set_level(LOG_ERROR);
	assert_int_not_equal(dup2(was, STDERR_FILENO), -1);
	chan_free(c);
	chan_listener_free(ops.l);
	close(was);
	fclose(log);
}

/* Whoever has no handler for it answers, and one that is hung up on comes again. */
static void
test_ping(void **state)
{
	struct chan *c;
	struct answer_got a = { 0 };

	listen_ops();
	c = dial();
	until(leaf.ups == 1 && ops.ups == 1);
	chan_call(ops.peer, MSG_PING, NULL, 0, on_answer, &a);
	until(a.ran);
	assert_false(a.null);
	assert_int_equal(a.n, 0);
	chan_call(ops.peer, MSG_PING, NULL, 0, on_answer, &a);
	chan_hang_up(ops.peer);
	assert_int_equal(a.ran, 2);
	assert_true(a.null);
	assert_int_equal(ops.downs, 1);
	until(leaf.ups == 2 && ops.ups == 2);
	chan_free(c);
	chan_listener_free(ops.l);
}

static void
test_bad_message_drops_the_peer_only(void **state)
{
	struct chan *c;
	struct answer_got a = { 0 };

	listen_ops();
	c = dial();
	until(leaf.ups == 1);
	ops.bad = 1;
	chan_call(c, MSG_SERVE, NULL, 0, on_answer, &a);
	until(a.ran && leaf.downs == 1 && ops.downs == 1);
	assert_true(a.null);
	ops.bad = 0;
	until(leaf.ups == 2);
	chan_free(c);
	chan_listener_free(ops.l);
}

static void
test_newer_peer_replaces_the_older(void **state)
{
	struct chan *c = NULL;
	struct buf b = { 0 };
	int fd;

	listen_ops();
	fd = raw();
	put_hello(&b, PROTO_MAJOR, ROLE_LEAFD);
	say(fd, &b);
	until(ops.ups == 1);
	c = dial();
	until(leaf.ups == 1 && ops.ups == 2);
	assert_int_equal(ops.downs, 1);
	until(is_closed(fd));
	close(fd);
	/* Another role is another peer. */
	fd = raw();
	put_hello(&b, PROTO_MAJOR, ROLE_HUBD);
	say(fd, &b);
	until(ops.ups == 3);
	assert_int_equal(ops.downs, 1);
	close(fd);
	until(ops.downs == 2);
	chan_free(c);
	chan_listener_free(ops.l);
}

/* Send the bytes as a fresh peer: the listener must close, and call nobody. */
static void
is_refused(struct buf *b, int ups)
{
	int fd = raw();

	say(fd, b);
	until(is_closed(fd));
	assert_int_equal(ops.ups, ups);
	assert_int_equal(ops.downs, ups);
	assert_int_equal(ops.got, 0);
	close(fd);
}

static void
test_bad_peers(void **state)
{
	struct buf b = { 0 }, body = { 0 };

	listen_ops();
	put_hello(&b, PROTO_MAJOR + 1, ROLE_LEAFD);
	is_refused(&b, 0);
	put_hello(&b, PROTO_MAJOR, ROLE_ANY);
	is_refused(&b, 0);
	put_hello(&b, PROTO_MAJOR, 77);
	is_refused(&b, 0);
	put_frame(&b, MSG_SERVE, 1, &body); /* before HELLO */
	is_refused(&b, 0);
	buf_u16(&body, PROTO_MAJOR);
	put_frame(&b, MSG_HELLO, 0, &body); /* cut short */
	is_refused(&b, 0);
	buf_add(&b, "\0\0\1\0\1\0\0\0\0\0", 10); /* 64 KiB of HELLO */
	is_refused(&b, 0);
	buf_clear(&body);
	put_hello(&b, PROTO_MAJOR, ROLE_HUBD);
	put_frame(&b, MSG_SERVE, 1, &body); /* not hubd's to send */
	is_refused(&b, 1);
	put_hello(&b, PROTO_MAJOR, ROLE_LEAFD);
	put_frame(&b, 9999, 1, &body);
	is_refused(&b, 2);
	put_hello(&b, PROTO_MAJOR, ROLE_LEAFD);
	put_hello(&b, PROTO_MAJOR, ROLE_LEAFD);
	is_refused(&b, 3);
	put_hello(&b, PROTO_MAJOR, ROLE_LEAFD);
	put_frame(&b, MSG_APPLY, 1, &body); /* no handler here */
	is_refused(&b, 4);
	put_hello(&b, PROTO_MAJOR, ROLE_LEAFD);
	buf_add(&b, "\1\0\0\4\150\0\0\0\0\0", 10); /* SERVE of PROTO_MAX_BODY + 1 */
	is_refused(&b, 5);
	buf_free(&body);
	chan_listener_free(ops.l);
}

static void
test_byte_by_byte(void **state)
{
	struct buf b = { 0 }, body = { 0 };
	size_t i;
	int fd;

	listen_ops();
	ops.hold = 1;
	fd = raw();
	put_hello(&b, PROTO_MAJOR, ROLE_LEAFD);
	buf_add(&body, "abc", 3);
	put_frame(&b, MSG_SERVE, 1, &body);
	buf_clear(&body);
	put_frame(&b, MSG_SERVE, 2, &body);
	for (i = 0; i < b.len; i++) {
		assert_int_equal(write(fd, b.data + i, 1), 1);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	until(ops.got == 2);
	assert_int_equal(ops.bytes, 3);
	close(fd);
	until(ops.downs == 1);
	buf_free(&b);
	buf_free(&body);
	chan_listener_free(ops.l);
}

static void
test_freed_in_a_handler(void **state)
{
	struct chan *c;
	struct buf b = { 0 };
	int i;

	listen_ops();
	ops.free_listener = 1;
	c = dial();
	until(leaf.ups == 1);
	for (i = 0; i < 3; i++) { /* the other two are not handled any more */
		buf_add(&b, "x", 1);
		chan_send(c, MSG_SERVE, &b);
	}
	until(leaf.downs == 1);
	assert_int_equal(ops.got, 1);
	ops.free_listener = 0;
	listen_ops();
	until(leaf.ups == 2);
	leaf.free_self = 1;
	chan_send(ops.peer, MSG_CONSUME, NULL);
	chan_send(ops.peer, MSG_CONSUME, NULL);
	until(ops.downs == 1);
	assert_int_equal(leaf.got, 1);
	chan_listener_free(ops.l);
}

static void
test_attach(void **state)
{
	struct chan *a, *b;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	a = chan_attach(base, fds[0], ROLE_OPSD, &ops_ops, &ops);
	b = chan_attach(base, fds[1], ROLE_LEAFD, &leaf_ops, &leaf);
	until(ops.ups == 1 && leaf.ups == 1);
	assert_true(chan_is_up(a));
	chan_free(b);
	until(ops.downs == 1); /* a is gone as well */
}

static void
test_listen_faults(void **state)
{
	char long_path[300];

	memset(long_path, 'x', sizeof long_path - 1);
	long_path[sizeof long_path - 1] = '\0';
	assert_null(chan_listen(base, long_path, ROLE_OPSD, &ops_ops, &ops));
	assert_null(chan_listen(base, "/nowhere/at/all", ROLE_OPSD, &ops_ops, &ops));
	listen_ops();
	/* An old socket is no obstacle; the first one leaves the new one's alone. */
	leaf.l = ops.l;
	listen_ops();
	chan_listener_free(leaf.l);
	assert_int_equal(access(path, F_OK), 0);
	chan_listener_free(ops.l);
}

static int posted;

static void
posted_fn(void *arg)
{
	assert_int_equal(posted, (int)(intptr_t)arg);
	posted++;
}

static void
posted_free(void *arg)
{
	post_free(*(struct post **)arg);
	*(struct post **)arg = NULL;
}

static void
test_post(void **state)
{
	struct post *p = post_new(base);
	int i;

	posted = 0;
	for (i = 0; i < 100; i++)
		post(p, posted_fn, (void *)(intptr_t)i);
	until(posted == 100);
	post(p, posted_fn, (void *)(intptr_t)100);
	post(p, posted_free, &p);
	post(p, posted_fn, (void *)(intptr_t)0); /* does not run */
	until(p == NULL);
	assert_int_equal(posted, 101);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_call_and_send),
		test(test_large_bodies),
		test(test_name_removed),
		test(test_many_small),
		test(test_call_ends_once),
		test(test_deferred_replies),
		test(test_deferred_for_a_peer_that_is_gone),
		test(test_deferred_over_a_channel_that_dials),
		test(test_deferred_after_the_end),
		test(test_nobody_there),
		test(test_reconnect),
		test(test_ping),
		test(test_bad_message_drops_the_peer_only),
		test(test_newer_peer_replaces_the_older),
		test(test_bad_peers),
		test(test_byte_by_byte),
		test(test_freed_in_a_handler),
		test(test_attach),
		test(test_listen_faults),
		test(test_post),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test_chan", LOG_ERROR);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
