#include "config.h"

#include "leafd/jsack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_subject_v1(void **state)
{
	struct jsack_seqs s;

	assert_int_equal(jsack_subject_read("$JS.ACK.HL_n1.HL_n2-ab.1.42.7.1700000000000.0", &s),
	    0);
	assert_int_equal(s.stream, 42);
	assert_int_equal(s.consumer, 7);
}

static void
test_subject_v2(void **state)
{
	struct jsack_seqs s;

	assert_int_equal(jsack_subject_read("$JS.ACK.n1.hash.HL_n1.c.1.42.7.17.0", &s), 0);
	assert_int_equal(s.stream, 42);
	assert_int_equal(s.consumer, 7);
	assert_int_equal(jsack_subject_read("$JS.ACK._.hash.HL_n1.c.1.43.8.17.0.token", &s), 0);
	assert_int_equal(s.stream, 43);
	assert_int_equal(s.consumer, 8);
}

static void
test_subject_others(void **state)
{
	static const char *const wrong[] = {
		NULL,
		"",
		"$JS.ACK",
		"$JS.ACK.",
		"_INBOX.x.1",
		"$JS.ACK.S.c.1.42.7.17",              /* 8 */
		"$JS.ACK.a.S.c.1.42.7.17.0",          /* 10 */
		"$JS.ACK.d.h.S.c.1.42.7.17.0.t.more", /* 13 */
		"$JS.ACK.S.c.1.x.7.17.0",
		"$JS.ACK.S.c.1..7.17.0",
		"$JS.ACK.S.c.1.0.7.17.0",
		"$JS.ACK.S.c.1.-4.7.17.0",
		"$JS.ACK.S.c.1.42.99999999999999999999.17.0",
	};
	struct jsack_seqs s;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(jsack_subject_read(wrong[i], &s), -1);
}

static int
read_ack(const char *text, struct jsack_stored *a)
{
	return (jsack_stored_read(text, strlen(text), a));
}

static void
test_stored(void **state)
{
	struct jsack_stored a;

	assert_int_equal(read_ack("{\"stream\":\"HL_n1\",\"seq\":17}", &a), 0);
	assert_int_equal(a.seq, 17);
	assert_string_equal(a.why, "");
	assert_int_equal(
	    read_ack("{\"stream\":\"HL_n1\",\"domain\":\"n1\",\"seq\": 18 ,\"duplicate\":true}",
		&a),
	    0);
	assert_int_equal(a.seq, 18);
}

static void
test_refused(void **state)
{
	struct jsack_stored a;

	assert_int_equal(read_ack("{\"error\":{\"code\":400,\"err_code\":10071,\"description\":"
				  "\"wrong last sequence: 5\"},\"stream\":\"HL_n1\",\"seq\":0}",
			     &a),
	    0);
	assert_int_equal(a.seq, 0);
	assert_int_equal(a.err_code, 10071);
	assert_string_equal(a.why, "wrong last sequence: 5");
	assert_int_equal(read_ack("{\"error\":{}}", &a), 0);
	assert_string_equal(a.why, "refused");
}

static void
test_no_answer(void **state)
{
	static const char *const wrong[] = {
		"",
		"{",
		"{}",
		"{\"seq\":}",
		"{\"seq\":0}",
		"{\"seq\":12",
		"{\"seq\":\"5\"}",
		"{\"error\":5}",
		"{\"error\":",
		"{\"seq\":123456789012345678901}",
	};
	struct jsack_stored a;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(read_ack(wrong[i], &a), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subject_v1),
		cmocka_unit_test(test_subject_v2),
		cmocka_unit_test(test_subject_others),
		cmocka_unit_test(test_stored),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_answer),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
