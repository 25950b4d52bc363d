#include "config.h"

#include "common/base/postlater.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>

#include "common/base/post.h"

/* One wake-up for many: after a time, or when there is enough. */

#define MS   5
#define MOST 100

struct late {
	struct event_base *base;
	struct post *post;
	struct postlater *p;
	unsigned ran;
};

static int
begin(void **state)
{
	static struct late l;

	l = (struct late){ .base = event_base_new() };
	l.post = post_new(l.base);
	l.p = postlater_new(l.base, l.post, MS, MOST);
	*state = &l;
	return (0);
}

static int
end(void **state)
{
	struct late *l = *state;

	postlater_free(l->p);
	post_free(l->post);
	event_base_free(l->base);
	return (0);
}

static void
late_run(void *arg)
{
	((struct late *)arg)->ran++;
}

struct batch {
	struct late *l;
	unsigned n;
	size_t weight;
};

static void *
batch_main(void *arg)
{
	struct batch *b = arg;

	for (unsigned i = 0; i < b->n; i++)
		postlater(b->l->p, late_run, b->l, b->weight);
	return (NULL);
}

/* As the commit thread does. */
static void
give(struct late *l, unsigned n, size_t weight)
{
	struct batch b = { l, n, weight };
	pthread_t other;

	for (unsigned i = 0; i < n; i++)
		postlater_expect(l->p);
	assert_int_equal(pthread_create(&other, NULL, batch_main, &b), 0);
	pthread_join(other, NULL);
}

static void
test_after_a_time(void **state)
{
	struct late *l = *state;

	give(l, 3, 1);
	event_base_loop(l->base, EVLOOP_ONCE);
	assert_int_equal(l->ran, 3);
	give(l, 1, 1);
	event_base_loop(l->base, EVLOOP_ONCE);
	assert_int_equal(l->ran, 4);
}

static void
test_enough(void **state)
{
	struct late *l = *state;

	give(l, 3, MOST / 2);
	event_base_loop(l->base, EVLOOP_NONBLOCK);
	assert_int_equal(l->ran, 3);
	give(l, 2, MOST);
	event_base_loop(l->base, EVLOOP_NONBLOCK);
	assert_int_equal(l->ran, 5);
}

/* What takes longer than the time is waited for on and on. */
static void
test_not_yet(void **state)
{
	struct late *l = *state;

	postlater_expect(l->p);
	event_base_loop(l->base, EVLOOP_ONCE);
	assert_int_equal(l->ran, 0);
	postlater(l->p, late_run, l, 1);
	event_base_loop(l->base, EVLOOP_ONCE);
	assert_int_equal(l->ran, 1);
}

static void
test_end(void **state)
{
	struct late *l = *state;

	give(l, 2, 1);
	postlater_free(l->p);
	l->p = NULL;
	assert_int_equal(l->ran, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_after_a_time),
		TEST(test_enough),
		TEST(test_not_yet),
		TEST(test_end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
