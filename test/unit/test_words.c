#include "config.h"

#include "common/base/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void
test_near(void **state)
{
	static const char *const known[] = { "port", "hostname", "insert", "search_by_id",
		"list_users", NULL };

	(void)state;
	assert_string_equal(words_near("prot", known), "port");
	assert_string_equal(words_near("Insert", known), "insert");
	assert_string_equal(words_near("serch_by_id", known), "search_by_id");
	/* The beginning of a name is nearer than another name of its length. */
	assert_string_equal(words_near("host", known), "hostname");
	/* Of a long word more than half must be right. */
	assert_null(words_near("list_metrics", known));
	assert_null(words_near("colour", known));
	assert_null(words_near("ho", known));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
