#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "opsd/store/expire.h"
#include "test/unit/opendata.h"

/*
 * The store with its commit thread, as write requests and changes of definitions use it.  The linker gives
 * us what it calls: whether a batch was written, and a disk that fails; a clock that is ahead.
 */
static _Atomic int writes, syncs, logged, disk_fails;
static _Atomic uint64_t ahead_ms;
static void (*before_commit)(void *arg);
static void *before_arg;

int __real_store_write(struct store *s, struct store_batch *b, int sync);
int __wrap_store_write(struct store *s, struct store_batch *b, int sync);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_commit_wait(struct commit *c, struct commit_job *j);
int __wrap_commit_wait(struct commit *c, struct commit_job *j);

int
__wrap_store_write(struct store *s, struct store_batch *b, int sync)
{
	int rc = disk_fails ? -1 : __real_store_write(s, b, sync);

	writes++;
	syncs += sync;
	return (rc);
}

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = __real_clock_gettime(id, ts);

	if (id == CLOCK_REALTIME)
		ts->tv_sec += (time_t)(ahead_ms / 1000);
	return (rc);
}

/* Something happens between the moment that a worker looked, and that its job runs. */
int
__wrap_commit_wait(struct commit *c, struct commit_job *j)
{
	void (*fn)(void *arg) = before_commit;

	before_commit = NULL;
	if (fn != NULL)
		fn(before_arg);
	return (__real_commit_wait(c, j));
}

static int
open_table(void **state)
{
	static struct opendata o;
	static char name[32];
	static int n;

	snprintf(name, sizeof(name), "node%d", n++);
	ahead_ms = 0;
	opendata_open(&o, name);
	assert_int_equal(opendata_define(&o, DDL_CREATE_DATABASE, NULL, NULL, 0), 200);
	assert_int_equal(opendata_define(&o, DDL_CREATE_TABLE, "dog", NULL, 0), 200);
	*state = &o;
	return (0);
}

static int
close_table(void **state)
{
	opendata_close(*state);
	return (0);
}

static void
restart(struct opendata *o)
{
	char *path = xstrdup(strrchr(conf_str(o->svc.conf, ROOT_PATH), '/') + 1);

	opendata_close(o);
	opendata_open(o, path);
	free(path);
}

static struct table *
table(struct opendata *o, const char *name)
{
	struct table *t = catalog_get(o->data.catalog, "dev", name);

	assert_non_null(t);
	return (t);
}

static void
assert_value(struct opendata *o, const char *key, const char *name, int wanted)
{
	json_t *v = opendata_value(o, "dog", key, name);

	assert_non_null(v);
	assert_int_equal(json_integer_value(v), wanted);
	json_decref(v);
}

/* ---- answers ---- */

struct seen {
	int writes, logged, status; /* when it was answered */
	int pipe[2];
};

static void
seen_done(struct commit_job *j)
{
	struct seen *s = j->arg;
	char c = 'x';

	s->writes = writes;
	s->logged = logged;
	s->status = j->status;
	if (write(s->pipe[1], &c, 1) != 1)
		abort();
}

static struct write *
one_row(struct opendata *o, struct seen *s)
{
	struct table *t = table(o, "dog");
	struct write *w = write_new(t, TXN_INSERT, "tester");
	json_t *record = json_pack("{s:i}", "id", 1);

	assert_int_equal(pipe(s->pipe), 0);
	write_add(w, record, 1 << 20);
	w->job.done = seen_done;
	w->job.arg = s;
	json_decref(record);
	table_unref(t);
	return (w);
}

static void
wait_seen(struct seen *s)
{
	char c;

	assert_int_equal(read(s->pipe[0], &c, 1), 1);
	close(s->pipe[0]);
	close(s->pipe[1]);
}

static void
note_logged(void *arg)
{
	(void)arg;
	logged = (int)writes;
}

/*
 * With everything of it on the disk: a client that is told so may forget what it sent.  By then it is
 * on its way to other nodes.
 */
static void
test_answered_when_it_is_written(void **state)
{
	struct opendata *o = *state;
	struct seen s;
	struct write *w = one_row(o, &s);

	writes = syncs = logged = 0;
	o->data.hooks.logged = note_logged;
	commit_submit(o->data.commit, &w->job);
	wait_seen(&s);
	assert_int_equal(s.status, 200);
	assert_int_equal(s.writes, 1);
	assert_int_equal(s.logged, 1);
	assert_int_equal(syncs, 1);
	write_free(w);
}

/* What the child sends is the status that the client of a disk that fails gets. */
static void
write_to_broken_disk(int to)
{
	struct opendata o;
	struct seen s;
	struct write *w;

	alarm(60);
	opendata_open(&o, "broken");
	opendata_define(&o, DDL_CREATE_DATABASE, NULL, NULL, 0);
	opendata_define(&o, DDL_CREATE_TABLE, "dog", NULL, 0);
	w = one_row(&o, &s);
	disk_fails = 1;
	commit_submit(o.data.commit, &w->job);
	wait_seen(&s);
	if (write(to, &s.status, sizeof(s.status)) != sizeof(s.status))
		_exit(2);
	/* The commit thread ends the process: the store is not to be trusted. */
	commit_stop(o.data.commit);
	_exit(0);
}

static void
test_write_error(void **state)
{
	int fds[2], status = 0, ended;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	if ((pid = fork()) == 0)
		write_to_broken_disk(fds[1]);
	close(fds[1]);
	assert_int_equal(read(fds[0], &status, sizeof(status)), sizeof(status));
	assert_int_equal(waitpid(pid, &ended, 0), pid);
	close(fds[0]);
	assert_int_equal(status, 500);
	assert_true(WIFEXITED(ended));
	assert_int_equal(WEXITSTATUS(ended), 1);
}

/* ---- rows ---- */

static void
test_attribute_given_twice(void **state)
{
	struct opendata *o = *state;

	assert_int_equal(
	    opendata_write(o, "dog", TXN_UPSERT,
		"[{\"id\":1,\"a\":1,\"b\":1},{\"id\":2,\"a\":9},{\"id\":1,\"a\":2,\"c\":3}]"),
	    200);
	assert_value(o, "1", "a", 2);
	assert_value(o, "1", "b", 1);
	assert_value(o, "1", "c", 3);
	assert_int_equal(opendata_write(o, "dog", TXN_UPDATE,
			     "[{\"id\":1,\"a\":5},{\"id\":1,\"a\":4}]"),
	    200);
	assert_value(o, "1", "a", 4);
	/* Of inserts the first one is done. */
	assert_int_equal(opendata_write(o, "dog", TXN_INSERT,
			     "[{\"id\":3,\"a\":5},{\"id\":3,\"a\":4}]"),
	    200);
	assert_value(o, "3", "a", 5);
	/* So of one for a row that is there already. */
	assert_int_equal(opendata_write(o, "dog", TXN_INSERT, "[{\"id\":3,\"a\":6}]"), 200);
	assert_value(o, "3", "a", 5);
}

static uint32_t
id_of(struct opendata *o, const char *name)
{
	struct table *t = table(o, name);
	uint32_t id = t->id;

	table_unref(t);
	return (id);
}

/* Not even when an older table was stored last, and the clock is no help. */
static void
test_table_ids_are_not_used_again(void **state)
{
	struct opendata *o = *state;
	uint32_t gone;

	ahead_ms = 5000;
	assert_int_equal(opendata_define(o, DDL_CREATE_TABLE, "cat", NULL, 0), 200);
	gone = id_of(o, "cat");
	assert_int_equal(opendata_define(o, DDL_CREATE_ATTRIBUTE, "dog", "late", 0), 200);
	assert_int_equal(opendata_define(o, DDL_DROP_TABLE, "cat", NULL, 0), 200);
	ahead_ms = 0;
	restart(o);
	assert_int_equal(opendata_define(o, DDL_CREATE_TABLE, "cat", NULL, 0), 200);
	assert_true(id_of(o, "cat") > gone);
}

static void
test_counts(void **state)
{
	struct opendata *o = *state;
	struct table *t = table(o, "dog");

	opendata_write(o, "dog", TXN_INSERT, "[{\"id\":1},{\"id\":2},{\"id\":3}]");
	opendata_write(o, "dog", TXN_UPSERT, "[{\"id\":1,\"a\":1}]");
	opendata_write(o, "dog", TXN_DELETE, "[2,7]");
	assert_int_equal(t->stat->count, 2);
	table_unref(t);
	restart(o);
	t = table(o, "dog");
	assert_int_equal(t->stat->count, 2);
	assert_int_equal(t->stat->head, o->data.log.last);
	table_unref(t);
}

/* An entry follows the one before it of its own table, by sequence and mark. */
static void
test_log_chains(void **state)
{
	struct opendata *o = *state;
	struct table *t = table(o, "dog");
	struct log_pos had = table_head(t), has;
	struct buf out = { 0 };
	struct log_entry e;
	struct rd r;
	struct log_read q = {
		.after = had.seq,
		.max = 1 << 20,
		.scan = 1 << 20,
		.wants = opendata_is_of,
		.arg = t,
	};

	assert_int_equal(opendata_define(o, DDL_CREATE_TABLE, "cat", NULL, 0), 200);
	opendata_write(o, "dog", TXN_INSERT, "[{\"id\":1}]");
	has = table_head(t);
	assert_int_equal(txlog_read_entries(&o->data.log, &q, &out), 1);
	r = rd_init(out.data, out.len);
	assert_int_equal(log_entry_read(&r, &e), 0);
	assert_int_equal(e.prev, had.seq);
	assert_true(e.prev_mark == had.mark);
	assert_int_equal(e.seq, has.seq);
	assert_true(e.mark == has.mark);
	assert_int_equal(e.seq, e.prev + 2);
	buf_free(&out);
	table_unref(t);
}

/* Stamps never go back, also when the clock does and the node starts anew. */
static void
test_clock_goes_back(void **state)
{
	struct opendata *o = *state;
	struct row row = { 0 };
	struct buf first = { 0 }, second = { 0 };
	struct stamp s;

	ahead_ms = 5000;
	opendata_write(o, "dog", TXN_INSERT, "[{\"id\":1}]");
	opendata_stored(o, "dog", "1", &first);
	ahead_ms = 0;
	restart(o);
	opendata_write(o, "dog", TXN_INSERT, "[{\"id\":2}]");
	opendata_stored(o, "dog", "2", &second);
	assert_int_equal(row_load(&row, first.data, first.len), 0);
	s = row_newest(&row);
	assert_int_equal(row_load(&row, second.data, second.len), 0);
	assert_true(stamp_cmp(row_newest(&row), s) > 0);
	row_free(&row);
	buf_free(&first);
	buf_free(&second);
}

/* ---- definitions ---- */

static const struct attribute *
attribute(const struct table *t, const char *name)
{
	const struct attribute *a = table_attr(t, name, strlen(name));

	assert_non_null(a);
	return (a);
}

/* An index on rows that are there already would have holes. */
static void
test_new_attribute_beside_rows(void **state)
{
	struct opendata *o = *state;
	struct table *t;

	assert_int_equal(opendata_define(o, DDL_CREATE_ATTRIBUTE, "dog", "early", 0), 200);
	opendata_write(o, "dog", TXN_INSERT, "[{\"id\":1}]");
	assert_int_equal(opendata_define(o, DDL_CREATE_ATTRIBUTE, "dog", "late", 0), 200);
	opendata_write(o, "dog", TXN_INSERT, "[{\"id\":2,\"seen\":1}]");
	restart(o);
	t = table(o, "dog");
	assert_true(attribute(t, "early")->indexed);
	assert_true(attribute(t, "early")->whole);
	assert_false(attribute(t, "late")->indexed);
	assert_false(attribute(t, "late")->whole);
	assert_false(attribute(t, "seen")->whole);
	table_unref(t);
}

/* A table that is made again under the name takes nothing that is older. */
static void
test_mark_of_dropped_table(void **state)
{
	struct opendata *o = *state;
	struct table *t = table(o, "dog");
	uint32_t id = t->id;
	struct store_iter *it;

	opendata_write(o, "dog", TXN_INSERT, "[{\"id\":1}]");
	table_unref(t);
	assert_int_equal(opendata_define(o, DDL_DROP_TABLE, "dog", NULL, 0), 200);
	it = store_iter_rows(o->data.store, id);
	assert_false(store_iter_valid(it));
	store_iter_free(it);
	restart(o);
	assert_int_equal(opendata_define(o, DDL_CREATE_TABLE, "dog", NULL, 0), 200);
	t = table(o, "dog");
	assert_true(t->id > id);
	assert_false(stamp_none(t->floor));
	table_unref(t);
	restart(o);
	t = table(o, "dog");
	assert_false(stamp_none(t->floor));
	assert_int_equal(t->stat->count, 0);
	table_unref(t);
}

static void
test_dropped_attribute(void **state)
{
	struct opendata *o = *state;
	struct table *t;

	opendata_write(o, "dog", TXN_INSERT, "[{\"id\":1,\"a\":1}]");
	assert_int_equal(opendata_define(o, DDL_DROP_ATTRIBUTE, "dog", "a", 0), 200);
	restart(o);
	t = table(o, "dog");
	assert_true(attribute(t, "a")->hidden);
	assert_false(stamp_none(attribute(t, "a")->dropped));
	table_unref(t);
}

/* ---- expiration ---- */

static void
update_first(void *arg)
{
	opendata_write(arg, "pup", TXN_UPDATE, "[{\"id\":1,\"a\":2}]");
}

static void
expire_all(struct opendata *o)
{
	struct table *t = table(o, "pup");

	t->stat->expire_next_us = 0;
	expire_run(&o->data);
	while (t->stat->expiring)
		usleep(1000);
	table_unref(t);
}

/* What changed since it was found to be old stays. */
static void
test_expiration_looks_again(void **state)
{
	struct opendata *o = *state;
	struct table *t;

	assert_int_equal(opendata_define(o, DDL_CREATE_TABLE, "pup", NULL, 100), 200);
	opendata_write(o, "pup", TXN_INSERT, "[{\"id\":1,\"a\":1},{\"id\":2,\"a\":1}]");
	expire_all(o);
	t = table(o, "pup");
	assert_int_equal(t->stat->count, 2);
	ahead_ms = 200000;
	before_arg = o;
	before_commit = update_first;
	expire_all(o);
	assert_int_equal(t->stat->count, 1);
	ahead_ms = 400000;
	expire_all(o);
	assert_int_equal(t->stat->count, 0);
	table_unref(t);
	ahead_ms = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_error),
		cmocka_unit_test_setup_teardown(test_answered_when_it_is_written, open_table,
		    close_table),
		cmocka_unit_test_setup_teardown(test_attribute_given_twice, open_table,
		    close_table),
		cmocka_unit_test_setup_teardown(test_table_ids_are_not_used_again, open_table,
		    close_table),
		cmocka_unit_test_setup_teardown(test_counts, open_table, close_table),
		cmocka_unit_test_setup_teardown(test_log_chains, open_table, close_table),
		cmocka_unit_test_setup_teardown(test_clock_goes_back, open_table, close_table),
		cmocka_unit_test_setup_teardown(test_new_attribute_beside_rows, open_table,
		    close_table),
		cmocka_unit_test_setup_teardown(test_mark_of_dropped_table, open_table,
		    close_table),
		cmocka_unit_test_setup_teardown(test_dropped_attribute, open_table, close_table),
		cmocka_unit_test_setup_teardown(test_expiration_looks_again, open_table,
		    close_table),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
