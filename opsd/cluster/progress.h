#ifndef HL_PROGRESS_H
#define HL_PROGRESS_H

#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/peer.h"

/* How far what is subscribed with a peer is.  No I/O. */

/* The words of a connection; the worst of its cursors counts. */
enum rank { RANK_OPEN, RANK_SYNCING, RANK_CLOCK, RANK_FAILED };

enum rank progress_rank(const struct cursor_view *cur);
/* What is done about the table, in a word: nothing is live while its node is away. */
const char *progress_word(const struct cursor_view *cur, int away);

/* Of some tables, which are those of a subscription, or all of a database. */
struct progress {
	const struct cursor_view *worst; /* borrowed; NULL: there is none */
	uint64_t tables;                 /* that have a cursor */
	uint64_t lag;                    /* received: the most transactions that can be missing */
	int64_t lag_ms;                  /* -1: not known */
	uint64_t rows, total;            /* copied, of about so many */
	uint64_t since_ms;               /* not live; 0: all are */
	uint64_t peer_lag;               /* sent */
};

/* To one of zeros, or with more in it already: what comes by a cursor that does not only recover; */
void progress_add_cursor(struct progress *at, const struct cursor_view *cur);
/* and what goes of a table of ours, where the peer is by the view. */
void progress_add_table(struct progress *at, const struct table *t, const struct peer_view *v);

/* An array as long as the peer's subscriptions, of these cursors of it; free it. */
struct progress *progress_new(const struct peer *p, struct cursor_view *const *cursors, size_t n);
/* Our tables: how far the peer is with those that it gets. */
void progress_add_sent(struct progress *all, const struct peer *p, struct table *const *tables,
    size_t n, const struct peer_view *v);

#endif
