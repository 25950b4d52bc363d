#include "config.h"

#include "test/sim/quiet.h"

#include <stdio.h>

#include "opsd/cluster/cursors.h"
#include "test/sim/check.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/membership.h"
#include "test/sim/net.h"
#include "test/sim/reader.h"
#include "test/sim/rosters.h"
#include "test/sim/world.h"

#define QUIET_US     6000000   /* so long nothing must happen */
#define QUIET_MAX_US 240000000 /* and that must be reached after so long */

/* Nothing comes of a table that is not there, or another one, or of a node that is: a state of rest. */
static int
cannot_come(const struct machine *m, const struct cursor_view *cur)
{
	struct machine *from = machine_with_id(cur->peer);
	struct table *t = from == NULL ? NULL :
					 catalog_get(from->data.catalog, cur->database, cur->name);

	struct table *ours = catalog_get(m->data.catalog, cur->database, cur->name);
	int failed = t == NULL || !check_are_alike(t, ours);

	table_unref(t);
	table_unref(ours);
	return (from == NULL || (cur->state == CURSOR_FAILED && failed));
}

static const char *
cursors_unrest(struct machine *m)
{
	static char why[200];
	struct cursor_view **all;
	size_t n;

	why[0] = '\0';
	all = cursors_all(m->rep.cursors, NULL, &n);
	for (size_t i = 0; i < n; i++)
		if (all[i]->state != CURSOR_LIVE && !cannot_come(m, all[i]))
			snprintf(why, sizeof(why), "has a cursor in %s that is in state %s: %s",
			    all[i]->name, cursor_view_state(all[i]->state),
			    all[i]->why != NULL ? all[i]->why : "");
	cursors_done(all, n);
	return (why[0] != '\0' ? why : NULL);
}

/* Why it is not at rest; NULL: it is. */
static const char *
unrest(struct machine *m)
{
	if (!m->up || !m->hub.up || !m->leaf.up)
		return ("is not up");
	if (membership_on() && !membership_has(m))
		return (links_unrest(m));
	if (!membership_agrees(m))
		return ("does not know the same of all members as others");
	if (!membership_on() && !reader_flowing(m))
		return ("does not read all streams");
	if (links_unrest(m) != NULL)
		return (links_unrest(m));
	if (m->data.log.acked_inc == m->data.log.incarnation &&
	    m->data.log.acked < m->data.log.durable)
		return ("has not published all");
	return (cursors_unrest(m));
}

/* Whether somebody has to ask for a table that does not come. */
static int
asks_in_vain(struct machine *m)
{
	struct cursor_view **all;
	size_t n;
	int yes = 0;

	all = cursors_all(m->rep.cursors, NULL, &n);
	for (size_t i = 0; i < n; i++)
		yes |= all[i]->state == CURSOR_FAILED;
	cursors_done(all, n);
	return (yes);
}

static uint64_t
activity(void)
{
	uint64_t n = feed_published() + links_frames();
	int asks = 0;

	for (int i = 0; i < nmachines; i++) {
		asks |= machines[i].up && asks_in_vain(&machines[i]);
		asks |= membership_on() && !membership_has(&machines[i]);
		n += machines[i].data.log.last + machines[i].data.log.incarnation;
	}
	return (asks ? n : n + carry_catchups());
}

/* Somebody who is not at rest, or NULL. */
static const char *
unrest_anywhere(void)
{
	static char all[240];
	const char *why;

	for (int i = 0; i < nmachines; i++)
		if ((why = unrest(&machines[i])) != NULL) {
			snprintf(all, sizeof(all), "%s %s", machines[i].name, why);
			return (all);
		}
	return (NULL);
}

void
quiet_reach(void)
{
	uint64_t end = world_now() + QUIET_MAX_US, before;
	const char *why;
	int calm; /* all along */

	do {
		calm = unrest_anywhere() == NULL;
		before = activity();
		world_run_until(world_now() + QUIET_US);
		why = unrest_anywhere();
		calm = calm && why == NULL && activity() == before;
	} while (!calm && world_now() < end);
	if (!calm)
		rosters_show();
	if (!calm)
		world_fail("no rest: %s",
		    why != NULL ? why : "something is published or asked for again and again");
	world_note(NULL, "all is quiet");
}

void
quiet_all_up(void)
{
	uint64_t end = world_now() + QUIET_MAX_US;

	for (int i = 0; i < nmachines; i++)
		while (!machine_alive(&machines[i]) || !machines[i].leaf.up) {
			if (world_now() > end)
				world_fail("no rest: %s is not up", machines[i].name);
			world_run_until(world_now() + 100000);
		}
}
