#include "config.h"

#include "opsd/cluster/logfeed.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "opsd/cluster/incarnation.h"

#define PASS_BYTES (4u << 20) /* looked at in one turn of the loop */

struct logfeed {
	struct replication *rep;
	struct outlet *outlet;
	uint64_t given, passed; /* the last entry given; seen up to here */
	int unacked;            /* what was given is not all in the stream yet */
};

struct logfeed *
logfeed_new(struct replication *rep, struct outlet *outlet)
{
	struct logfeed *f = xcalloc(1, sizeof(*f));

	f->rep = rep;
	f->outlet = outlet;
	return (f);
}

void
logfeed_free(struct logfeed *f)
{
	free(f);
}

/* While all that was given is in the stream, what was passed over since counts as well. */
static void
count_passed(struct logfeed *f)
{
	struct txlog *l = &f->rep->data->log;

	if (l->acked_inc == l->incarnation && !f->unacked && f->passed > l->acked)
		l->acked = f->passed;
}

/* 1: something was given; 0: there is nothing; -1: not all was looked at. */
static int
read_wanted(struct logfeed *f, uint32_t max, struct buf *out)
{
	struct txlog *l = &f->rep->data->log;
	struct log_read q = {
		.after = f->passed,
		.max = max,
		.scan = PASS_BYTES,
		.wants = outlet_wants,
		.arg = f->outlet,
	};
	uint64_t durable = l->durable;
	int n;

	if (!outlet_any(f->outlet)) {
		if (durable > f->passed)
			f->passed = durable;
		return (0);
	}
	if ((n = txlog_read(l, &q, out)) == -1)
		return (0);
	f->passed = q.upto;
	if (n == 0)
		return (q.cut ? -1 : 0);
	f->given = q.last;
	f->unacked = 1;
	return (1);
}

int
logfeed_read(struct logfeed *f, uint64_t after, uint32_t max, struct buf *out)
{
	int found;

	if (after != f->given)
		f->given = f->passed = after;
	found = read_wanted(f, max, out);
	count_passed(f);
	return (found);
}

void
logfeed_acked(struct logfeed *f, uint64_t incarnation, uint64_t seq)
{
	struct txlog *l = &f->rep->data->log;

	l->acked_inc = incarnation;
	l->acked = l->streamed = seq;
	f->unacked = seq != f->given;
	count_passed(f);
}

struct tail_look {
	struct commit_job job; /* first: an incarnation job's run with our done */
	struct logfeed *f;
	struct logfeed_end end;
	void (*cb)(void *arg, uint64_t incarnation, uint64_t after);
	void *arg;
};

/*
 * What the stream ends with, as far as it is of this log: the numbers of what was lost are
 * given again.
 */
static uint64_t
window_of(const struct txlog *l, const struct logfeed_end *end)
{
	return (end->incarnation >= l->begun || end->window < l->begun_at ? end->window :
									    l->begun_at);
}

/* Beyond what the stream ends with there was nothing for it. */
static uint64_t
tail_of(const struct txlog *l, const struct logfeed_end *end)
{
	uint64_t after = window_of(l, end);

	if (l->acked_inc == l->incarnation &&
	    (end->incarnation == 0 ||
		(end->incarnation == l->incarnation && end->window == l->streamed)))
		after = l->acked;
	if (after < l->trimmed)
		after = l->trimmed;
	return (after < l->last ? after : l->last);
}

static void
tail_found(void *arg)
{
	struct tail_look *t = arg;
	struct logfeed *f = t->f;
	struct txlog *l = &f->rep->data->log;
	uint64_t after = tail_of(l, &t->end);

	l->acked_inc = l->incarnation;
	l->acked = after;
	l->streamed = t->end.incarnation == l->incarnation ? t->end.window : 0;
	f->given = f->passed = after;
	f->unacked = 0;
	t->cb(t->arg, l->incarnation, after);
	free(t);
}

static void
tail_run(struct group *g, struct commit_job *j)
{
	struct tail_look *t = (struct tail_look *)j;
	struct commit_job *inc = incarnation_job(t->end.incarnation, NULL);

	inc->status = 200;
	inc->run(g, inc);
	inc->done(inc);
}

static void
tail_done(struct commit_job *j)
{
	struct tail_look *t = (struct tail_look *)j;

	free(j->error);
	post(t->f->rep->data->svc->post, tail_found, t);
}

void
logfeed_tail(struct logfeed *f, const struct logfeed_end *end,
    void (*cb)(void *arg, uint64_t incarnation, uint64_t after), void *arg)
{
	struct txlog *l = &f->rep->data->log;
	struct tail_look *t = xcalloc(1, sizeof(*t));

	t->f = f;
	t->end = *end;
	t->cb = cb;
	t->arg = arg;
	if (txlog_has(l, NULL, end->incarnation, end->seq, end->mark) &&
	    (end->incarnation < l->begun || end->last <= l->durable)) {
		tail_found(t);
		return;
	}
	t->job.run = tail_run;
	t->job.done = tail_done;
	commit_submit(f->rep->data->commit, &t->job);
}
