#include "config.h"

#include "opsd/cluster/retain.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/nodes.h"

#define CAP 3 /* times the limit: then even what a subscriber lacks goes */

struct retain {
	struct commit_job job; /* first */
	uint64_t upto;
	uint64_t audit_before_ms;
};

/*
 * The least that a known subscriber has of our log: its received positions, per
 * table, against the table's head.  Who never reported holds everything.
 */
static uint64_t
received_by_all(struct replication *rep)
{
	struct peer **all;
	size_t n, m;
	uint64_t least = UINT64_MAX;
	struct table **tables = catalog_replicated(rep->data->catalog, &m);

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		struct peer_view v;

		cluster_view(rep->cluster, all[i]->id, &v);
		for (size_t k = 0; k < m; k++) {
			const struct subscription *e = peer_effective_for(all[i], tables[k]);
			uint64_t has;

			if (!subscription_gives(e))
				continue;
			has = peer_view_has(&v, tables[k]->id, NULL);
			if (has < tables[k]->stat->head && has < least)
				least = has;
		}
		peer_view_clear(&v);
		peer_free(all[i]);
	}
	for (size_t k = 0; k < m; k++)
		table_unref(tables[k]);
	free(tables);
	free(all);
	return (least);
}

struct limits {
	uint64_t age_ms, bytes;
};

/* Whether the entry is too old, or too much with all that follows it. */
static int
is_beyond(struct replication *rep, const struct limits *lim, uint64_t seq)
{
	uint64_t ms = txlog_ms(&rep->data->log, seq);

	return (ms != 0 &&
	    (ms + lim->age_ms < wall_ms() || txlog_bytes(&rep->data->log, seq) > lim->bytes));
}

/* Greatest seq to forget; entries are in the order of their age, so it is found by halving. */
static uint64_t
beyond_limits(struct replication *rep, const struct limits *lim, unsigned times)
{
	struct limits most = { lim->age_ms * times, lim->bytes * times };
	uint64_t low = rep->data->log.trimmed, high = rep->data->log.durable, middle;

	while (low < high) {
		middle = low + (high - low + 1) / 2;
		if (is_beyond(rep, &most, middle))
			low = middle;
		else
			high = middle - 1;
	}
	return (low);
}

static void
trim_audit(struct group *g, uint64_t before_ms)
{
	struct replication *rep = replication_of(g);
	struct table **tables;
	size_t n;

	tables = catalog_tables(rep->data->catalog, NULL, &n);
	for (size_t i = 0; i < n; i++) {
		struct buf from = { 0 }, to = { 0 };

		buf_be32(&from, tables[i]->id);
		buf_be32(&to, tables[i]->id);
		buf_be64(&to, before_ms << 16);
		store_batch_delete_range(group_batch(g), CF_AUDIT, from.data, from.len, to.data,
		    to.len);
		buf_free(&from);
		buf_free(&to);
		table_unref(tables[i]);
	}
	free(tables);
}

static void
retain_job_run(struct group *g, struct commit_job *j)
{
	struct retain *r = (struct retain *)j;
	struct txlog *l = &group_data(g)->log;
	struct buf from = { 0 }, to = { 0 };

	if (r->upto > l->trimmed) {
		buf_be64(&from, 0);
		buf_be64(&to, r->upto + 1);
		store_batch_delete_range(group_batch(g), CF_LOG, from.data, from.len, to.data,
		    to.len);
		l->trimmed = r->upto;
		buf_free(&from);
		buf_free(&to);
	}
	if (r->audit_before_ms != 0)
		trim_audit(g, r->audit_before_ms);
}

static void
retain_done(struct commit_job *j)
{
	free(j->error);
	free(j);
}

void
retain_run(struct replication *rep, int with_audit)
{
	struct conf *conf = data_conf(rep->data);
	struct limits lim = {
		(uint64_t)conf_int(conf, STREAM_MAX_AGE) * 1000,
		(uint64_t)conf_int(conf, STREAM_MAX_BYTES),
	};
	uint64_t audit = (uint64_t)conf_int(conf, LOGGING_AUDIT_RETENTION) * 1000;
	uint64_t wanted = beyond_limits(rep, &lim, 1), had;
	struct retain *r;

	conf_free(conf);
	if (wanted > rep->data->log.trimmed) {
		had = received_by_all(rep);
		if (wanted > had) {
			uint64_t forced = beyond_limits(rep, &lim, CAP);

			wanted = had > forced ? had : forced;
		}
	}
	if (wanted <= rep->data->log.trimmed && !with_audit)
		return;
	r = xcalloc(1, sizeof(*r));
	r->job.run = retain_job_run;
	r->job.done = retain_done;
	r->upto = wanted;
	r->audit_before_ms = with_audit && wall_ms() > audit ? wall_ms() - audit : 0;
	commit_submit(rep->data->commit, &r->job);
}
