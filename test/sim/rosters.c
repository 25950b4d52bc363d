#include "config.h"

#include "test/sim/rosters.h"

#include <stdlib.h>
#include <string.h>

#include "opsd/cluster/nodes.h"
#include "opsd/cluster/roster.h"
#include "opsd/store/row.h"
#include "test/sim/machine.h"
#include "test/sim/membership.h"
#include "test/sim/stranger.h"
#include "test/sim/world.h"

#define GRACE_US 2000000 /* until the link of one that was removed has ended */

static uint64_t locked_us[MACHINES_MAX]
			 [MACHINES_MAX]; /* since when one knows that the other is out */

int
rosters_take(const struct machine *m, const struct machine *of)
{
	struct roster_member r = { 0 };
	int yes = machine_alive(of) && machine_alive(m) &&
	    roster_member(m->rep.roster, of->data.node_id, &r) && !r.removed;

	roster_member_clear(&r);
	return (yes);
}

void
rosters_gives(const struct machine *from, const struct machine *to)
{
	uint64_t *since = &locked_us[from->index][to->index];

	if (!membership_on() || !machine_alive(from))
		return;
	if (!machine_alive(to) || roster_locked_ms(from->rep.roster, to->data.node_id, NULL) == 0)
		*since = 0;
	else if (*since == 0)
		*since = world_now();
	else if (world_now() - *since > GRACE_US)
		world_fail("%s gives to %s, of which it knows that it was removed", from->name,
		    to->name);
}

static void
show_roster(const struct machine *m)
{
	json_t *list = roster_list(m->rep.roster), *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *kind = json_string_value(json_array_get(one, 0));
		json_t *entry = roster_entry(m->rep.roster,
		    (enum statement_kind)statement_kind_read(kind),
		    json_string_value(json_array_get(one, 1)));
		const char *text = json_string_value(json_object_get(json_object_get(entry, "said"),
		    "text"));
		const char *by = json_string_value(json_object_get(json_object_get(entry,
								       "introduction"),
		    "text"));

		world_note(m, "knows %s; %s", text != NULL ? text : "nothing",
		    by != NULL ? by : "not introduced");
		json_decref(entry);
	}
	json_decref(list);
}

void
rosters_show(void)
{
	for (int i = 0; membership_on() && i < nmachines; i++)
		if (machine_alive(&machines[i]))
			show_roster(&machines[i]);
}

/* All entries, to the letter: sums of them are what nodes compare. */
static json_t *
entries_of(const struct machine *m)
{
	json_t *list = roster_list(m->rep.roster), *all = json_array(), *one;
	size_t i;

	json_array_foreach(list, i, one)
		json_array_append_new(all,
		    roster_entry(m->rep.roster,
			(enum statement_kind)
			    statement_kind_read(json_string_value(json_array_get(one, 0))),
			json_string_value(json_array_get(one, 1))));
	json_decref(list);
	return (all);
}

static void
same_roster(const struct machine *a, const struct machine *b)
{
	json_t *x = entries_of(a), *y = entries_of(b);

	if (!json_equal(x, y)) {
		rosters_show();
		world_fail("%s and %s do not know the same of all members", a->name, b->name);
	}
	json_decref(x);
	json_decref(y);
}

/* Everything flows both ways. */
static void
replicates(const struct machine *a, const struct machine *b)
{
	struct peer *p = nodes_by_id(a->rep.nodes, b->data.node_id);
	const struct subscription *s = p == NULL ?
	    NULL :
	    subscriptions_find(&p->subs, SUBSCRIPTION_ALL, SUBSCRIPTION_ALL);

	if (s == NULL || !subscription_gives(s) || !subscription_brings(s))
		world_fail("%s does not replicate everything with %s", a->name, b->name);
	peer_free(p);
}

static void
is_out(const struct machine *m, const struct machine *of)
{
	if (rosters_take(m, of))
		world_fail("%s takes %s for a member, which was removed", m->name, of->name);
}

static void
check_two(const struct machine *a, const struct machine *b)
{
	if (!membership_has(a) || a == b)
		return;
	if (stranger_is_member(a))
		world_fail("%s takes a stranger for a member", a->name);
	if (!membership_has(b)) {
		is_out(a, b);
		return;
	}
	same_roster(a, b);
	replicates(a, b);
}

void
rosters_check(void)
{
	for (int i = 0; i < nmachines; i++)
		for (int k = 0; k < nmachines; k++)
			check_two(&machines[i], &machines[k]);
}

static int
is_news(const struct row *row, const struct machine *m, uint64_t ms)
{
	uint64_t own = stamp_node(m->data.node_id);
	int news = stamp_ms(row->cleared) > ms && row->cleared.node != own;

	for (uint32_t i = 0; i < row->n; i++)
		news |= stamp_ms(row->attrs[i].stamp) > ms && row->attrs[i].stamp.node != own;
	return (news);
}

/* Of what others wrote since then it has nothing. */
void
rosters_got_nothing(const struct machine *m, uint64_t ms)
{
	size_t n;
	struct table **all = catalog_tables(m->data.catalog, NULL, &n);
	struct row row = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct store_iter *it = store_iter_rows(m->data.store, all[i]->id);

		for (; store_iter_valid(it); store_iter_next(it)) {
			size_t len;
			const uint8_t *p = store_iter_value(it, &len);

			if (row_load(&row, p, len) == 0 && is_news(&row, m, ms))
				world_fail("%s was removed, and has what was written into %s later",
				    m->name, all[i]->name);
		}
		store_iter_free(it);
		table_unref(all[i]);
	}
	row_free(&row);
	free(all);
}
