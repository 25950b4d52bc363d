#include "config.h"

#include "leafd/consume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

/* Of which peers there is a consumer, while the leaf server is away. */

#define OLD "6f6c642d6f6c642d6f6c642d6f6c642d"
#define NEW "6e65772d6e65772d6e65772d6e65772d"

struct at {
	struct event_base *base;
	struct consume *c;
	int changes;
};

static void
changed(void *arg)
{
	((struct at *)arg)->changes++;
}

static int
setup(void **state)
{
	static struct at at;

	at = (struct at){ .base = event_base_new() };
	at.c = consume_new(at.base, NULL, changed, &at);
	*state = &at;
	return (0);
}

static int
teardown(void **state)
{
	struct at *at = *state;

	consume_free(at->c);
	event_base_free(at->base);
	return (0);
}

/* What CONSUME says of one peer. */
static json_t *
wanted(const char *name, const char *id)
{
	return (json_pack("{s:s, s:s, s:[i], s:[[s, s]]}", "name", name, "id", id, "stream_seqs", 0,
	    "tables", "dev", "dog"));
}

/* Takes them; b may be NULL. */
static void
want(struct at *at, json_t *a, json_t *b)
{
	json_t *list = json_array(), *whole = json_pack("{s:o}", "peers", list);

	json_array_append_new(list, a);
	if (b != NULL)
		json_array_append_new(list, b);
	assert_int_equal(consume_want(at->c, whole), 0);
	json_decref(whole);
}

/* Those that there are, "name id", in order. */
static void
assert_consumers(struct at *at, const char *expected)
{
	json_t *list = consume_state(at->c), *one;
	char text[200] = "";
	size_t i;

	json_array_foreach(list, i, one) {
		strcat(strcat(text, json_string_value(json_object_get(one, "name"))), " ");
		strcat(strcat(text, json_string_value(json_object_get(one, "id"))), ";");
	}
	json_decref(list);
	assert_string_equal(text, expected);
}

/* A node that was installed anew is another one, also while subscriptions with the former are kept. */
static void
test_two_of_one_name(void **state)
{
	want(*state, wanted("n2", NEW), wanted("n2", OLD));
	assert_consumers(*state, "n2 " NEW ";n2 " OLD ";");
	/* The order matters to nobody. */
	want(*state, wanted("n2", OLD), wanted("n2", NEW));
	assert_consumers(*state, "n2 " NEW ";n2 " OLD ";");
	want(*state, wanted("n2", NEW), NULL);
	assert_consumers(*state, "n2 " NEW ";");
	want(*state, wanted("n2", OLD), NULL);
	assert_consumers(*state, "n2 " OLD ";");
}

/* Its stream is another one. */
static void
test_renamed(void **state)
{
	want(*state, wanted("n2", OLD), NULL);
	want(*state, wanted("n3", OLD), NULL);
	assert_consumers(*state, "n3 " OLD ";");
}

/* One that cannot be read costs its peer, not the others. */
static void
test_unreadable(void **state)
{
	want(*state, wanted("n2", OLD), wanted("n3", "of no node"));
	assert_consumers(*state, "n2 " OLD ";");
	want(*state, wanted("n3", NEW), wanted("n 2.*", OLD));
	assert_consumers(*state, "n2 " OLD ";n3 " NEW ";");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_two_of_one_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
