#include "config.h"

#include "test/sim/moves.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/cursors.h"
#include "test/sim/machine.h"
#include "test/sim/membership.h"
#include "test/sim/world.h"

struct move {
	uint8_t peer[NODE_ID_LEN];
	uint32_t table;
	uint64_t incarnation, seq;
};

static struct {
	struct move *list;
	size_t n;
} moves[MACHINES_MAX];

#define HORIZONS 64

static struct horizon {
	uint32_t table;
	struct stamp at;
} horizons[MACHINES_MAX][HORIZONS];

static const struct move *
before(const struct machine *m, const struct cursor_view *cur)
{
	for (size_t i = 0; i < moves[m->index].n; i++) {
		const struct move *v = &moves[m->index].list[i];

		if (v->table == cur->table && memcmp(v->peer, cur->peer, NODE_ID_LEN) == 0)
			return (v);
	}
	return (NULL);
}

/* A start time begins before where it was. */
static void
compare(const struct machine *m, const struct cursor_view *cur)
{
	const struct move *was = before(m, cur);

	if (was == NULL || cur->from_ms != 0 || cur->incarnation > was->incarnation)
		return;
	if (membership_on() && cur->copying && cur->seq == 0)
		return; /* it has come back: another one, in the same write */
	if (cur->incarnation < was->incarnation || cur->seq < was->seq)
		world_fail("%s: the cursor in %s went back from %llu of %llu to %llu of %llu",
		    m->name, cur->name, (unsigned long long)was->seq,
		    (unsigned long long)was->incarnation, (unsigned long long)cur->seq,
		    (unsigned long long)cur->incarnation);
}

/* What tombstones that are gone stood for is known for ever. */
static void
check_horizons(struct machine *m)
{
	struct table **all;
	size_t n;

	all = catalog_tables(m->data.catalog, NULL, &n);
	for (size_t i = 0; i < n; i++) {
		struct horizon *h = &horizons[m->index][all[i]->id % HORIZONS];

		if (h->table == all[i]->id && stamp_cmp(all[i]->horizon, h->at) < 0)
			world_fail("%s has lost the horizon of %s", m->name, all[i]->name);
		if (h->table == all[i]->id && stamp_cmp(all[i]->horizon, h->at) > 0)
			world_note(m, "tombstones of %s are gone", all[i]->name);
		*h = (struct horizon){ all[i]->id, all[i]->horizon };
		table_unref(all[i]);
	}
	free(all);
}

void
moves_check(struct machine *m)
{
	struct cursor_view **all;
	struct move *list;
	size_t n;

	if (m->rep.cursors == NULL)
		return;
	check_horizons(m);
	all = cursors_all(m->rep.cursors, NULL, &n);
	list = xcalloc(n + 1, sizeof(*list));
	for (size_t i = 0; i < n; i++) {
		compare(m, all[i]);
		memcpy(list[i].peer, all[i]->peer, NODE_ID_LEN);
		list[i].table = all[i]->table;
		list[i].incarnation = all[i]->incarnation;
		list[i].seq = all[i]->seq;
	}
	cursors_done(all, n);
	free(moves[m->index].list);
	moves[m->index].list = list;
	moves[m->index].n = n;
}

void
moves_forget(struct machine *m)
{
	moves[m->index].n = 0;
	memset(horizons[m->index], 0, sizeof(horizons[m->index]));
}
