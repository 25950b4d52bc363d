#include "config.h"

#include "leafd/publish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/frame.h"
#include "common/base/log.h"
#include "common/ipc/chan.h"
#include "common/nats/nats.h"
#include "leafd/jsapi.h"
#include "test/unit/folder.h"
#include "test/unit/natspeer.h"

/*
 * A log of ENTRIES entries in two tables goes into the stream, as opsd gives it in windows of two, one entry in each
 * table: between a socket of opsd's and a nats-server that can hold and refuse what it gets.
 */
#define ENTRIES   8u
#define MARK(seq) ((uint64_t)(seq) << 32 | 5)
#define WAIT_S    20

struct node {
	struct event_base *base;
	struct natspeer server;
	struct chan_listener *listener;
	struct chan *chan;
	struct nats *nats;
	struct jsapi *asker;
	struct publish *publish;
	int up;                            /* of the two */
	uint64_t tail_window, tail_newest; /* the end of the stream as it was told last */
	unsigned tails;
	uint64_t read_after; /* the first LOG_READ after that */
	uint64_t acked;      /* LOG_ACK */
	unsigned early;      /* it was told before all of it was acknowledged */
	uint64_t end;        /* of the log */
	unsigned width;      /* entries in a window */
	uint64_t hold_after; /* a LOG_READ after that is answered with the next one, 0: none */
	uint32_t held_read;
	uint64_t unanswered_us; /* as it was told last */
	int timed_out;
	struct shard shard;
};

static const uint8_t id[NODE_ID_LEN] = "node-node-node-";

static void
take_shard(struct node *n, struct msg *m)
{
	struct shard s = shard_read(&m->body);

	assert_true(shard_same(s, n->shard));
}

static int
on_tail(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;
	uint64_t last;
	struct buf b = { 0 };

	take_shard(n, m);
	(void)rd_u64(&m->body);
	n->tail_window = rd_u64(&m->body);
	last = rd_u64(&m->body);
	n->tail_newest = rd_u64(&m->body);
	n->tails++;
	n->read_after = UINT64_MAX;
	assert_true(last >= n->tail_window);
	buf_u64(&b, 1);
	buf_u64(&b, n->tail_window);
	chan_reply(c, m->id, &b);
	return (0);
}

static void
add_entry(struct buf *b, uint64_t seq)
{
	struct log_entry e = {
		.seq = seq,
		.mark = MARK(seq),
		.ms = 1,
		.table = seq % 2 ? 65 : 64,
		.payload = (const uint8_t *)"x",
		.len = 1,
	};

	e.prev = seq > 2 ? seq - 2 : 0;
	e.prev_mark = seq > 2 ? MARK(seq - 2) : 0;
	log_entry_write(b, &e);
}

static void
give_window(struct chan *c, uint32_t call, const struct node *n, uint64_t after)
{
	uint32_t count = after + n->width < n->end ? n->width : (uint32_t)(n->end - after);
	struct buf b = { 0 };

	buf_u64(&b, 1);
	buf_u16(&b, 2);
	for (uint32_t t = 64; t < 66; t++) {
		buf_u32(&b, t);
		buf_str(&b, "dev");
		buf_str(&b, t == 64 ? "even" : "odd");
	}
	buf_u32(&b, count);
	for (uint32_t i = 1; i <= count; i++)
		add_entry(&b, after + i);
	chan_reply(c, call, &b);
}

static int
on_read(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;
	uint64_t after;

	take_shard(n, m);
	after = rd_u64(&m->body);
	if (n->read_after == UINT64_MAX)
		n->read_after = after;
	if (after >= n->end)
		return (0); /* when there is more */
	if (n->held_read != 0) {
		give_window(c, n->held_read, n, n->hold_after);
		n->held_read = 0;
		n->hold_after = 0;
	}
	if (n->hold_after != 0 && after == n->hold_after)
		n->held_read = m->id;
	else
		give_window(c, m->id, n, after);
	return (0);
}

static int
on_ack(struct chan *c, struct msg *m, void *arg)
{
	struct node *n = arg;

	take_shard(n, m);
	(void)rd_u64(&m->body);
	n->acked = rd_u64(&m->body);
	n->early += n->server.acked < n->acked; /* one message for each entry */
	return (0);
}

static const struct chan_handler handlers[] = {
	{ MSG_LOG_TAIL, on_tail },
	{ MSG_LOG_READ, on_read },
	{ MSG_LOG_ACK, on_ack },
	{ 0, NULL },
};
static const struct chan_handler none[] = { { 0, NULL } };
static const struct chan_ops opsd_ops = { handlers, NULL, NULL };

static void
chan_up(struct chan *c, enum role role, void *arg)
{
	((struct node *)arg)->up |= 1;
}

static const struct chan_ops leafd_ops = { none, chan_up, NULL };

static void
nats_state(int up, void *arg)
{
	if (up)
		((struct node *)arg)->up |= 2;
}

static void
timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	*(int *)arg = 1;
}

/* Turns the loop until it is so. */
static void
turn(struct node *n, int (*until)(struct node *n))
{
	struct timeval wait = { WAIT_S, 0 };
	struct event *limit = evtimer_new(n->base, timeout_cb, &n->timed_out);

	evtimer_add(limit, &wait);
	while (!until(n) && !n->timed_out)
		event_base_loop(n->base, EVLOOP_ONCE);
	event_free(limit);
	assert_false(n->timed_out);
}

static int
is_up(struct node *n)
{
	return (n->up == 3);
}

static int
is_done(struct node *n)
{
	return (n->acked == n->end);
}

static void
on_unanswered(uint64_t us, void *arg)
{
	struct node *n = arg;

	n->unanswered_us = us;
}

static int
is_unanswered(struct node *n)
{
	return (n->unanswered_us != 0);
}

static int
is_told_again(struct node *n)
{
	return (n->tails == 2);
}

static int
is_held(struct node *n)
{
	return (n->server.nheld > 0);
}

static int
setup(void **state)
{
	static struct node n;
	const struct stream_opts o = { .node = "a", .shard = { 0, 1 }, .max_age = 1000 };
	struct stream_opts opts = o;
	struct nats_opts no = { .name = "test" };
	char *err = NULL;
	struct conf *conf = conf_load(NULL, 0, NULL, &err);
	char *path = in_folder("ops.sock");

	memset(&n, 0, sizeof(n));
	memcpy(opts.node_id, id, NODE_ID_LEN);
	n.end = ENTRIES;
	n.shard = o.shard;
	n.width = 2;
	n.base = event_base_new();
	natspeer_open(&n.server, n.base);
	assert_non_null(conf);
	no.url = n.server.url;
	no.conf = conf;
	n.listener = chan_listen(n.base, path, ROLE_OPSD, &opsd_ops, &n);
	n.chan = chan_dial(n.base, path, ROLE_LEAFD, ROLE_OPSD, &leafd_ops, &n);
	n.nats = nats_open(n.base, &no, nats_state, &n);
	n.asker = jsapi_new(n.nats);
	n.publish = publish_new(n.base, n.chan, on_unanswered, &n);
	publish_set(n.publish, &opts);
	free(path);
	conf_free(conf);
	*state = &n;
	turn(&n, is_up);
	return (0);
}

static int
teardown(void **state)
{
	struct node *n = *state;

	publish_stop(n->publish);
	chan_free(n->chan);
	publish_free(n->publish);
	nats_close(n->nats);
	jsapi_free(n->asker);
	chan_listener_free(n->listener);
	natspeer_close(&n->server);
	event_base_free(n->base);
	return (0);
}

/* Every entry is in the stream, once and in the log's order. */
static void
assert_stream(struct node *n)
{
	assert_int_equal(n->server.n, ENTRIES);
	assert_int_equal(n->server.unexpected, 0);
	for (unsigned i = 0; i < n->server.n; i++) {
		struct rd r = rd_init(n->server.kept[i].data, n->server.kept[i].len);
		struct frame f;

		assert_int_equal(frame_open(&r, &f, NULL), 0);
		assert_int_equal(f.last, i + 1);
		assert_true(f.mark == MARK(i + 1));
		assert_int_equal(f.window, i + 1 + (i + 1) % 2);
		assert_int_equal(f.flags & FRAME_WINDOW_END, i % 2 ? FRAME_WINDOW_END : 0);
	}
}

static void
test_all(void **state)
{
	struct node *n = *state;

	publish_start(n->publish, n->asker);
	turn(n, is_done);
	assert_stream(n);
	assert_int_equal(n->early, 0);
	assert_int_equal(n->tails, 1);
	assert_int_equal(n->read_after, 0);
}

static void
release_cb(evutil_socket_t fd, short what, void *arg)
{
	natspeer_release(arg);
}

/* A window is in the stream when its last frame is. */
static void
test_half_a_window(void **state)
{
	struct node *n = *state;
	struct timeval wait = { 0, 200000 };

	n->server.hold_after = 3;
	publish_start(n->publish, n->asker);
	turn(n, is_held);
	event_base_once(n->base, -1, EV_TIMEOUT, release_cb, &n->server, &wait);
	turn(n, is_done);
	assert_int_equal(n->early, 0);
	assert_stream(n);
}

/* A stream that answers nothing is told of, with how long that has been so. */
static void
test_unanswered(void **state)
{
	struct node *n = *state;

	n->server.hold_after = 3;
	publish_start(n->publish, n->asker);
	turn(n, is_unanswered);
	assert_in_range(n->unanswered_us, 5000000, 20000000);
	natspeer_release(&n->server);
	turn(n, is_told_again);
	assert_stream(n);
}

/* What the stream did not take goes there again, after what it has; in the middle of a window, too. */
static void
test_refused(void **state)
{
	struct node *n = *state;

	n->server.refuse_once = 6;
	publish_start(n->publish, n->asker);
	turn(n, is_done);
	assert_int_equal(n->tails, 2);
	assert_int_equal(n->tail_window, 4);
	assert_int_equal(n->tail_newest, 5);
	assert_int_equal(n->read_after, 4);
	/* The whole window again: number 5 is in the stream twice, and no number is missing. */
	assert_int_equal(n->server.n, ENTRIES + 1);
	assert_int_equal(n->server.unexpected, 0);
}

/* A publisher that starts anew goes on where the stream ends. */
static void
test_started_again(void **state)
{
	struct node *n = *state;

	publish_start(n->publish, n->asker);
	turn(n, is_done);
	publish_stop(n->publish);
	n->tails = 0;
	n->read_after = 0;
	publish_start(n->publish, n->asker);
	while (n->tails == 0 || n->read_after == UINT64_MAX)
		event_base_loop(n->base, EVLOOP_ONCE);
	assert_int_equal(n->tail_window, ENTRIES);
	assert_int_equal(n->tail_newest, ENTRIES);
	assert_int_equal(n->read_after, ENTRIES);
	assert_stream(n);
}

/* The last frame of a window need not have its last entry. */
static void
test_ends_with_another_table(void **state)
{
	struct node *n = *state;

	n->end = n->width = 3;
	publish_start(n->publish, n->asker);
	turn(n, is_done);
	publish_stop(n->publish);
	n->tails = 0;
	publish_start(n->publish, n->asker);
	while (n->tails == 0)
		event_base_loop(n->base, EVLOOP_ONCE);
	assert_int_equal(n->tail_window, 3);
	assert_int_equal(n->tail_newest, 2);
}

/* What was asked before the stream refused something is answered after it: that is void. */
static void
test_late_answer(void **state)
{
	struct node *n = *state;
	const uint64_t order[ENTRIES + 1] = { 1, 1, 2, 3, 4, 5, 6, 7, 8 };

	n->server.refuse_once = 2;
	n->hold_after = 2;
	publish_start(n->publish, n->asker);
	turn(n, is_done);
	assert_int_equal(n->tails, 2);
	assert_int_equal(n->server.n, ENTRIES + 1);
	for (unsigned i = 0; i < n->server.n; i++) {
		struct rd r = rd_init(n->server.kept[i].data, n->server.kept[i].len);
		struct frame f;

		assert_int_equal(frame_read(&r, &f), 0);
		assert_int_equal(f.last, order[i]);
	}
}

static void
test_compressed(void **state)
{
	struct node *n = *state;
	struct stream_opts o = { .node = "a", .shard = { 0, 1 }, .max_age = 1000, .compress = 1 };

	memcpy(o.node_id, id, NODE_ID_LEN);
	publish_set(n->publish, &o);
	n->end = n->width = 40;
	publish_start(n->publish, n->asker);
	turn(n, is_done);
	assert_int_equal(n->server.n, 2); /* one of each table */
	for (unsigned i = 0; i < n->server.n; i++) {
		struct rd r = rd_init(n->server.kept[i].data, n->server.kept[i].len);
		struct buf room = { 0 };
		struct frame f;

		assert_int_equal(frame_open(&r, &f, &room), 0);
		assert_true((f.flags & FRAME_PACKED) != 0);
		assert_int_equal(f.count, 20);
		assert_in_range(n->server.kept[i].len, 70, f.plain * 2 / 3);
		buf_free(&room);
	}
}

/* One of several: with its subjects, and opsd is told which. */
static void
test_one_of_several(void **state)
{
	struct node *n = *state;
	struct stream_opts o = { .node = "a", .shard = { 2, 3 }, .max_age = 1000 };

	memcpy(o.node_id, id, NODE_ID_LEN);
	n->shard = o.shard;
	publish_set(n->publish, &o);
	publish_start(n->publish, n->asker);
	turn(n, is_done);
	assert_stream(n);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_all),
		TEST(test_half_a_window),
		TEST(test_unanswered),
		TEST(test_refused),
		TEST(test_started_again),
		TEST(test_ends_with_another_table),
		TEST(test_late_answer),
		TEST(test_compressed),
		TEST(test_one_of_several),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
