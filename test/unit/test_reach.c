#include "config.h"

#include "opsd/job/reach.h"

#include <netdb.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

/* "loopback", "link-local", "metadata" or "" */
static const char *
refusal(const char *text, int loopback)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *a;
	const char *kind;

	assert_int_equal(getaddrinfo(text, "80", &hints, &a), 0);
	kind = reach_refusal(a->ai_addr, loopback);
	freeaddrinfo(a);
	return (kind != NULL ? kind : "");
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *text, *others, *super;
	} t[] = {
		{ "127.0.0.1", "loopback", "" },
		{ "127.255.1.2", "loopback", "" },
		{ "0.0.0.0", "loopback", "" },
		{ "::", "loopback", "" },
		{ "::1", "loopback", "" },
		{ "::ffff:127.0.0.1", "loopback", "" },
		{ "::127.0.0.1", "loopback", "" },
		{ "64:ff9b::7f00:1", "loopback", "" },
		{ "2002:7f00:1::", "loopback", "" },
		{ "169.254.169.254", "link-local", "link-local" },
		{ "::ffff:169.254.169.254", "link-local", "link-local" },
		{ "64:ff9b::a9fe:a9fe", "link-local", "link-local" },
		{ "2002:a9fe:a9fe::1", "link-local", "link-local" },
		{ "fe80::1", "link-local", "link-local" },
		{ "febf::1", "link-local", "link-local" },
		/* what is within: local NAT64 by each length of prefix, SIIT, Teredo, ISATAP */
		{ "64:ff9b:1::a9fe:a9fe", "link-local", "link-local" },
		{ "64:ff9b:1:a9fe:a9:fe00::", "link-local", "link-local" },
		{ "64:ff9b:1:a9:fe:a9fe::", "link-local", "link-local" },
		{ "64:ff9b:1:1:a9:fea9:fe00::", "link-local", "link-local" },
		{ "64:ff9b:1::7f00:1", "loopback", "" },
		{ "64:ff9b:1:7f00:0:100::", "loopback", "" },
		{ "64:ff9b:1::7f:0:100:0", "loopback", "" },
		{ "::ffff:0:127.0.0.1", "loopback", "" },
		{ "::ffff:0:169.254.169.254", "link-local", "link-local" },
		{ "2001:0:102:304::5601:5601", "link-local", "link-local" },
		{ "2001:0:102:304::80ff:fffe", "loopback", "" },
		{ "2001:0:a9fe:a9fe::f5ff:fffe", "link-local", "link-local" },
		{ "2001:db8::5efe:a9fe:a9fe", "link-local", "link-local" },
		{ "2001:db8::200:5efe:7f00:1", "loopback", "" },
		{ "64:ff9b::808:808", "", "" },
		{ "64:ff9b:1::808:808", "", "" },
		{ "64:ff9b:1:808:8:800::", "", "" },
		{ "64:ff9b:1:8:8:808::", "", "" },
		{ "64:ff9b:2::a9fe:a9fe", "", "" },
		{ "2002:808:808::1", "", "" },
		{ "2001:0:102:304::f7f7:f7f7", "", "" },
		{ "2001:db8::5efe:808:808", "", "" },
		/* what clouds tell their machines, and their credentials */
		{ "fd00:ec2::254", "metadata", "metadata" },
		{ "fd00:ec2::23", "metadata", "metadata" },
		{ "fd20:ce::254", "metadata", "metadata" },
		{ "fd00:c1::a9fe:a9fe", "metadata", "metadata" },
		{ "100.100.100.200", "metadata", "metadata" },
		{ "168.63.129.16", "metadata", "metadata" },
		{ "192.0.0.192", "metadata", "metadata" },
		{ "::ffff:100.100.100.200", "metadata", "metadata" },
		{ "64:ff9b:1::a83f:8110", "metadata", "metadata" },
		{ "fd00:ec3::254", "", "" },
		{ "fd20:ce::253", "", "" },
		{ "100.100.100.201", "", "" },
		{ "192.0.2.1", "", "" },
		{ "10.0.0.1", "", "" },
		{ "169.253.0.1", "", "" },
		{ "fec0::1", "", "" },
		{ "2001:db8::1", "", "" },
		{ "::ffff:192.0.2.1", "", "" },
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
