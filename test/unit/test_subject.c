#include "config.h"

#include "common/nats/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void
is(char *got, const char *want)
{
	assert_string_equal(got, want);
	free(got);
}

static void
test_plain(void **state)
{
	is(subject_txn("n1", "dev", "dog"), "hl.txn.n1.dev.dog");
	is(subject_txn("n1", "dev", "*"), "hl.txn.n1.dev.*");
	is(subject_req("n-1", "ping"), "hl.req.n-1.ping");
	is(subject_req("n1", "*"), "hl.req.n1.*");
	is(subject_catchup("N_1"), "hl.catchup.N_1");
	is(subject_stream("n1"), "HL_n1");
}

static void
test_escapes(void **state)
{
	is(subject_txn("a b", "d.b", "t>*"), "hl.txn.a%20b.d%2Eb.t%3E%2A");
	is(subject_txn("*", "*", "%2A"), "hl.txn.%2A.%2A.%252A");
	is(subject_stream("n\xc3\xa4"), "HL_n%C3%A4");
	is(subject_catchup(""), "hl.catchup.%");
	is(subject_catchup("%"), "hl.catchup.%25");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_escapes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
