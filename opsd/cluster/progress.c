#include "config.h"

#include "opsd/cluster/progress.h"

#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/lag.h"

#define BACKLOG_MS 5000 /* a live cursor that is behind by more is catching up */

static const enum rank state_ranks[] = {
	[CURSOR_LIVE] = RANK_OPEN,
	[CURSOR_FETCH] = RANK_SYNCING,
	[CURSOR_COPY] = RANK_SYNCING,
	[CURSOR_CLOCK] = RANK_CLOCK,
	[CURSOR_FAILED] = RANK_FAILED,
	[CURSOR_RECOVER] = RANK_SYNCING,
	[CURSOR_QUEUED] = RANK_SYNCING,
	[CURSOR_NEW] = RANK_SYNCING, /* seen just before its first event */
};

enum rank
progress_rank(const struct cursor_view *cur)
{
	enum rank rank = cur->ahead ? RANK_CLOCK : state_ranks[cur->state];

	return (rank == RANK_OPEN && lag_received(cur).ms > BACKLOG_MS ? RANK_SYNCING : rank);
}

const char *
progress_word(const struct cursor_view *cur, int away)
{
	return (away && cur->state == CURSOR_LIVE ? "waiting" : cursor_view_state(cur->state));
}

/* What stands for the subscription of a table; NULL: none does. */
static struct progress *
progress_at(struct progress *all, const struct peer *p, const char *database, const char *table)
{
	const struct subscription *e = peer_effective(p, database, table);

	return (e != NULL ? &all[e - p->subs.list] : NULL);
}

void
progress_add_cursor(struct progress *at, const struct cursor_view *cur)
{
	struct lag lag = lag_received(cur);

	if (cur->state == CURSOR_RECOVER)
		return;
	at->tables++;
	if (cur->state == CURSOR_COPY) {
		at->rows += cur->copied;
		at->total += cursor_view_total(cur);
	}
	if (cur->state != CURSOR_LIVE && (at->since_ms == 0 || cur->since_ms < at->since_ms))
		at->since_ms = cur->since_ms;
	if (lag.n > at->lag)
		at->lag = lag.n;
	if (lag.ms == -1 || at->lag_ms == -1)
		at->lag_ms = -1;
	else if (lag.ms > at->lag_ms)
		at->lag_ms = lag.ms;
	if (at->worst == NULL || progress_rank(cur) > progress_rank(at->worst))
		at->worst = cur;
}

struct progress *
progress_new(const struct peer *p, struct cursor_view *const *cursors, size_t n)
{
	struct progress *all = xcalloc(p->subs.n + 1, sizeof(*all)), *at;

	for (size_t i = 0; i < n; i++) {
		at = progress_at(all, p, cursors[i]->database, cursors[i]->name);
		if (at != NULL)
			progress_add_cursor(at, cursors[i]);
	}
	return (all);
}

void
progress_add_table(struct progress *at, const struct table *t, const struct peer_view *v)
{
	struct lag lag = lag_sent(t, v);

	if (lag.n > at->peer_lag)
		at->peer_lag = lag.n;
}

void
progress_add_sent(struct progress *all, const struct peer *p, struct table *const *tables, size_t n,
    const struct peer_view *v)
{
	struct progress *at;

	for (size_t i = 0; i < n; i++) {
		at = progress_at(all, p, tables[i]->database, tables[i]->name);
		if (at != NULL)
			progress_add_table(at, tables[i], v);
	}
}
