#include "config.h"

#include "opsd/cluster/logfeed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/window.h"
#include "opsd/cluster/incarnation.h"
#include "test/unit/openrep.h"

static const struct shard one = { 0, 1 }; /* all there is */

/* A node whose log goes into a stream, of which the test says where it ends. */
struct fed {
	struct openrep r; /* first */
	struct logfeed *feed;
	int found;
	uint64_t incarnation, after; /* where it goes on */
};

static void
begin(struct fed *f, const char *name)
{
	openrep_open(&f->r, name);
	f->feed = logfeed_new(&f->r.rep, cluster_outlet(f->r.rep.cluster));
}

static void
end(struct fed *f)
{
	logfeed_free(f->feed);
	openrep_close(&f->r);
}

static void
begin_with_table(struct fed *f, const char *name)
{
	struct entering gets = { boston, "boston", "*", 1, 0, 0, 1 };

	begin(f, name);
	assert_int_equal(openrep_call(&f->r, entering_run, &gets), 200);
	assert_int_equal(opendata_define(&f->r.o, DDL_CREATE_TABLE, "t", NULL, 0), 200);
}

static void
found_cb(void *arg, uint64_t incarnation, uint64_t after)
{
	struct fed *f = arg;

	f->found = 1;
	f->incarnation = incarnation;
	f->after = after;
}

static void
look(struct fed *f, const struct logfeed_end *at)
{
	f->found = 0;
	logfeed_tail(f->feed, one, at, found_cb, f);
	while (!f->found)
		event_base_loop(f->r.o.svc.base, EVLOOP_ONCE);
	assert_int_equal(f->incarnation, f->r.o.data.log.incarnation);
}

/* So many entries more; the stream as it ends with the last one. */
static struct logfeed_end
add(struct fed *f, int n)
{
	struct table *t;
	struct log_pos head;

	while (n-- > 0)
		assert_int_equal(opendata_write(&f->r.o, "t", TXN_UPSERT, "[{\"id\":1}]"), 200);
	t = catalog_get(f->r.o.data.catalog, "dev", "t");
	head = table_head(t);
	table_unref(t);
	return ((struct logfeed_end){ f->r.o.data.log.incarnation, head.seq, head.seq, head.seq,
	    head.mark });
}

/* As much is in the stream. */
static void
publish(struct fed *f, const struct logfeed_end *at)
{
	look(f, &(struct logfeed_end){ 0 });
	logfeed_acked(f->feed, one, at->incarnation, at->window);
}

/* A node that is put back to when so much was published; what its stream ends with is lost. */
static struct logfeed_end
put_back(struct fed *f, const char *name, uint64_t *published)
{
	struct logfeed_end at, lost;

	begin_with_table(f, name);
	at = add(f, 2);
	publish(f, &at);
	add(f, 1);
	*published = at.window;
	end(f);
	assert_int_equal(copy_in_folder(name, "backup"), 0);
	begin(f, name);
	lost = add(f, 4);
	end(f);
	assert_int_equal(copy_in_folder("backup", name), 0);
	begin(f, name);
	return (lost);
}

static void
test_goes_on(void **state)
{
	struct fed f;
	struct logfeed_end at;

	begin_with_table(&f, "on");
	at = add(&f, 3);
	look(&f, &(struct logfeed_end){ 0 });
	assert_int_equal(f.after, 0);
	add(&f, 3);
	look(&f, &at);
	assert_int_equal(f.after, at.window);
	end(&f);
}

/* The numbers of what was lost are given again: what has them now is not in the stream. */
static void
test_lost_window(void **state)
{
	struct fed f;
	uint64_t published, seen;
	struct logfeed_end lost = put_back(&f, "window", &published);

	seen = f.r.o.data.log.incarnation;
	add(&f, 1);
	look(&f, &lost);
	assert_true(f.incarnation > seen);
	assert_int_equal(f.after, published);
	seen = f.incarnation;
	add(&f, 9);
	look(&f, &lost);
	assert_int_equal(f.incarnation, seen);
	assert_int_equal(f.after, published);
	end(&f);
	begin(&f, "window");
	look(&f, &lost);
	assert_int_equal(f.incarnation, seen);
	assert_int_equal(f.after, published);
	end(&f);
}

/* The same when a peer is who has what was lost, before the stream is looked at. */
static void
test_lost_at_a_peer(void **state)
{
	struct fed f;
	uint64_t published;
	struct logfeed_end lost = put_back(&f, "peer", &published);
	struct commit_job *j = incarnation_job(lost.incarnation, "boston");

	commit_submit(f.r.o.data.commit, j);
	add(&f, 9);
	look(&f, &lost);
	assert_int_equal(f.after, published);
	end(&f);
}

/* A number is given as well when all is recovered; the log is the same one. */
static void
test_recovered(void **state)
{
	struct fed f;
	uint64_t published;
	struct logfeed_end lost = put_back(&f, "recovered", &published), at;

	look(&f, &lost);
	at = add(&f, 9);
	f.r.o.data.log.incarnation++;
	add(&f, 1);
	look(&f, &at);
	assert_int_equal(f.after, at.window);
	/* Put back to before that, and recovered before it is known. */
	at.mark++;
	look(&f, &at);
	assert_true(f.incarnation > at.incarnation + 1);
	end(&f);
}

/* A stream that is gone was as far as it has said, not as far as the log was then. */
static void
test_acknowledged(void **state)
{
	struct fed f;
	struct logfeed_end at;

	begin_with_table(&f, "acknowledged");
	at = add(&f, 3);
	add(&f, 3);
	publish(&f, &at);
	look(&f, &(struct logfeed_end){ 0 });
	assert_int_equal(f.after, at.window);
	end(&f);
}

/* What retention took is not to be published; nor what is not there yet. */
static void
test_bounds(void **state)
{
	struct fed f;
	struct logfeed_end at;

	begin_with_table(&f, "bounds");
	at = add(&f, 3);
	f.r.o.data.log.trimmed = at.window - 1;
	look(&f, &(struct logfeed_end){ 0 });
	assert_int_equal(f.after, at.window - 1);
	at.window -= 2;
	look(&f, &at);
	assert_int_equal(f.after, at.window + 1);
	at.incarnation--;
	at.window += 100;
	look(&f, &at);
	assert_true(f.after <= f.r.o.data.log.last);
	end(&f);
}

/* ---- several streams ---- */

/* Two tables, one in each of two streams. */
static void
make_two(struct fed *f, char names[2][8])
{
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < 100; i++) {
			snprintf(names[k], 8, "t%u", i);
			if (shard_of("dev", 3, names[k], strlen(names[k]), 2) == k)
				break;
		}
	for (unsigned k = 0; k < 2; k++)
		assert_int_equal(opendata_define(&f->r.o, DDL_CREATE_TABLE, names[k], NULL, 0),
		    200);
}

static uint64_t
write_to(struct fed *f, const char *table)
{
	assert_int_equal(opendata_write(&f->r.o, table, TXN_UPSERT, "[{\"id\":1}]"), 200);
	return (f->r.o.data.log.durable);
}

static uint64_t
look_at(struct fed *f, struct shard s, const struct logfeed_end *at)
{
	f->found = 0;
	logfeed_tail(f->feed, s, at, found_cb, f);
	while (!f->found)
		event_base_loop(f->r.o.svc.base, EVLOOP_ONCE);
	return (f->after);
}

/* Reads all that there is for it; the greatest sequence. */
static uint64_t
read_all(struct fed *f, struct shard s, uint64_t after, unsigned *entries)
{
	struct buf b = { 0 };
	struct window w;

	*entries = 0;
	while (logfeed_read(f->feed, s, after, 1 << 20, &b) == 1) {
		assert_int_equal(window_build(&w, b.data, b.len, boston, 1), 0);
		*entries += (unsigned)w.nframes;
		after = w.last;
		window_free(&w);
		buf_clear(&b);
	}
	buf_free(&b);
	return (after);
}

static void
test_several_streams(void **state)
{
	static const struct shard of[2] = { { 0, 2 }, { 1, 2 } };
	const struct logfeed_end empty = { 0 };
	struct fed f;
	struct txlog *l = &f.r.o.data.log;
	char names[2][8];
	uint64_t first, last[2], after;
	unsigned n;

	begin_with_table(&f, "several");
	make_two(&f, names);
	first = write_to(&f, names[0]);
	/* All of it is in one stream. */
	look(&f, &empty);
	assert_int_equal(read_all(&f, one, 0, &n), first);
	logfeed_acked(f.feed, one, l->incarnation, first);
	/* Of two each goes on there, and has what is for it alone. */
	last[0] = write_to(&f, names[0]);
	last[1] = write_to(&f, names[1]);
	last[1] = write_to(&f, names[1]);
	for (unsigned k = 0; k < 2; k++)
		assert_int_equal(look_at(&f, of[k], &empty), first);
	assert_false(logfeed_has(f.feed, one));
	assert_int_equal(read_all(&f, of[0], first, &n), last[0]);
	assert_int_equal(n, 1);
	assert_int_equal(read_all(&f, of[1], first, &n), last[1]);
	assert_int_equal(n, 2);
	assert_int_equal(l->acked, first);
	/* What all have is what the slowest has. */
	logfeed_acked(f.feed, of[1], l->incarnation, last[1]);
	assert_int_equal(l->acked, first);
	logfeed_acked(f.feed, one, l->incarnation, last[1]); /* late: it is none any more */
	assert_int_equal(l->acked, first);
	logfeed_acked(f.feed, of[0], l->incarnation, last[0]);
	assert_int_equal(l->acked, last[1]);
	/* One that lost its end has it again, and the other does not. */
	after = look_at(&f, of[1], &(struct logfeed_end){ l->incarnation, first, first, 0, 0 });
	assert_int_equal(after, first);
	assert_int_equal(l->acked, first);
	after = look_at(&f, of[0], &(struct logfeed_end){ l->incarnation, last[0], last[0], 0, 0 });
	assert_int_equal(after, last[1]);
	/* What each ended with is known after a restart. */
	logfeed_acked(f.feed, of[1], l->incarnation, last[1]);
	write_to(&f, names[1]);
	end(&f);
	begin(&f, "several");
	after = look_at(&f, of[0],
	    &(struct logfeed_end){ f.r.o.data.log.incarnation, last[0], last[0], 0, 0 });
	assert_int_equal(after, last[1]);
	look_at(&f, of[1], &empty);
	/* Back to one: where all are. */
	logfeed_acked(f.feed, of[1], f.r.o.data.log.incarnation, last[1]);
	after = f.r.o.data.log.acked;
	assert_int_equal(look_at(&f, one, &empty), after);
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_lost_window),
		cmocka_unit_test(test_lost_at_a_peer),
		cmocka_unit_test(test_recovered),
		cmocka_unit_test(test_acknowledged),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_several_streams),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
