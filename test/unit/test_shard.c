#include "config.h"

#include "common/base/shard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static unsigned
of(const char *database, const char *table, unsigned n)
{
	return (shard_of(database, strlen(database), table, strlen(table), n));
}

/* All nodes of a cluster have to say the same, of any build. */
static void
test_known(void **state)
{
	assert_int_equal(of("dev", "dog", 1), 0);
	assert_int_equal(of("dev", "dog", 2), 1);
	assert_int_equal(of("dev", "cat", 4), 1);
	assert_int_equal(of("data", "breed", 16), 9);
}

/* Where a database ends counts. */
static void
test_parts(void **state)
{
	int differ = 0;

	for (unsigned n = 2; n <= SHARDS_MAX; n++)
		differ += of("ab", "c", n) != of("a", "bc", n);
	assert_true(differ > 5);
}

/* Tables of usual names come into all streams, none has most. */
static void
test_spread(void **state)
{
	for (unsigned n = 2; n <= SHARDS_MAX; n++) {
		unsigned have[SHARDS_MAX] = { 0 };
		char name[16];

		for (unsigned i = 0; i < 100 * n; i++) {
			snprintf(name, sizeof(name), "t%u", i);
			have[of("data", name, n)]++;
		}
		for (unsigned k = 0; k < n; k++)
			assert_in_range(have[k], 60, 145);
	}
}

static void
test_on_the_wire(void **state)
{
	static const struct shard bad[] = { { 0, 0 }, { 1, 1 }, { 0, SHARDS_MAX + 1 } };
	struct buf b = { 0 };
	struct rd r;

	shard_write(&b, (struct shard){ 3, 4 });
	for (size_t i = 0; i < 3; i++)
		shard_write(&b, bad[i]);
	r = rd_init(b.data, b.len);
	assert_true(shard_same(shard_read(&r), (struct shard){ 3, 4 }));
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(shard_read(&r).n, 0);
	assert_true(rd_done(&r));
	assert_int_equal(shard_read(&r).n, 0);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_on_the_wire),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
