#include "config.h"

#include "common/nats/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct natsconf_names names = { .subjects = "hl", .streams = "HL" };

static void
is(char *got, const char *want)
{
	assert_string_equal(got, want);
	free(got);
}

static void
test_plain(void **state)
{
	is(subject_txn(&names, "n1", "dev", "dog"), "hl.txn.n1.dev.dog");
	is(subject_txn(&names, "n1", "dev", "*"), "hl.txn.n1.dev.*");
	is(subject_req(&names, "n-1", "ping"), "hl.req.n-1.ping");
	is(subject_req(&names, "n1", "*"), "hl.req.n1.*");
	is(subject_catchup(&names, "N_1"), "hl.catchup.N_1");
	is(subject_stream(&names, "n1"), "HL_n1");
}

static void
test_others(void **state)
{
	static const struct natsconf_names theirs = { .subjects = "app.log",
		.streams = "changes",
		.external = 1 };
	static const struct natsconf_names far = { .subjects = "hl",
		.streams = "HL",
		.external = 1,
		.domain = "core" };

	is(subject_txn(&theirs, "n1", "dev", "dog"), "app.log.txn.n1.dev.dog");
	is(subject_txns(&theirs, "n1"), "app.log.txn.n1.>");
	is(subject_word(&theirs, "ping"), "app.log.ping");
	is(subject_stream(&theirs, "n1"), "changes_n1");
	assert_string_equal(subject_of_table(&theirs, "app.log.txn.n1.dev.dog"), "n1.dev.dog");
	assert_null(subject_of_table(&theirs, "hl.txn.n1.dev.dog"));
	assert_null(subject_of_table(&theirs, "app.log.txnn1.dev.dog"));
	is(subject_api(&theirs, NULL), "$JS.API");
	is(subject_api(&theirs, "n1"), "$JS.API");
	is(subject_api(&far, NULL), "$JS.core.API");
	is(subject_api(&far, "n1"), "$JS.core.API");
	is(subject_api(&names, NULL), "$JS.API");
	is(subject_api(&names, "n1"), "$JS.n1.API");
}

static void
test_escapes(void **state)
{
	is(subject_txn(&names, "a b", "d.b", "t>*"), "hl.txn.a%20b.d%2Eb.t%3E%2A");
	is(subject_txn(&names, "*", "*", "%2A"), "hl.txn.%2A.%2A.%252A");
	is(subject_stream(&names, "n\xc3\xa4"), "HL_n%C3%A4");
	is(subject_catchup(&names, ""), "hl.catchup.%");
	is(subject_catchup(&names, "%"), "hl.catchup.%25");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_escapes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
