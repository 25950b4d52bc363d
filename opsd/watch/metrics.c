#include "config.h"

#include "opsd/watch/metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "opsd/watch/metrics_priv.h"
#include "opsd/watch/watch.h"

#define BUCKETS 14 /* of a histogram, the unbounded one too */
#define CLASSES 5  /* of HTTP statuses */

/* What a histogram counts by: `unit` of its numbers are one of what the page says. */
struct scale {
	double unit;
	uint64_t bounds[BUCKETS - 1];
};

static const struct scale seconds = { 1e6,
	{ 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 500000, 2500000,
	    10000000 } };
static const struct scale jobs = { 1, { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096 } };
static const struct scale bytes = { 1,
	{ 256, 1024, 4096, 16384, 65536, 131072, 262144, 524288, 1048576, 2097152, 4194304, 8388608,
	    16777216 } };

struct histogram {
	_Atomic uint64_t buckets[BUCKETS]; /* the last one: beyond all bounds */
	_Atomic uint64_t sum;
};

/* By operation; 0 is for requests that named none. */
struct metrics {
	struct histogram group_us, group_jobs, group_bytes;
	unsigned n;
	const char *(*name)(unsigned i);
	struct per_op {
		_Atomic uint64_t status[CLASSES];
		struct histogram us;
	} ops[];
};

struct metrics *
metrics_new(unsigned operations, const char *(*name)(unsigned i))
{
	unsigned n = operations + 1;
	struct metrics *m = xcalloc(1, sizeof(*m) + n * sizeof(m->ops[0]));

	m->n = n;
	m->name = name;
	return (m);
}

void
metrics_free(struct metrics *m)
{
	free(m);
}

/* ---- counting ---- */

static void
add_relaxed(_Atomic uint64_t *to, uint64_t n)
{
	atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static void
count_in(struct histogram *h, const struct scale *s, uint64_t n)
{
	unsigned i = 0;

	while (i < BUCKETS - 1 && n > s->bounds[i])
		i++;
	add_relaxed(&h->buckets[i], 1);
	add_relaxed(&h->sum, n);
}

void
metrics_request(struct metrics *m, unsigned number, int status, uint64_t us)
{
	struct per_op *p = &m->ops[number];
	int class = status / 100 - 1;

	add_relaxed(&p->status[class < 0 ? 0 : class >= CLASSES ? CLASSES - 1 : class], 1);
	count_in(&p->us, &seconds, us);
}

void
metrics_group(struct metrics *m, size_t n_jobs, size_t n_bytes, uint64_t us)
{
	count_in(&m->group_jobs, &jobs, n_jobs);
	count_in(&m->group_bytes, &bytes, n_bytes);
	count_in(&m->group_us, &seconds, us);
}

uint64_t
metrics_answered(const struct metrics *m, int class)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < m->n; i++)
		n += m->ops[i].status[class - 1];
	return (n);
}

/* ---- the page ---- */

static void
histogram_lines(struct buf *out, const char *name, const char *op, const struct histogram *h,
    const struct scale *s)
{
	const char *label = op != NULL ? "operation" : NULL;
	char part[64], le[32] = "+Inf";
	uint64_t n = 0;

	snprintf(part, sizeof(part), "%s_bucket", name);
	for (unsigned i = 0; i < BUCKETS; i++) {
		n += h->buckets[i];
		if (i < BUCKETS - 1)
			snprintf(le, sizeof(le), "%.15g", (double)s->bounds[i] / s->unit);
		else
			snprintf(le, sizeof(le), "+Inf");
		metric_line(out, part, (double)n, "le", le, label, op, NULL);
	}
	snprintf(part, sizeof(part), "%s_sum", name);
	metric_line(out, part, (double)h->sum / s->unit, label, op, NULL);
	snprintf(part, sizeof(part), "%s_count", name);
	metric_line(out, part, (double)n, label, op, NULL);
}

static const char *
op_name(const struct metrics *m, unsigned i)
{
	return (i > 0 ? m->name(i - 1) : "none");
}

static int
was_asked(const struct per_op *p)
{
	for (int i = 0; i < CLASSES; i++)
		if (p->status[i] > 0)
			return (1);
	return (0);
}

static void
put_requests(const struct metrics *m, struct buf *out)
{
	char code[8];

	metric_head(out, "requests_total", "counter",
	    "Requests answered, by operation (none: pages, and bodies that name none) and class of "
	    "status.");
	for (unsigned i = 0; i < m->n; i++)
		for (int s = 0; s < CLASSES; s++)
			if (m->ops[i].status[s] > 0) {
				snprintf(code, sizeof(code), "%dxx", s + 1);
				metric_line(out, "requests_total", (double)m->ops[i].status[s],
				    "operation", op_name(m, i), "code", code, NULL);
			}
	metric_head(out, "request_seconds", "histogram",
	    "From a request's head to the end of its answer.");
	for (unsigned i = 0; i < m->n; i++)
		if (was_asked(&m->ops[i]))
			histogram_lines(out, "request_seconds", op_name(m, i), &m->ops[i].us,
			    &seconds);
}

void
metrics_counted(const struct metrics *m, struct buf *out)
{
	put_requests(m, out);
	metric_head(out, "commit_group_seconds", "histogram",
	    "Groups of transactions that were applied, written and synced together.");
	histogram_lines(out, "commit_group_seconds", NULL, &m->group_us, &seconds);
	metric_head(out, "commit_group_jobs", "histogram",
	    "Transactions and other jobs of a group.");
	histogram_lines(out, "commit_group_jobs", NULL, &m->group_jobs, &jobs);
	metric_head(out, "commit_group_bytes", "histogram", "Bytes of rows and log of a group.");
	histogram_lines(out, "commit_group_bytes", NULL, &m->group_bytes, &bytes);
}

void
metrics_page(struct watch *w, int connections, int requests, struct buf *out)
{
	metrics_host(w, connections, requests, out);
	metrics_counted(w->metrics, out);
	metrics_peers(w, out);
	metrics_care(w, out);
	metrics_files(w, out);
}
