#include "config.h"

#include "opsd/cluster/progress.h"

#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/lag.h"

#define BACKLOG_MS	5000	/* a live flow that is behind by more is catching up */

static const enum rank state_ranks[] = {
	[FLOW_LIVE] = RANK_OPEN, [FLOW_FETCH] = RANK_SYNCING, [FLOW_COPY] = RANK_SYNCING,
	[FLOW_CLOCK] = RANK_CLOCK, [FLOW_FAILED] = RANK_FAILED,
	[FLOW_RECOVER] = RANK_SYNCING
};

enum rank
flow_rank(const struct flow *fl)
{
	enum rank rank = fl->ahead ? RANK_CLOCK : state_ranks[fl->state];

	return (rank == RANK_OPEN && lag_received(fl).ms > BACKLOG_MS ? RANK_SYNCING : rank);
}

const char *
flow_word(const struct flow *fl, int away)
{
	return (away && fl->state == FLOW_LIVE ? "waiting" : flow_state_name(fl->state));
}

/* What stands for the entry of a table; NULL: none does. */
static struct progress *
progress_at(struct progress *all, const struct peer *p, const char *database, const char *table)
{
	const struct entry *e = peer_effective(p, database, strlen(database), table, strlen(table));

	return (e != NULL ? &all[e - p->entries] : NULL);
}

static void
add_flow(struct progress *at, const struct flow *fl)
{
	struct lag lag = lag_received(fl);

	at->tables++;
	if (fl->state == FLOW_COPY) {
		at->rows += fl->copied;
		at->total += flow_rows_total(fl);
	}
	if (fl->state != FLOW_LIVE && (at->since_ms == 0 || fl->since_ms < at->since_ms))
		at->since_ms = fl->since_ms;
	if (lag.n > at->lag)
		at->lag = lag.n;
	if (lag.ms == -1 || at->lag_ms == -1)
		at->lag_ms = -1;
	else if (lag.ms > at->lag_ms)
		at->lag_ms = lag.ms;
	if (at->worst == NULL || flow_rank(fl) > flow_rank(at->worst))
		at->worst = fl;
}

struct progress *
progress_new(const struct peer *p, struct flow *const *flows, size_t n)
{
	struct progress *all = xcalloc(p->n + 1, sizeof(*all)), *at;

	for (size_t i = 0; i < n; i++) {
		at = progress_at(all, p, flows[i]->database, flows[i]->name);
		if (at != NULL && flows[i]->state != FLOW_RECOVER)
			add_flow(at, flows[i]);
	}
	return (all);
}

void
progress_add_sent(struct progress *all, const struct peer *p, struct table *const *tables, size_t n,
    const struct peer_view *v)
{
	struct progress *at;
	struct lag lag;

	for (size_t i = 0; i < n; i++) {
		at = progress_at(all, p, tables[i]->database, tables[i]->name);
		if (at == NULL)
			continue;
		lag = lag_sent(tables[i], v);
		at->peer_lag = lag.n > at->peer_lag ? lag.n : at->peer_lag;
	}
}
