#include "config.h"

#include "common/base/turnout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

/* All of a turn in one piece, at its end; what the socket does not take goes on by itself. */

#define LARGE (4u << 20)

struct line {
	struct event_base *base;
	struct bufferevent *bev;
	struct turnout *t;
	int far;
	unsigned sent;
};

static void
line_sent_cb(void *arg)
{
	((struct line *)arg)->sent++;
}

static const struct turnout_ops ops = { .sent = line_sent_cb };

static int
begin(void **state)
{
	static struct line l;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	l = (struct line){ .base = event_base_new(), .far = fds[1] };
	l.bev = bufferevent_socket_new(l.base, fds[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_enable(l.bev, EV_WRITE);
	event_base_loop(l.base, EVLOOP_NONBLOCK);
	l.t = turnout_new(l.bev, &ops, &l);
	*state = &l;
	return (0);
}

static int
end(void **state)
{
	struct line *l = *state;

	turnout_free(l->t);
	bufferevent_free(l->bev);
	event_base_free(l->base);
	close(l->far);
	return (0);
}

static size_t
arrived(struct line *l)
{
	static char bytes[65536];
	size_t all = 0;
	ssize_t n;

	while ((n = read(l->far, bytes, sizeof(bytes))) > 0)
		all += (size_t)n;
	return (all);
}

static void
test_at_once(void **state)
{
	struct line *l = *state;

	evbuffer_add(turnout_buffer(l->t), "one", 3);
	evbuffer_add(turnout_buffer(l->t), "two", 3);
	assert_int_equal(arrived(l), 0);
	assert_int_equal(turnout_queued(l->t), 6);
	event_base_loop(l->base, EVLOOP_NONBLOCK);
	assert_int_equal(arrived(l), 6);
	assert_int_equal(turnout_queued(l->t), 0);
	assert_int_equal(l->sent, 1);
	assert_int_equal(evbuffer_get_length(bufferevent_get_output(l->bev)), 0);
}

/* In their order, whichever way they go. */
static void
test_rest(void **state)
{
	static char large[LARGE];
	struct line *l = *state;
	size_t all = 0;

	evbuffer_add(turnout_buffer(l->t), large, sizeof(large));
	event_base_loop(l->base, EVLOOP_NONBLOCK);
	assert_true(evbuffer_get_length(bufferevent_get_output(l->bev)) > 0);
	assert_int_equal(l->sent, 0);
	evbuffer_add(turnout_buffer(l->t), "end", 3);
	for (unsigned i = 0; i < 10000 && all < LARGE; i++) {
		event_base_loop(l->base, EVLOOP_NONBLOCK);
		all += arrived(l);
	}
	event_base_loop(l->base, EVLOOP_NONBLOCK);
	all += arrived(l);
	assert_int_equal(all, LARGE + 3);
	assert_int_equal(turnout_queued(l->t), 0);
}

static void
test_not_now(void **state)
{
	struct line *l = *state;

	bufferevent_disable(l->bev, EV_WRITE);
	evbuffer_add(turnout_buffer(l->t), "one", 3);
	event_base_loop(l->base, EVLOOP_NONBLOCK);
	assert_int_equal(arrived(l), 0);
	assert_int_equal(turnout_queued(l->t), 3);
	bufferevent_enable(l->bev, EV_WRITE);
	event_base_loop(l->base, EVLOOP_NONBLOCK);
	assert_int_equal(arrived(l), 3);
}

static void
test_passed(void **state)
{
	struct line *l = *state;

	evbuffer_add(turnout_buffer(l->t), "one", 3);
	turnout_pass(l->t);
	assert_int_equal(evbuffer_get_length(bufferevent_get_output(l->bev)), 3);
	turnout_free(l->t);
	l->t = NULL;
	event_base_loop(l->base, EVLOOP_NONBLOCK);
	assert_int_equal(arrived(l), 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_at_once),
		TEST(test_rest),
		TEST(test_not_now),
		TEST(test_passed),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
