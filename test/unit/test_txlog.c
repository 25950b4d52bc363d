#include "config.h"

#include "opsd/store/txlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/formats.h"
#include "common/base/mem.h"
#include "opsd/store/txn.h"
#include "test/unit/folder.h"

/* A log in a store that can be copied and put back, as a node's folder is. */
struct node {
	char *path;
	struct store *store;
	struct txlog log;
};

static void
start(struct node *n, const char *name)
{
	char *err = NULL;

	n->path = in_folder(name);
	n->store = store_open(n->path, 1 << 20, &err);
	assert_non_null(n->store);
	assert_int_equal(txlog_open(&n->log, n->store, &err), 0);
}

static void
stop(struct node *n)
{
	txlog_close(&n->log);
	store_close(n->store);
	free(n->path);
}

/* One more entry; where it is. */
static struct log_pos
add(struct node *n)
{
	struct store_batch *b = store_batch_new(n->store);
	struct log_entry e = { .seq = ++n->log.last, .table = 64 };
	struct buf k = { 0 }, v = { 0 }, payload = { 0 };

	txn_begin(&payload, TXN_WRITE, TXN_UPSERT, n->log.node, "", "data", "t", "id");
	e.payload = payload.data;
	e.len = (uint32_t)payload.len;
	e.ms = e.seq * 1000;
	txlog_mark(&n->log, b, &e);
	buf_be64(&k, e.seq);
	log_entry_write(&v, &e);
	store_batch_put(b, CF_LOG, k.data, k.len, v.data, v.len);
	txlog_save(&n->log, b, 0);
	assert_int_equal(store_write(n->store, b, 0), 0);
	n->log.durable = (uint64_t)n->log.last;
	store_batch_free(b);
	buf_free(&k);
	buf_free(&v);
	buf_free(&payload);
	return ((struct log_pos){ .seq = e.seq, .mark = e.mark });
}

/* Entries up to seq go, as by retention. */
static void
trim(struct node *n, uint64_t seq)
{
	struct store_batch *b = store_batch_new(n->store);
	struct buf from = { 0 }, to = { 0 };

	buf_be64(&from, 0);
	buf_be64(&to, seq + 1);
	store_batch_delete_range(b, CF_LOG, from.data, from.len, to.data, to.len);
	n->log.trimmed = seq;
	txlog_save(&n->log, b, 0);
	assert_int_equal(store_write(n->store, b, 0), 0);
	store_batch_free(b);
	buf_free(&from);
	buf_free(&to);
}

static int
has(struct node *n, struct log_pos at)
{
	return (txlog_has(&n->log, NULL, n->log.incarnation, at.seq, at.mark));
}

static void
test_starts_are_one_history(void **state)
{
	struct node n = { 0 };
	struct log_pos at[5];

	for (int i = 0; i < 5; i++) {
		start(&n, "starts");
		at[i] = add(&n);
		stop(&n);
	}
	start(&n, "starts");
	for (int i = 0; i < 5; i++)
		assert_true(has(&n, at[i]));
	trim(&n, 3);
	for (int i = 0; i < 5; i++)
		assert_true(has(&n, at[i]));
	assert_true(has(&n, (struct log_pos){ 0 }));
	assert_false(has(&n, (struct log_pos){ .seq = 6, .mark = at[4].mark }));
	assert_false(has(&n, (struct log_pos){ .seq = 4, .mark = at[4].mark }));
	stop(&n);
}

/* What was written after the copy was taken is not in a log that goes on from it. */
static void
test_put_back(void **state)
{
	struct node n = { 0 };
	struct log_pos before, lost[2], others[4];

	start(&n, "back");
	before = add(&n);
	stop(&n);
	assert_int_equal(copy_in_folder("back", "copy"), 0);
	start(&n, "back");
	lost[0] = add(&n);
	lost[1] = add(&n);
	stop(&n);
	assert_int_equal(copy_in_folder("copy", "back"), 0);
	start(&n, "back");
	assert_false(has(&n, lost[0]));
	for (int i = 0; i < 4; i++)
		others[i] = add(&n);
	assert_true(has(&n, before));
	assert_false(has(&n, lost[0]));
	assert_false(has(&n, lost[1]));
	assert_true(has(&n, others[3]));
	/* The entries themselves need not be kept. */
	trim(&n, 4);
	assert_true(has(&n, before));
	assert_false(has(&n, lost[0]));
	assert_false(has(&n, lost[1]));
	assert_true(has(&n, others[1]));
	stop(&n);
	start(&n, "back");
	assert_true(has(&n, before));
	assert_false(has(&n, lost[1]));
	stop(&n);
}

/* A copy that is taken while the node runs and goes on. */
static void
test_put_back_in_one_life(void **state)
{
	struct node n = { 0 };
	struct log_pos before, lost;

	start(&n, "live");
	before = add(&n);
	assert_int_equal(copy_in_folder("live", "picture"), 0);
	lost = add(&n);
	stop(&n);
	assert_int_equal(copy_in_folder("picture", "live"), 0);
	start(&n, "live");
	add(&n);
	trim(&n, 2);
	assert_true(has(&n, before));
	assert_false(has(&n, lost));
	stop(&n);
}

static void
test_incarnations(void **state)
{
	struct node n = { 0 };
	struct log_pos at;
	uint64_t own;

	start(&n, "incarnations");
	at = add(&n);
	add(&n);
	own = n.log.incarnation;
	assert_true(txlog_has(&n.log, NULL, own - 1, at.seq + 5, 1)); /* copies anyway */
	assert_false(txlog_has(&n.log, NULL, own + 1, at.seq, at.mark));
	/* A number more, and the log is the same one. */
	n.log.incarnation++;
	assert_true(txlog_has(&n.log, NULL, own, at.seq, at.mark));
	assert_false(txlog_has(&n.log, NULL, own, at.seq, at.mark + 1));
	assert_true(txlog_has(&n.log, NULL, own - 1, at.seq, at.mark + 1));
	n.log.acked = at.seq;
	txlog_begin(&n.log, own, own - 5);
	assert_int_equal(n.log.incarnation, own + 2);
	assert_int_equal(n.log.begun, own + 2);
	assert_int_equal(n.log.begun_at, at.seq);
	txlog_begin(&n.log, own + 7, own + 9);
	assert_int_equal(n.log.incarnation, own + 9);
	/* Another start knows it. */
	add(&n);
	stop(&n);
	start(&n, "incarnations");
	assert_int_equal(n.log.begun, own + 9);
	assert_int_equal(n.log.begun_at, at.seq);
	stop(&n);
}

/* Lives that are no longer known are not believed: whoever stands there copies. */
static void
test_many_lives(void **state)
{
	struct node n = { 0 };
	struct log_pos at[5001];

	start(&n, "many");
	for (int i = 0; i <= 5000; i++) {
		at[i] = add(&n);
		n.log.life++; /* as by a start */
		n.log.alive = 0;
	}
	stop(&n);
	start(&n, "many");
	assert_int_equal(n.log.nlives, 4096);
	assert_true(has(&n, at[0])); /* the entry itself is kept */
	at[0].mark += UINT64_C(1) << 32;
	assert_false(has(&n, at[0]));
	at[0].mark -= UINT64_C(1) << 32;
	trim(&n, 5001);
	assert_false(has(&n, at[0]));
	assert_false(has(&n, at[5000 - 4096]));
	assert_true(has(&n, at[5001 - 4096]));
	assert_true(has(&n, at[5000]));
	at[5000].mark += UINT64_C(1) << 32;
	assert_false(has(&n, at[5000]));
	stop(&n);
}

struct since {
	uint32_t table;
	uint64_t from_ms;
};

static int
is_since(const struct log_entry *e, void *arg)
{
	const struct since *s = arg;

	return (e->table == s->table && e->ms >= s->from_ms);
}

/* Entries of a table after a sequence and from a time on, at most `max` bytes; what `upto` says. */
static uint64_t
read_table(struct node *n, uint64_t after, uint64_t from_ms, uint32_t max, const uint64_t *wanted,
    int count)
{
	struct buf out = { 0 };
	struct log_entry e;
	struct rd r;
	struct since s = { 64, from_ms };
	struct log_read q = { .after = after,
		.max = max,
		.scan = 1 << 20,
		.wants = is_since,
		.arg = &s };

	assert_int_equal(txlog_read_entries(&n->log, &q, &out), count);
	r = rd_init(out.data, out.len);
	for (int i = 0; i < count; i++) {
		assert_int_equal(log_entry_read(&r, &e), 0);
		assert_int_equal(e.seq, wanted[i]);
	}
	assert_true(rd_done(&r));
	buf_free(&out);
	return (q.upto);
}

static void
test_reading(void **state)
{
	struct node n = { 0 };
	const uint64_t all[] = { 1, 2, 3, 4 };

	start(&n, "reading");
	for (int i = 0; i < 4; i++)
		add(&n);
	assert_int_equal(read_table(&n, 0, 0, 1 << 20, all, 4), 4);
	assert_int_equal(read_table(&n, 2, 0, 1 << 20, all + 2, 2), 4);
	assert_int_equal(read_table(&n, 4, 0, 1 << 20, all, 0), 4);
	/* From a start time on: that very millisecond is among them. */
	assert_int_equal(read_table(&n, 0, 3000, 1 << 20, all + 2, 2), 4);
	assert_int_equal(read_table(&n, 0, 3001, 1 << 20, all + 3, 1), 4);
	/* In pieces: one entry each, and each goes on where the former ended. */
	for (uint64_t at = 0; at < 4; at++)
		assert_int_equal(read_table(&n, at, 0, 1, all + at, 1), at + 1);
	/* What is not durable is not there yet. */
	n.log.durable = 2;
	assert_int_equal(read_table(&n, 0, 0, 1 << 20, all, 2), 2);
	stop(&n);
}

static int
odd(const struct log_entry *e, void *arg)
{
	return (e->seq % 2 == 1);
}

/* Entries that nobody gets are passed over, and count as seen. */
static void
test_passing_over(void **state)
{
	struct node n = { 0 };
	struct log_read q = { .max = 1 << 20, .scan = 1 << 20, .wants = odd };
	struct buf out = { 0 };

	start(&n, "passing");
	for (int i = 0; i < 4; i++)
		add(&n);
	q.after = 1;
	assert_int_equal(txlog_read(&n.log, &q, &out), 1);
	assert_int_equal(q.last, 3);
	assert_int_equal(q.upto, 4);
	assert_false(q.cut);
	q.after = 3;
	assert_int_equal(txlog_read(&n.log, &q, &out), 0);
	assert_int_equal(q.upto, 4);
	buf_free(&out);
	stop(&n);
}

static void
renew(struct node *n, const uint8_t *id)
{
	struct store_batch *b = store_batch_new(n->store);

	txlog_renew(&n->log, b, id, 1000);
	txlog_save(&n->log, b, 0);
	assert_int_equal(store_write(n->store, b, 0), 0);
	store_batch_free(b);
}

/* What another id wrote is not in the log of this one, also not what it still wrote after that. */
static void
test_another_id(void **state)
{
	const uint8_t id[NODE_ID_LEN] = { 7 };
	struct node n;

	(void)state;
	start(&n, "renewed");
	add(&n);
	renew(&n, id);
	add(&n);
	stop(&n);
	start(&n, "renewed");
	assert_memory_equal(n.log.node, id, NODE_ID_LEN);
	assert_int_equal(n.log.trimmed, 2);
	assert_int_equal(txlog_ms(&n.log, 0), 0);
	add(&n);
	assert_int_equal(n.log.trimmed, 2);
	assert_int_equal(txlog_ms(&n.log, 0), 3000);
	stop(&n);
}

/* Not opened, and the reason has both numbers. */
static void
test_other_store_format(void **state)
{
	struct node n = { 0 };
	struct store_batch *b;
	struct buf v = { 0 };
	char *err = NULL, *words;

	start(&n, "other");
	txlog_close(&n.log);
	buf_u16(&v, 99);
	buf_add(&v, n.log.node, NODE_ID_LEN);
	b = store_batch_new(n.store);
	store_batch_put(b, CF_META, "F", 1, v.data, v.len);
	assert_int_equal(store_write(n.store, b, 1), 0);
	store_batch_free(b);
	memset(&n.log, 0, sizeof(n.log));
	assert_int_equal(txlog_open(&n.log, n.store, &err), -1);
	words = xasprintf("reads format %u:", formats.store);
	assert_non_null(strstr(err, "the store is of format 99"));
	assert_non_null(strstr(err, words));
	free(words);
	free(err);
	buf_free(&v);
	store_close(n.store);
	free(n.path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_are_one_history),
		cmocka_unit_test(test_another_id),
		cmocka_unit_test(test_other_store_format),
		cmocka_unit_test(test_put_back),
		cmocka_unit_test(test_put_back_in_one_life),
		cmocka_unit_test(test_incarnations),
		cmocka_unit_test(test_many_lives),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_passing_over),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
