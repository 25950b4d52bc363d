#include "config.h"

#include "opsd/cluster/logfeed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "opsd/cluster/incarnation.h"
#include "test/unit/openrep.h"

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
	logfeed_tail(f->feed, at, found_cb, f);
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
	logfeed_acked(f->feed, at->incarnation, at->window);
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
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
