#include "config.h"

#include "common/ipc/proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void
test_names(void **state)
{
	assert_string_equal(proto_name(MSG_HELLO), "HELLO");
	assert_string_equal(proto_name(MSG_LOG_READ), "LOG_READ");
	assert_null(proto_name(0));
	assert_null(proto_name(99));
	assert_null(proto_name(65535));
	assert_string_equal(role_name(ROLE_LEAFD), "leafd");
	assert_string_equal(role_name((enum role)77), "?");
}

static void
test_who_may_send(void **state)
{
	assert_true(proto_allowed(MSG_HELLO, ROLE_HUBD, ROLE_OPSD));
	assert_true(proto_allowed(MSG_REPLY, ROLE_OPSD, ROLE_LEAFD));
	assert_true(proto_allowed(MSG_LOG_READ, ROLE_LEAFD, ROLE_OPSD));
	assert_false(proto_allowed(MSG_LOG_READ, ROLE_HUBD, ROLE_OPSD));
	assert_false(proto_allowed(MSG_LOG_READ, ROLE_LEAFD, ROLE_HUBD));
	assert_false(proto_allowed(MSG_LOG_READ, ROLE_ANY, ROLE_OPSD));
	assert_true(proto_allowed(MSG_SETTINGS, ROLE_OPSD, ROLE_HUBD));
	assert_true(proto_allowed(MSG_PING, ROLE_OPSD, ROLE_LEAFD));
	assert_false(proto_allowed(MSG_PING, ROLE_LEAFD, ROLE_OPSD));
	assert_true(proto_allowed(MSG_SETTINGS, ROLE_OPSD, ROLE_LEAFD));
	assert_false(proto_allowed(MSG_SETTINGS, ROLE_HUBD, ROLE_OPSD));
	assert_true(proto_allowed(MSG_LINK_UP, ROLE_LEAFD, ROLE_OPSD));
	assert_false(proto_allowed(MSG_LINK_UP, ROLE_HUBD, ROLE_OPSD));
	assert_true(proto_allowed(MSG_LINK_ASK, ROLE_OPSD, ROLE_LEAFD));
	assert_false(proto_allowed(MSG_LINKS, ROLE_OPSD, ROLE_HUBD));
	assert_false(proto_allowed(0, ROLE_OPSD, ROLE_HUBD));
	assert_false(proto_allowed(9999, ROLE_OPSD, ROLE_HUBD));
}

static void
test_numbers_are_given_once(void **state)
{
	static const int numbers[] = {
#define MSG(name, nr, from, to) nr,
#include "common/ipc/proto.def"
#undef MSG
	};
	size_t i, j, n = sizeof numbers / sizeof numbers[0];

	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++)
			assert_int_not_equal(numbers[i], numbers[j]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_who_may_send),
		cmocka_unit_test(test_numbers_are_given_once),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
