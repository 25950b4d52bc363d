#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "opsd/snapshot/snapfile.h"
#include "opsd/snapshot/snaprestore.h"
#include "opsd/snapshot/snapstore.h"
#include "opsd/snapshot/snaptake.h"
#include "opsd/snapshot/snapwanted.h"
#include "test/unit/twopeers.h"

/*
 * A snapshot of a table that two peers have: their cursors go on where it stands, when it is theirs and
 * is whole; else they copy.
 */

static struct snapwanted *wanted;

static int
holds(void *arg, const char *database, const char *table)
{
	(void)arg;
	return (snapwanted_holds(wanted, database, table, mono_us()));
}

static int
setup(void **state)
{
	struct openrep *r = openrep_begin(state, "dog", NULL);

	twopeers_enter(r);
	wanted = snapwanted_new();
	r->rep.snapshots.holds = holds;
	return (0);
}

static int
teardown(void **state)
{
	int rc = openrep_end(state);

	snapwanted_free(wanted);
	return (rc);
}

/* All that the peer's table had, up to there. */
static void
begin_whole(struct openrep *r, const uint8_t *peer, uint32_t id, uint64_t seq)
{
	struct cursor_event e = {
		.kind = ON_SUBSCRIBED,
		.incarnation = LIFE,
		.at = { seq, MARK(seq), 1000 },
		.done = 1,
	};

	twopeers_on(r, peer, id, e);
}

static void
assert_at(struct openrep *r, const uint8_t *peer, uint32_t id, enum cursor_state state,
    uint64_t seq)
{
	assert_state(r, peer, id, state);
	assert_int_equal(view_of(r, peer, id)->seq, seq);
}

static char *
take(struct openrep *r)
{
	char *path = in_folder("snapshot"), *err = NULL;
	struct snaptaken taken;

	if (snaptake_file(&r->rep, path, &taken, &err) == -1)
		fail_msg("%s", err);
	assert_int_equal(taken.tables, 1);
	return (path);
}

static void
restore(struct openrep *r, const char *path)
{
	struct snaprestored done = { 0 };
	char *err = NULL;

	if (snaprestore_check(&r->rep, path, &err) == -1 ||
	    snaprestore_file(&r->rep, path, wanted, &done, &err) == -1)
		fail_msg("%s", err);
}

static void
remove_run(struct group *g, void *arg)
{
	struct cursors *f = replication_of(g)->cursors;

	(void)arg;
	cursors_remove(g, cursors_find(f, boston, BOSTON));
	cursors_remove(g, cursors_find(f, austin, AUSTIN));
}

/* What is in the snapshot is the node's own; the cursors are begun anew. */
static void
test_placed(void **state)
{
	struct openrep *r = *state;
	char *path;
	json_t *a;

	assert_int_equal(opendata_write(&r->o, "dog", TXN_INSERT, "[{\"id\":1,\"a\":5}]"), 200);
	begin_whole(r, boston, BOSTON, 8);
	begin_whole(r, austin, AUSTIN, 9);
	path = take(r);
	openrep_call(r, remove_run, NULL);
	copy_all(r, boston, BOSTON);
	copy_all(r, austin, AUSTIN);
	assert_at(r, boston, BOSTON, CURSOR_QUEUED, 0);
	assert_at(r, austin, AUSTIN, CURSOR_QUEUED, 0);
	restore(r, path);
	assert_at(r, boston, BOSTON, CURSOR_FETCH, 8);
	assert_at(r, austin, AUSTIN, CURSOR_FETCH, 9);
	a = opendata_value(&r->o, "dog", "1", "a");
	assert_int_equal(json_integer_value(a), 5);
	json_decref(a);
	free(path);
}

/* Of austin not all was here: it is copied, once the snapshot is in. */
static void
test_partial(void **state)
{
	struct openrep *r = *state;
	struct cursor_event now = {
		.kind = ON_SUBSCRIBED,
		.incarnation = LIFE,
		.at = { 9, MARK(9), 1000 },
	};
	char *path;

	begin_whole(r, boston, BOSTON, 8);
	twopeers_on(r, austin, AUSTIN, now);
	path = take(r);
	openrep_call(r, remove_run, NULL);
	copy_all(r, austin, AUSTIN);
	copy_all(r, boston, BOSTON);
	restore(r, path);
	assert_at(r, boston, BOSTON, CURSOR_FETCH, 8);
	assert_int_equal(cursor_view(cursors_find(r->rep.cursors, austin, AUSTIN))->seq, 0);
	assert_false(snapwanted_has(wanted, "dev", "dog"));
	free(path);
}

/* Who is met later begins there as well. */
static void
test_met_later(void **state)
{
	struct openrep *r = *state;
	char *path;

	begin_whole(r, boston, BOSTON, 8);
	begin_whole(r, austin, AUSTIN, 9);
	path = take(r);
	openrep_call(r, remove_run, NULL);
	copy_all(r, boston, BOSTON);
	restore(r, path);
	assert_at(r, boston, BOSTON, CURSOR_FETCH, 8);
	copy_all(r, austin, AUSTIN);
	assert_at(r, austin, AUSTIN, CURSOR_FETCH, 9);
	free(path);
}

static void
test_too_old(void **state)
{
	struct openrep *r = *state;
	char *path = in_folder("snapshot"), *err = NULL;
	struct snapfile_head h = {
		.name = (char *)(uintptr_t) "here",
		.version = (char *)(uintptr_t) "1",
		.taken_ms = wall_ms() - 600000, /* of tombstones for 1000 s */
	};
	struct buf out = { 0 };
	struct snapwriter *w = snapwriter_new(&h, &out);

	snapwriter_end(w);
	snapwriter_free(w);
	assert_int_equal(file_put(path, 0600, out.data, out.len), 0);
	assert_int_equal(snaprestore_check(&r->rep, path, &err), -1);
	assert_non_null(strstr(err, "more than half of storage.tombstoneRetention"));
	free(err);
	free(path);
	buf_free(&out);
}

static void
test_wanted(void **state)
{
	const uint64_t at = 5000000000;

	(void)state;
	assert_int_equal(snapwanted_holds(wanted, "a", "t", at), 1);
	assert_int_equal(snapwanted_count(wanted, at, 1), 0);
	assert_int_equal(snapwanted_count(wanted, at + 1, 1), 1);
	assert_false(snapwanted_has(wanted, "at", ""));
	snapwanted_tried(wanted, "a", "t", at);
	assert_int_equal(snapwanted_holds(wanted, "a", "t", at + 1), 0);
	assert_int_equal(snapwanted_holds(wanted, "a", "t", at + SNAPWANTED_TRIED_US), 1);
	/* Nobody works for it. */
	assert_int_equal(snapwanted_holds(wanted, "b", "t", at), 1);
	snapwanted_moved(wanted, at + 10);
	assert_int_equal(snapwanted_holds(wanted, "b", "t", at + SNAPWANTED_MOST_US), 1);
	assert_int_equal(snapwanted_holds(wanted, "b", "t", at + 10 + SNAPWANTED_MOST_US), 0);
}

static void
test_names(void **state)
{
	const uint64_t ms = 1795953613123;
	char name[SNAPSTORE_NAME];

	(void)state;
	snapstore_name(name, ms, boston);
	assert_int_equal(snapstore_taken_ms(name), ms);
	name[strlen(name) - 1] = 'x';
	assert_int_equal(snapstore_taken_ms(name), 0);
	assert_int_equal(snapstore_taken_ms("snapshot.db"), 0);
	assert_int_equal(snapstore_taken_ms(""), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_placed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partial, setup, teardown),
		cmocka_unit_test_setup_teardown(test_met_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
