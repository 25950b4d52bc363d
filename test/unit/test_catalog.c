#include "config.h"

#include "opsd/store/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "common/base/log.h"
#include "test/unit/folder.h"

/* Bytes, where that can be asked. */
static size_t
taken(void)
{
#ifdef __GLIBC__
	struct mallinfo2 m = mallinfo2();

	return (m.uordblks + m.hblkhd);
#else
	return (0);
#endif
}

static void
put(struct catalog *c, const char *name, uint32_t id)
{
	struct table *t = table_new("dev", name, "id");

	t->id = id;
	catalog_put(c, t);
}

static void
assert_is(struct catalog *c, uint32_t id, const char *name)
{
	struct table *t = catalog_by_id(c, id);

	assert_non_null(t);
	assert_string_equal(t->name, name);
	table_unref(t);
}

/* Ids are seconds: they are far apart, and large. */
static void
test_ids_that_are_far_apart(void **state)
{
	char *path = in_folder("store"), *err = NULL;
	struct store *s = store_open(path, 1 << 20, &err);
	struct catalog *c = catalog_load(s, &err);
	size_t before;

	assert_non_null(c);
	before = taken();
	put(c, "a", 64);
	put(c, "b", 1 << 20);
	put(c, "c", 1 << 23);
	assert_true(taken() - before < 100000);
	assert_is(c, SYS_USER, "hdb_user");
	assert_is(c, 64, "a");
	assert_is(c, 1 << 23, "c");
	assert_null(catalog_by_id(c, 65));
	/* A new version of it, and one that was dropped and made again. */
	put(c, "b", 1 << 20);
	assert_is(c, 1 << 20, "b");
	put(c, "b", 1 << 21);
	assert_is(c, 1 << 21, "b");
	assert_null(catalog_by_id(c, 1 << 20));
	catalog_drop(c, 1 << 21);
	catalog_drop(c, 1 << 20);
	assert_null(catalog_by_id(c, 1 << 21));
	assert_null(catalog_get(c, "dev", "b"));
	assert_is(c, 64, "a");
	catalog_free(c);
	store_close(s);
	free(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_that_are_far_apart),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
