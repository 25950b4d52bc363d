#include "config.h"

#include "reach.h"

#include <netdb.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

/* "loopback", "link-local" or "" */
static const char *
refusal(const char *text, int loopback)
{
	struct addrinfo	 hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *a;
	const char	*kind;

	assert_int_equal(getaddrinfo(text, "80", &hints, &a), 0);
	kind = reach_refusal(a->ai_addr, loopback);
	freeaddrinfo(a);
	return (kind != NULL ? kind : "");
}

static void
test_addresses(void **state)
{
	static const struct {
		const char	*text, *others, *super;
	} t[] = {
		{ "127.0.0.1", "loopback", "" }, { "127.255.1.2", "loopback", "" },
		{ "0.0.0.0", "loopback", "" }, { "::", "loopback", "" }, { "::1", "loopback", "" },
		{ "::ffff:127.0.0.1", "loopback", "" }, { "::127.0.0.1", "loopback", "" },
		{ "64:ff9b::7f00:1", "loopback", "" }, { "2002:7f00:1::", "loopback", "" },
		{ "169.254.169.254", "link-local", "link-local" },
		{ "::ffff:169.254.169.254", "link-local", "link-local" },
		{ "64:ff9b::a9fe:a9fe", "link-local", "link-local" },
		{ "2002:a9fe:a9fe::1", "link-local", "link-local" },
		{ "fe80::1", "link-local", "link-local" }, { "febf::1", "link-local", "link-local" },
		{ "192.0.2.1", "", "" }, { "10.0.0.1", "", "" }, { "169.253.0.1", "", "" },
		{ "fec0::1", "", "" }, { "2001:db8::1", "", "" }, { "::ffff:192.0.2.1", "", "" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_string_equal(refusal(t[i].text, 0), t[i].others);
		assert_string_equal(refusal(t[i].text, 1), t[i].super);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
