#include "config.h"

#include "opsd/snapshot/snapturn.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/snapshot/snaptake.h"

#define BEGINS_US 60000000 /* after the start */

/* What was missed while the node was away is not known until all have said how far they are. */
static int
has_heard_all(struct replication *rep)
{
	struct peer **all;
	size_t n;
	int heard = 1;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		struct peer_view v;

		cluster_view(rep->cluster, all[i]->id, &v);
		heard = heard && (!peer_active(all[i]) || v.latency_ms >= 0);
		peer_view_clear(&v);
		peer_free(all[i]);
	}
	free(all);
	return (heard);
}

enum snapturn_part {
	PART_NONE, /* some of it is on its way, or may be missed */
	PART_SINCE,
	PART_WHOLE,
};

static enum snapturn_part
cursor_part(const struct cursor_view *v, int begins)
{
	if (!cursor_view_settled(v) || v->state != CURSOR_LIVE || (begins && v->head > v->seq))
		return (PART_NONE);
	return (v->whole && v->whole_ms == 0 ? PART_WHOLE : PART_SINCE);
}

unsigned
snapturn_rank(struct replication *rep)
{
	int begins = mono_us() - rep->data->started_us < BEGINS_US;
	size_t tables = snaptake_tables(rep), n;
	enum snapturn_part part = PART_WHOLE, one;
	struct cursor_view **all;

	if ((begins && !has_heard_all(rep)) || tables == 0)
		return (0);
	all = cursors_all(rep->cursors, NULL, &n);
	for (size_t i = 0; i < n; i++) {
		one = cursor_part(all[i], begins);
		part = one < part ? one : part;
	}
	cursors_done(all, n);
	return (part != PART_NONE ? SNAPSHOT_RANK(tables, part == PART_WHOLE) : 0);
}

size_t
snapturn_before(struct replication *rep, unsigned rank, uint64_t *taken_ms)
{
	struct peer **all;
	size_t n, before = 0;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		struct peer_view v;

		cluster_view(rep->cluster, all[i]->id, &v);
		if (peer_active(all[i]) && v.reachable && v.snapshot_rank > 0) {
			before += v.snapshot_rank > rank ||
			    (v.snapshot_rank == rank &&
				memcmp(all[i]->id, rep->data->node_id, NODE_ID_LEN) < 0);
			/* A time to come is nobody's. */
			if (v.snapshot_ms > *taken_ms && v.snapshot_ms <= wall_ms())
				*taken_ms = v.snapshot_ms;
		}
		peer_view_clear(&v);
		peer_free(all[i]);
	}
	free(all);
	return (before);
}
