#include "config.h"

#include "opsd/store/logtail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/base/frame.h"
#include "common/base/mem.h"

/* The end of the log in memory: all of it from any place on that is there, and bounded. */

static void
add_group(struct logtail *t, uint64_t first, uint64_t last, size_t payload)
{
	uint8_t *bytes = xcalloc(1, payload + 1);
	struct buf b = { 0 };

	for (uint64_t seq = first; seq <= last; seq++) {
		struct log_entry e = {
			.seq = seq,
			.mark = seq,
			.payload = bytes,
			.len = (uint32_t)payload,
		};

		log_entry_write(&b, &e);
	}
	logtail_add(t, first, last, &b);
	assert_null(b.data);
	free(bytes);
}

/* It gives after + 1 to last, in order; or, with last 0, nothing at all. */
static void
check_from(struct logtail *t, uint64_t after, uint64_t last)
{
	struct logtail_iter *it = logtail_from(t, after);
	uint64_t seq = after;
	const uint8_t *p;
	size_t len;

	if (last == 0) {
		assert_null(it);
		return;
	}
	assert_non_null(it);
	while ((p = logtail_next(it, &len)) != NULL) {
		struct rd r = rd_init(p, len);
		struct log_entry e;

		assert_int_equal(log_entry_read(&r, &e), 0);
		assert_true(rd_done(&r));
		assert_int_equal(e.seq, ++seq);
	}
	assert_int_equal(seq, last);
	logtail_iter_free(it);
}

static void
test_places(void **state)
{
	struct logtail *t = logtail_new();

	check_from(t, 0, 0);
	add_group(t, 11, 11, 100);
	add_group(t, 12, 15, 100);
	add_group(t, 16, 400, 10);
	check_from(t, 9, 0);
	check_from(t, 10, 400);
	check_from(t, 11, 400);
	check_from(t, 13, 400);
	check_from(t, 399, 400);
	check_from(t, 400, 0);
	for (uint64_t seq = 401; seq < 700; seq++)
		add_group(t, seq, seq, 10);
	for (uint64_t after = 10; after < 699; after++)
		check_from(t, after, 699);
	logtail_free(t);
}

static void
test_bound(void **state)
{
	struct logtail *t = logtail_new();
	uint64_t seq, first = 0;

	for (seq = 1; seq <= 1000; seq++)
		add_group(t, seq, seq, 16000);
	while (first < 1000) {
		struct logtail_iter *it = logtail_from(t, first);

		logtail_iter_free(it);
		if (it != NULL)
			break;
		first++;
	}
	assert_in_range(1000 - first, LOGTAIL_MAX / 40000, LOGTAIL_MAX / 16000);
	check_from(t, first, 1000);
	/* What is larger alone is not kept, nor what was before it. */
	add_group(t, 1001, 1001, LOGTAIL_MAX);
	check_from(t, 1000, 0);
	add_group(t, 1002, 1002, 10);
	check_from(t, 1001, 1002);
	logtail_free(t);
}

static void
test_gone(void **state)
{
	struct logtail *t = logtail_new();
	struct logtail_iter *it;
	size_t len;

	add_group(t, 1, 3, 10);
	add_group(t, 6, 7, 10); /* what others do not follow is of no use */
	check_from(t, 0, 0);
	check_from(t, 5, 7);
	it = logtail_from(t, 5);
	logtail_clear(t);
	check_from(t, 5, 0);
	assert_non_null(logtail_next(it, &len)); /* who reads has it */
	logtail_iter_free(it);
	add_group(t, 8, 9, 10);
	check_from(t, 7, 9);
	logtail_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_gone),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
