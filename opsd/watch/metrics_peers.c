#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/lag.h"
#include "opsd/cluster/nodes.h"
#include "opsd/watch/metrics_priv.h"
#include "opsd/watch/watch.h"

/*
 * Positions in this node's log and in those of its peers.  Only tables that
 * replicate, and no more than TABLES_MAX times peers; what counts for alerts is
 * there by peer as well, for all tables.
 */
#define TABLES_MAX 2000

enum direction { RECEIVED, SENT, DIRECTIONS };
static const char *const directions[] = { "received", "sent" };

#define STATES (CURSOR_NEW + 1)

/* A table between this node and a peer. */
struct pair {
	const char *peer; /* the node's, below */
	char *database, *table;
	enum direction direction;
	uint64_t cursor;
	struct lag lag;
};

struct there {
	struct peer *peer;
	struct peer_view view;
	struct lag worst[DIRECTIONS];
	int known[DIRECTIONS];
	unsigned cursors[STATES];
};

struct survey {
	struct watch *watch;
	struct there *peers;
	size_t npeers;
	struct table **heads; /* of them some that are sent */
	size_t nheads;
	struct pair *pairs;
	size_t npairs, left_out;
};

/* ---- looking ---- */

static void
add_pair(struct survey *s, struct there *p, const char *database, const char *table,
    enum direction direction, uint64_t cursor, struct lag lag)
{
	struct lag *worst = &p->worst[direction];

	worst->n = lag.n > worst->n ? lag.n : worst->n;
	worst->ms = lag.ms > worst->ms ? lag.ms : worst->ms;
	p->known[direction] = 1;
	if (s->npairs == TABLES_MAX) {
		s->left_out++;
		return;
	}
	s->pairs[s->npairs++] = (struct pair){
		p->peer->name,
		xstrdup(database),
		xstrdup(table),
		direction,
		cursor,
		lag,
	};
}

static void
look_received(struct survey *s, struct there *p)
{
	struct cursor_view **all;
	size_t n;

	all = cursors_all(s->watch->rep->cursors, p->peer->id, &n);
	for (size_t i = 0; i < n; i++) {
		const struct cursor_view *cur = all[i];

		p->cursors[cur->state]++;
		if (cur->state != CURSOR_RECOVER)
			add_pair(s, p, cur->database, cur->name, RECEIVED, cur->seq,
			    lag_received(cur));
	}
	cursors_done(all, n);
}

/* Whether the table goes to anybody. */
static int
look_sent(struct survey *s, const struct table *t)
{
	int sent = 0;

	for (size_t i = 0; i < s->npeers; i++) {
		struct there *p = &s->peers[i];
		const struct subscription *e = peer_effective_for(p->peer, t);

		if (!subscription_gives(e))
			continue;
		sent = 1;
		/* It says so soon after the start of either. */
		if (p->view.received != NULL)
			add_pair(s, p, t->database, t->name, SENT,
			    peer_view_has(&p->view, t->id, NULL), lag_sent(t, &p->view));
	}
	return (sent);
}

static void
look_peers(struct survey *s)
{
	struct peer **all;
	size_t n;

	all = nodes_all(s->watch->rep->nodes, &n);
	s->peers = xcalloc(n + 1, sizeof(*s->peers));
	for (size_t i = 0; i < n; i++) {
		struct there *p = &s->peers[s->npeers];

		if (!peer_active(all[i])) {
			peer_free(all[i]);
			continue;
		}
		p->peer = all[i];
		cluster_view(s->watch->rep->cluster, all[i]->id, &p->view);
		for (int d = 0; d < DIRECTIONS; d++)
			p->worst[d].ms = -1;
		s->npeers++;
		look_received(s, p);
	}
	free(all);
}

static void
look_tables(struct survey *s)
{
	struct table **all;
	size_t n;

	all = catalog_replicated(s->watch->data->catalog, &n);
	s->heads = xcalloc(n + 1, sizeof(*s->heads));
	for (size_t i = 0; i < n; i++) {
		if (!look_sent(s, all[i]))
			table_unref(all[i]);
		else if (s->nheads < TABLES_MAX)
			s->heads[s->nheads++] = all[i];
		else {
			s->left_out++;
			table_unref(all[i]);
		}
	}
	free(all);
}

static void
survey_free(struct survey *s)
{
	for (size_t i = 0; i < s->npairs; i++) {
		free(s->pairs[i].database);
		free(s->pairs[i].table);
	}
	for (size_t i = 0; i < s->nheads; i++)
		table_unref(s->heads[i]);
	for (size_t i = 0; i < s->npeers; i++) {
		peer_view_clear(&s->peers[i].view);
		peer_free(s->peers[i].peer);
	}
	free(s->pairs);
	free(s->heads);
	free(s->peers);
}

/* ---- telling: this node's log ---- */

static void
tell_log(struct watch *w, struct buf *out)
{
	struct txlog *l = &w->data->log;
	uint64_t oldest = txlog_ms(l, 0);

	metric_head(out, "log_position", "gauge",
	    "In this node's transaction log: the last "
	    "transaction, that in the stream, and up to where they are gone.");
	metric_line(out, "log_position", (double)l->durable, "of", "last", NULL);
	metric_line(out, "log_position", (double)l->acked, "of", "in_stream", NULL);
	metric_line(out, "log_position", (double)l->trimmed, "of", "trimmed", NULL);
	metric_one(out, "log_incarnation", "gauge",
	    "Changes when the log went back, as with a restored backup.", (double)l->incarnation);
	if (oldest != 0)
		metric_one(out, "log_oldest_timestamp_seconds", "gauge",
		    "Commit time of the oldest transaction of the log.", (double)oldest / 1000);
}

static void
tell_heads(const struct survey *s, struct buf *out)
{
	metric_head(out, "table_log_head", "gauge",
	    "Position of the newest transaction of a table that goes to peers.");
	for (size_t i = 0; i < s->nheads; i++)
		metric_line(out, "table_log_head", (double)s->heads[i]->stat->head, "database",
		    s->heads[i]->database, "table", s->heads[i]->name, NULL);
}

/* ---- telling: peers ---- */

static void
tell_presence(const struct survey *s, struct buf *out)
{
	const struct there *p = s->peers, *end = p + s->npeers;

	metric_head(out, "peer_reachable", "gauge", "1 while the peer is in the mesh.");
	for (p = s->peers; p < end; p++)
		metric_line(out, "peer_reachable", p->view.reachable, "peer", p->peer->name, NULL);
	metric_head(out, "peer_answered_timestamp_seconds", "gauge",
	    "When the peer last told its positions; not there before the first time.");
	for (p = s->peers; p < end; p++)
		if (p->view.seen_ms != 0)
			metric_line(out, "peer_answered_timestamp_seconds",
			    (double)p->view.seen_ms / 1000, "peer", p->peer->name, NULL);
	metric_head(out, "peer_latency_seconds", "gauge", "Round trip of the last question.");
	for (p = s->peers; p < end; p++)
		if (p->view.seen_ms != 0)
			metric_line(out, "peer_latency_seconds", p->view.latency_ms / 1000, "peer",
			    p->peer->name, NULL);
	metric_head(out, "peer_clock_skew_seconds", "gauge", "The peer's clock minus this node's.");
	for (p = s->peers; p < end; p++)
		if (p->view.seen_ms != 0)
			metric_line(out, "peer_clock_skew_seconds", (double)p->view.skew_ms / 1000,
			    "peer", p->peer->name, NULL);
}

static void
tell_cursors(const struct survey *s, struct buf *out)
{
	metric_head(out, "peer_cursors", "gauge",
	    "Tables that come from the peer, by what is done about them.");
	for (const struct there *p = s->peers; p < s->peers + s->npeers; p++) {
		unsigned waiting = p->view.reachable ? 0 : p->cursors[CURSOR_LIVE];

		for (int state = 0; state < STATES; state++)
			metric_line(out, "peer_cursors",
			    p->cursors[state] - (state == CURSOR_LIVE ? waiting : 0), "peer",
			    p->peer->name, "state", cursor_view_state(state), NULL);
		metric_line(out, "peer_cursors", waiting, "peer", p->peer->name, "state", "waiting",
		    NULL);
	}
}

static void
tell_peer_lag(const struct survey *s, struct buf *out)
{
	metric_head(out, "peer_lag_transactions", "gauge",
	    "Of the table that is furthest behind: at this node (received), at the peer (sent).");
	for (size_t i = 0; i < s->npeers; i++)
		for (int d = 0; d < DIRECTIONS; d++)
			if (s->peers[i].known[d])
				metric_line(out, "peer_lag_transactions",
				    (double)s->peers[i].worst[d].n, "peer", s->peers[i].peer->name,
				    "direction", directions[d], NULL);
	metric_head(out, "peer_lag_seconds", "gauge",
	    "The same, between the commits of the last transaction there and of the newest.");
	for (size_t i = 0; i < s->npeers; i++)
		for (int d = 0; d < DIRECTIONS; d++)
			if (s->peers[i].worst[d].ms != -1)
				metric_line(out, "peer_lag_seconds",
				    (double)s->peers[i].worst[d].ms / 1000, "peer",
				    s->peers[i].peer->name, "direction", directions[d], NULL);
}

static void
tell_broken(struct watch *w, struct buf *out)
{
	metric_head(out, "broken_messages_total", "counter",
	    "Of other nodes, and damaged or of another format: dropped, and asked for again.");
	for (enum broken_kind k = 0; k < BROKEN_KINDS; k++)
		metric_line(out, "broken_messages_total", (double)broken_count(&w->rep->broken, k),
		    "of", broken_name(k), NULL);
}

/* ---- telling: tables ---- */

static double
pair_cursor(const struct pair *p)
{
	return ((double)p->cursor);
}

static double
pair_behind(const struct pair *p)
{
	return ((double)p->lag.n);
}

static double
behind_seconds(const struct pair *p)
{
	return (p->lag.ms == -1 ? -1 : (double)p->lag.ms / 1000);
}

static const struct {
	const char *name, *help;
	double (*get)(const struct pair *p); /* -1: not known */
} of_pairs[] = {
	{ "replication_cursor",
	    "Position up to which this node has the table from the peer "
	    "(received), or the peer from this node (sent).",
	    pair_cursor },
	{ "replication_lag_transactions",
	    "Transactions of the sender's log after the cursor, up to "
	    "the table's newest: the most that can be missing.",
	    pair_behind },
	{ "replication_lag_seconds",
	    "Between the commits of the last transaction there and of the "
	    "newest.",
	    behind_seconds },
};

static void
tell_pairs(const struct survey *s, struct buf *out)
{
	for (size_t k = 0; k < sizeof(of_pairs) / sizeof(of_pairs[0]); k++) {
		metric_head(out, of_pairs[k].name, "gauge", of_pairs[k].help);
		for (size_t i = 0; i < s->npairs; i++) {
			const struct pair *p = &s->pairs[i];
			double value = of_pairs[k].get(p);

			if (value >= 0)
				metric_line(out, of_pairs[k].name, value, "peer", p->peer,
				    "database", p->database, "table", p->table, "direction",
				    directions[p->direction], NULL);
		}
	}
	metric_one(out, "replication_tables_left_out", "gauge",
	    "Tables times peers without lines of their own, as there are too many.",
	    (double)s->left_out);
}

void
metrics_peers(struct watch *w, struct buf *out)
{
	struct survey s = { .watch = w };

	s.pairs = xcalloc(TABLES_MAX, sizeof(*s.pairs));
	look_peers(&s);
	look_tables(&s);
	tell_log(w, out);
	tell_heads(&s, out);
	tell_presence(&s, out);
	tell_cursors(&s, out);
	tell_peer_lag(&s, out);
	tell_broken(w, out);
	metric_one(out, "status_positions_total", "counter",
	    "Positions and heads of tables that were "
	    "told to peers: those that moved.",
	    (double)cluster_told(w->rep->cluster));
	tell_pairs(&s, out);
	survey_free(&s);
}
