#include "config.h"

#include "opsd/cluster/logfeed.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "opsd/cluster/incarnation.h"
#include "opsd/store/txn.h"

#define PASS_BYTES (4u << 20) /* looked at in one turn of the loop */

struct feed {                        /* of one stream */
	uint64_t given, passed;      /* the last entry given; seen up to here */
	int unacked;                 /* what was given is not all in the stream yet */
	uint64_t incarnation, acked; /* up to here in the stream, or not for it */
};

struct logfeed {
	struct replication *rep;
	struct outlet *outlet;
	unsigned n; /* 0: not known yet */
	struct feed feeds[SHARDS_MAX];
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

int
logfeed_has(const struct logfeed *f, struct shard s)
{
	return (s.n == f->n && s.k < s.n);
}

/* What all of them have. */
static void
count_acked(struct logfeed *f)
{
	struct txlog *l = &f->rep->data->log;
	uint64_t incarnation = UINT64_MAX, acked = UINT64_MAX;

	for (unsigned k = 0; k < f->n; k++) {
		const struct feed *d = &f->feeds[k];

		if (d->incarnation < incarnation)
			acked = d->acked;
		else if (d->incarnation == incarnation && d->acked < acked)
			acked = d->acked;
		if (d->incarnation < incarnation)
			incarnation = d->incarnation;
	}
	l->acked_inc = incarnation;
	l->acked = acked;
}

/* While all that was given is in the stream, what was passed over since counts as well. */
static void
count_passed(struct logfeed *f, struct feed *d)
{
	if (d->incarnation == f->rep->data->log.incarnation && !d->unacked &&
	    d->passed > d->acked) {
		d->acked = d->passed;
		count_acked(f);
	}
}

/* There are so many streams: who was none of them before goes on where all of those were. */
static void
take_number(struct logfeed *f, unsigned n)
{
	struct txlog *l = &f->rep->data->log;

	if (f->n == n)
		return;
	for (unsigned k = 0; k < n; k++)
		f->feeds[k] = (struct feed){ .incarnation = l->acked_inc, .acked = l->acked };
	if (l->streams != n)
		for (unsigned k = 0; k < SHARDS_MAX; k++)
			l->streamed[k] = 0;
	f->n = n;
	l->streams = n;
}

struct feed_wants {
	struct outlet *outlet;
	struct shard s;
};

static int
feed_wants(const struct log_entry *e, void *arg)
{
	const struct feed_wants *w = arg;
	struct txn t;

	if (!outlet_wants(e, w->outlet))
		return (0);
	if (w->s.n == 1 || txn_read(&t, e->payload, e->len) == -1)
		return (w->s.k == 0);
	return (shard_of(t.database, t.database_len, t.table, t.table_len, w->s.n) == w->s.k);
}

/* 1: something was given; 0: there is nothing; -1: not all was looked at. */
static int
read_wanted(struct logfeed *f, struct shard s, uint32_t max, struct buf *out)
{
	struct txlog *l = &f->rep->data->log;
	struct feed *d = &f->feeds[s.k];
	struct feed_wants wants = { f->outlet, s };
	struct log_read q = {
		.after = d->passed,
		.max = max,
		.scan = PASS_BYTES,
		.wants = feed_wants,
		.arg = &wants,
	};
	uint64_t durable = l->durable;
	int n;

	if (!outlet_any(f->outlet)) {
		if (durable > d->passed)
			d->passed = durable;
		return (0);
	}
	if ((n = txlog_read(l, &q, out)) == -1)
		return (0);
	d->passed = q.upto;
	if (n == 0)
		return (q.cut ? -1 : 0);
	d->given = q.last;
	d->unacked = 1;
	return (1);
}

int
logfeed_read(struct logfeed *f, struct shard s, uint64_t after, uint32_t max, struct buf *out)
{
	struct feed *d = &f->feeds[s.k];
	int found;

	if (!logfeed_has(f, s))
		return (0);
	if (after != d->given)
		d->given = d->passed = after;
	found = read_wanted(f, s, max, out);
	count_passed(f, d);
	return (found);
}

void
logfeed_acked(struct logfeed *f, struct shard s, uint64_t incarnation, uint64_t seq)
{
	struct feed *d = &f->feeds[s.k];

	if (!logfeed_has(f, s))
		return;
	d->incarnation = incarnation;
	d->acked = seq;
	f->rep->data->log.streamed[s.k] = seq;
	d->unacked = seq != d->given;
	count_acked(f);
	count_passed(f, d);
}

struct tail_look {
	struct commit_job job; /* first: an incarnation job's run with our done */
	struct logfeed *f;
	struct shard s;
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
tail_of(const struct logfeed *f, struct shard s, const struct logfeed_end *end)
{
	const struct txlog *l = &f->rep->data->log;
	const struct feed *d = &f->feeds[s.k];
	uint64_t after = window_of(l, end);

	if (d->incarnation == l->incarnation &&
	    (end->incarnation == 0 ||
		(end->incarnation == l->incarnation && end->window == l->streamed[s.k])) &&
	    after < d->acked)
		after = d->acked;
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
	struct feed *d = &f->feeds[t->s.k];
	uint64_t after = 0;

	if (logfeed_has(f, t->s)) {
		after = tail_of(f, t->s, &t->end);
		*d = (struct feed){ after, after, 0, l->incarnation, after };
		l->streamed[t->s.k] = t->end.incarnation == l->incarnation ? t->end.window : 0;
		count_acked(f);
	}
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
logfeed_tail(struct logfeed *f, struct shard s, const struct logfeed_end *end,
    void (*cb)(void *arg, uint64_t incarnation, uint64_t after), void *arg)
{
	struct txlog *l = &f->rep->data->log;
	struct tail_look *t = xcalloc(1, sizeof(*t));

	take_number(f, s.n);
	t->f = f;
	t->s = s;
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
