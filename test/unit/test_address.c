#include "config.h"

#include "common/base/address.h"
#include "common/base/nodename.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
test_which_are_some(void **state)
{
	assert_true(address_ok("127.0.0.1") && address_ok("::1") && address_ok("2001:db8::7"));
	assert_false(address_ok("") || address_ok("localhost") || address_ok("127.1") ||
	    address_ok("[::1]") || address_ok("1.2.3.4.5"));
}

static void
test_of_nodes(void **state)
{
	static const char *const good[] = { "boston.example.com", "10.0.0.1", "::1", "2001:db8::7",
		"fe80::1%eth0", "shop_1" };
	static const char *const bad[] = { "", "boston:9933", "1:2", "a..b", ".a", "a.", "a b",
		"a/b", "[::1]", "-x", "x-.y", "a.b..c", "::1%", "::1%a b", "::1%eth0\nall is well",
		"::1%e/0" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!node_host_ok(good[i], strlen(good[i])))
			fail_msg("'%s' is refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (node_host_ok(bad[i], strlen(bad[i])))
			fail_msg("'%s' is taken", bad[i]);
	assert_false(node_host_ok("a\0b", 3) || node_host_ok("::1%\0b", 6));
	assert_false(node_name_ok("a\0b", 3));
	assert_true(node_name_ok("\xc3\xa9t\xc3\xa9", 5));
	assert_false(node_name_ok("a\xc2\x9b", 3) || node_name_ok("\xc2\x80x", 3));
}

static void
assert_joined(const char *host, unsigned port, const char *text)
{
	char *is = address_join(host, port);

	assert_string_equal(is, text);
	free(is);
}

static void
test_with_a_port(void **state)
{
	assert_joined("n1.example.com", 9933, "n1.example.com:9933");
	assert_joined("127.0.0.1", 1, "127.0.0.1:1");
	assert_joined("::1", 65535, "[::1]:65535");
	assert_joined("[::1]", 80, "[::1]:80");
}

static void
test_of_a_socket(void **state)
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(9933) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(65535) };
	char text[ADDRESS_TEXT];

	four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address_text((const struct sockaddr *)&four, sizeof(four), text);
	assert_string_equal(text, "127.0.0.1:9933");
	/* One of IPv4, at a socket that takes both. */
	memcpy(&six.sin6_addr.s6_addr[10], "\xff\xff\x0a\x58\x00\x02", 6);
	address_text((const struct sockaddr *)&six, sizeof(six), text);
	assert_string_equal(text, "10.88.0.2:65535");
	/* The longest that there is. */
	memset(&six.sin6_addr, 0xfe, sizeof(six.sin6_addr));
	address_text((const struct sockaddr *)&six, sizeof(six), text);
	assert_string_equal(text, "[fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:65535");
}

static int
same_net(const char *a, const char *b)
{
	uint8_t x[8], y[8];

	assert_int_equal(address_net(a, x), 0);
	assert_int_equal(address_net(b, y), 0);
	return (memcmp(x, y, sizeof(x)) == 0);
}

static void
test_whose_it_is(void **state)
{
	uint8_t net[8], none[8] = { 0 };

	assert_true(same_net("192.0.2.1", "::ffff:192.0.2.1"));
	assert_false(same_net("192.0.2.1", "192.0.2.2"));
	assert_true(same_net("2001:db8:1:2::1", "2001:db8:1:2:ffff::"));
	assert_false(same_net("2001:db8:1:2::1", "2001:db8:1:3::1"));
	memset(net, 1, sizeof(net));
	assert_int_equal(address_net("n1", net), -1);
	assert_memory_equal(net, none, sizeof(net));
	assert_int_equal(address_net(NULL, net), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_are_some),
		cmocka_unit_test(test_of_nodes),
		cmocka_unit_test(test_with_a_port),
		cmocka_unit_test(test_of_a_socket),
		cmocka_unit_test(test_whose_it_is),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
