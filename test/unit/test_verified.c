#include "config.h"

#include "opsd/auth/verified.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "opsd/auth/user.h"
#include "opsd/store/sysrow.h"
#include "test/unit/opendata.h"

static struct opendata node;
static struct verified *v;
static const uint8_t first[VERIFIED_ID] = "first", second[VERIFIED_ID] = "second",
		     third[VERIFIED_ID] = "third";

static time_t ahead_s;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = __real_clock_gettime(id, ts);

	if (id == CLOCK_MONOTONIC)
		ts->tv_sec += ahead_s;
	return (rc);
}

/* `hashed` stands for the password's hash. */
static void
put_user(const char *name, const char *hashed, int active)
{
	json_t *row = json_pack("{s:s, s:s, s:b, s:s}", "username", name, "password", hashed,
	    "active", active, "role", "none");
	char *err = NULL;

	assert_int_equal(sysrow_put(&node.data, SYS_USER, row, &err), 200);
	json_decref(row);
}

static void
verify_user(const uint8_t id[VERIFIED_ID], const char *name, uint64_t us)
{
	uint64_t generation = verified_generation(v);
	struct user *u = user_load(&node.data, name);

	assert_non_null(u);
	verified_add(v, id, u, generation, us);
	user_unref(u);
}

static void
assert_known(const uint8_t id[VERIFIED_ID], const char *name, int active)
{
	struct user *u = verified_find(v, id);

	assert_non_null(u);
	assert_string_equal(u->name, name);
	assert_int_equal(u->active, active);
	user_unref(u);
}

static void
test_each_header_has_its_user(void **state)
{
	put_user("ann", "a1", 1);
	put_user("bob", "b1", 1);
	assert_null(verified_find(v, first));
	verify_user(first, "ann", UINT64_MAX);
	verify_user(second, "bob", UINT64_MAX);
	assert_known(first, "ann", 1);
	assert_known(second, "bob", 1);
	assert_null(verified_find(v, third));
	/* Once more under the same header: the later one. */
	verify_user(first, "bob", UINT64_MAX);
	assert_known(first, "bob", 1);
}

/* The password holds as long as it is the user's; all else is as it is now. */
static void
test_user_that_changed(void **state)
{
	put_user("ann", "a1", 1);
	verify_user(first, "ann", UINT64_MAX);
	put_user("ann", "a1", 0);
	/* Nobody has said so yet. */
	assert_known(first, "ann", 1);
	verified_changed(v);
	assert_known(first, "ann", 0);
	assert_known(first, "ann", 0);
	put_user("ann", "a2", 1);
	verified_changed(v);
	assert_null(verified_find(v, first));
	verify_user(first, "ann", UINT64_MAX);
	assert_known(first, "ann", 1);
}

static void
test_user_that_is_gone(void **state)
{
	char *err = NULL;

	put_user("ann", "a1", 1);
	verify_user(first, "ann", UINT64_MAX);
	assert_int_equal(sysrow_remove(&node.data, SYS_USER, "ann", &err), 200);
	verified_changed(v);
	assert_null(verified_find(v, first));
	/* One of that name that comes later is somebody else. */
	put_user("ann", "a9", 1);
	verified_changed(v);
	assert_null(verified_find(v, first));
}

/* A change between reading the user and adding it is not missed. */
static void
test_changed_while_it_was_verified(void **state)
{
	uint64_t generation = verified_generation(v);
	struct user *u;

	put_user("ann", "a1", 1);
	u = user_load(&node.data, "ann");
	put_user("ann", "a2", 1);
	verified_changed(v);
	verified_add(v, first, u, generation, UINT64_MAX);
	user_unref(u);
	assert_null(verified_find(v, first));
}

static void
test_forgotten(void **state)
{
	put_user("ann", "a1", 1);
	/* A token that has just expired. */
	verify_user(first, "ann", 0);
	assert_null(verified_find(v, first));
	/* No room: what was known is verified again. */
	verify_user(first, "ann", UINT64_MAX);
	verify_user(second, "ann", UINT64_MAX);
	verify_user(third, "ann", UINT64_MAX);
	assert_null(verified_find(v, first));
	assert_null(verified_find(v, second));
	assert_known(third, "ann", 1);
}

/* Who goes on is known on, but not beyond the end of a token. */
static void
test_known_while_used(void **state)
{
	put_user("ann", "a1", 1);
	verify_user(first, "ann", UINT64_MAX);
	verify_user(second, "ann", 50000000);
	for (int i = 0; i < 2; i++) {
		ahead_s += 20;
		assert_known(first, "ann", 1);
		assert_known(second, "ann", 1);
	}
	ahead_s += 20;
	assert_known(first, "ann", 1);
	assert_null(verified_find(v, second));
	ahead_s += 30;
	assert_null(verified_find(v, first));
}

static int
setup(void **state)
{
	v = verified_new(&node.data, 2);
	return (0);
}

static int
teardown(void **state)
{
	verified_free(v);
	return (0);
}

static int
setup_all(void **state)
{
	if (make_folder(state) == -1)
		return (-1);
	opendata_open(&node, "node");
	return (0);
}

static int
teardown_all(void **state)
{
	opendata_close(&node);
	return (remove_folder(state));
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_each_header_has_its_user),
		test(test_user_that_changed),
		test(test_user_that_is_gone),
		test(test_changed_while_it_was_verified),
		test(test_forgotten),
		test(test_known_while_used),
	};

	log_init("test_verified", LOG_ERROR);
	return (cmocka_run_group_tests(tests, setup_all, teardown_all));
}
