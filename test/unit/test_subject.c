#include "config.h"

#include "common/nats/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct shard one = { 0, 1 };
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
	is(subject_txn(&names, "n1", one, "dev", "dog"), "hl.txn.n1.dev.dog");
	is(subject_txn(&names, "n1", one, "dev", "*"), "hl.txn.n1.dev.*");
	is(subject_req(&names, "n-1", "ping"), "hl.req.n-1.ping");
	is(subject_req(&names, "n1", "*"), "hl.req.n1.*");
	is(subject_catchup(&names, "N_1"), "hl.catchup.N_1");
	is(subject_stream(&names, "n1", one), "HL_n1");
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

	is(subject_txn(&theirs, "n1", one, "dev", "dog"), "app.log.txn.n1.dev.dog");
	is(subject_txns(&theirs, "n1", one), "app.log.txn.n1.>");
	is(subject_word(&theirs, "ping"), "app.log.ping");
	is(subject_stream(&theirs, "n1", one), "changes_n1");
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
	is(subject_txn(&names, "a b", one, "d.b", "t>*"), "hl.txn.a%20b.d%2Eb.t%3E%2A");
	is(subject_txn(&names, "*", one, "*", "%2A"), "hl.txn.%2A.%2A.%252A");
	is(subject_stream(&names, "n\xc3\xa4", one), "HL_n%C3%A4");
	is(subject_catchup(&names, ""), "hl.catchup.%");
	is(subject_catchup(&names, "%"), "hl.catchup.%25");
}

static void
test_several_streams(void **state)
{
	const struct shard second = { 1, 4 }, tenth = { 9, 12 };
	static const char *const others[] = { "HL_n1", "HL_n1+0of4", "HL_n1+5of4", "HL_n1+1of1",
		"HL_n1+1of17", "HL_n1+01of4", "HL_n1+2of4x", "HL_n1+2", "HL_n2+2of4",
		"HL_n12+2of4" };

	is(subject_stream(&names, "n1", second), "HL_n1+2of4");
	is(subject_stream(&names, "n1", tenth), "HL_n1+10of12");
	is(subject_stream(&names, "n1+2of4", one), "HL_n1%2B2of4");
	is(subject_txn(&names, "n1", second, "dev", "dog"), "hl.shard.2of4.n1.dev.dog");
	is(subject_txns(&names, "n1", second), "hl.shard.2of4.n1.>");
	is(subject_txns(&names, "n1", (struct shard){ 0, 0 }), "hl.shard.*.n1.>");
	is(subject_before_table(&names, second), "hl.shard.2of4.");
	is(subject_before_table(&names, one), "hl.txn.");
	assert_string_equal(subject_of_table(&names, "hl.shard.2of4.n1.dev.dog"), "n1.dev.dog");
	assert_null(subject_of_table(&names, "hl.shard."));
	assert_true(shard_same(subject_stream_shard(&names, "n1", "HL_n1+2of4"), second));
	assert_true(shard_same(subject_stream_shard(&names, "n1", "HL_n1+10of12"), tenth));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(subject_stream_shard(&names, "n1", others[i]).n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several_streams),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_escapes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
