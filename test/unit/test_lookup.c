#include "config.h"

#include "common/base/lookup.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void
wait_for(struct lookup *l)
{
	struct pollfd p = { .fd = lookup_fd(l), .events = POLLIN };

	assert_int_equal(poll(&p, 1, 30000), 1);
}

static void
test_an_address_needs_no_time(void **state)
{
	struct addrinfo *found = lookup_host("127.0.0.1", 0, 0);

	assert_non_null(found);
	assert_int_equal(found->ai_family, AF_INET);
	freeaddrinfo(found);
	found = lookup_host("::1", 0, 0);
	assert_non_null(found);
	assert_int_equal(found->ai_family, AF_INET6);
	freeaddrinfo(found);
}

static void
test_a_name_is_asked_for(void **state)
{
	struct lookup *l = lookup_new("localhost", 9933, 0);
	const char *why = NULL;
	struct addrinfo *found;

	assert_non_null(l);
	wait_for(l);
	found = lookup_take(l, &why);
	assert_non_null(found);
	assert_null(why);
	/* The port stands at one place in both kinds. */
	assert_int_equal(((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_port,
	    htons(9933));
	freeaddrinfo(found);
	assert_null(lookup_take(l, &why));
	lookup_free(l);
}

static void
test_there_is_none(void **state)
{
	struct lookup *l = lookup_new("localhost", 0, AI_NUMERICHOST);
	const char *why = NULL;

	assert_non_null(l);
	wait_for(l);
	assert_null(lookup_take(l, &why));
	assert_string_equal(why, gai_strerror(EAI_NONAME));
	lookup_free(l);
}

static void
test_given_up(void **state)
{
	struct addrinfo *found;
	const char *why = NULL;

	for (int i = 0; i < 20; i++) {
		struct lookup *l = lookup_new("localhost", 0, 0);

		assert_non_null(l);
		found = i % 2 ? lookup_take(l, &why) : NULL;
		lookup_free(l);
		if (found != NULL)
			freeaddrinfo(found);
		else if (i % 2)
			assert_string_equal(why, gai_strerror(EAI_AGAIN));
	}
	lookup_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_address_needs_no_time),
		cmocka_unit_test(test_a_name_is_asked_for),
		cmocka_unit_test(test_there_is_none),
		cmocka_unit_test(test_given_up),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
