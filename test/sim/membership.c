#include "config.h"

#include "test/sim/membership.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/roster.h"
#include "test/sim/calls.h"
#include "test/sim/calm.h"
#include "test/sim/check.h"
#include "test/sim/keys.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/net.h"
#include "test/sim/quiet.h"
#include "test/sim/shape.h"
#include "test/sim/trouble.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

#define TRIES    60
#define PAUSE_US 1000000
#define GRACE_US 2000000 /* until the link of one that was removed has ended */
#define KNOWN_US 60000000
#define FEW      2 /* so many members stay */

enum belonging { OUT, IN, UNSURE };

/* One machine: what it is, and the call that makes it something else. */
static struct fellow {
	enum belonging is;
	int named; /* members know its name, of another id */
	int busy, joins;
	int spoilt; /* what comes of the call is not what it is */
	struct machine *via;
	int fresh; /* whom it has let in may not be known to all members */
	struct call_made c;
} fellows[MACHINES_MAX];

static int on;
static uint64_t locked_us[MACHINES_MAX]
			 [MACHINES_MAX]; /* since when one knows that the other is out */

int
membership_on(void)
{
	return (on);
}

void
membership_begin(void)
{
	on = 1;
}

int
membership_has(const struct machine *m)
{
	return (fellows[m->index].is == IN);
}

int
membership_linked(const struct machine *a, const struct machine *b)
{
	return (membership_has(a) && membership_has(b));
}

static int
count_members(void)
{
	int n = 0;

	for (int i = 0; i < nmachines; i++)
		n += fellows[i].is == IN;
	return (n);
}

/* Any member but one; NULL: there is none. */
static struct machine *
any_member(const struct machine *but)
{
	int from = (int)world_below((uint64_t)nmachines);

	for (int n = 0; n < nmachines; n++) {
		struct machine *m = &machines[(from + n) % nmachines];

		if (m != but && fellows[m->index].is == IN && !fellows[m->index].busy)
			return (m);
	}
	return (NULL);
}

/* ---- what they know ---- */

static const struct machine *
first_member(void)
{
	for (int i = 0; i < nmachines; i++)
		if (fellows[i].is == IN)
			return (&machines[i]);
	return (NULL);
}

int
membership_agrees(const struct machine *m)
{
	const struct machine *first = first_member();

	if (!on || !membership_has(m) || first == m)
		return (1);
	return (machine_alive(m) && machine_alive(first) &&
	    roster_digest(m->rep.roster) == roster_digest(first->rep.roster));
}

/* And are linked. */
static int
all_agree(void)
{
	int yes = 1;

	for (int i = 0; i < nmachines; i++)
		if (fellows[i].is == IN)
			yes &= machine_alive(&machines[i]) && membership_agrees(&machines[i]);
	return (yes);
}

/* ---- calls ---- */

static void
join(struct machine *m, struct machine *via)
{
	struct fellow *f = &fellows[m->index];

	shape_lose(m, -1);
	f->busy = f->joins = 1;
	f->via = via;
	fellows[via->index].fresh = 1;
	calls_join(m, via, &f->c);
}

/* By the name that it has. */
static void
expel(struct machine *m, struct machine *at)
{
	struct fellow *f = &fellows[m->index];

	shape_lose(m, -1);
	f->busy = 1;
	f->joins = 0;
	calls_expel(at, m->name, &f->c);
}

static void
look_at_one(struct fellow *f)
{
	if (!f->busy || !f->c.done)
		return;
	f->busy = 0;
	f->is = f->c.status != 200 || f->spoilt ? UNSURE : f->joins ? IN : OUT;
	f->spoilt = 0;
	if (f->joins)
		f->named = f->c.status == 409;
	else if (f->c.status == 200)
		f->named = 0;
}

static void
look_at_calls(void)
{
	int agree;

	for (int i = 0; i < nmachines; i++)
		look_at_one(&fellows[i]);
	agree = all_agree();
	for (int i = 0; i < nmachines; i++)
		if (agree)
			fellows[i].fresh = 0;
	for (int i = 0; i < nmachines; i++)
		if (fellows[i].busy && fellows[i].joins)
			fellows[fellows[i].via->index].fresh = 1;
}

/* ---- machines ---- */

void
membership_new(struct machine *m)
{
	struct fellow *f = &fellows[m->index];

	if (!on)
		return;
	look_at_calls();
	f->spoilt = f->busy;
	f->named = f->is != OUT || f->named;
	f->is = OUT;
	keys_renew(m);
}

void
membership_copy(struct machine *m, const struct machine *of)
{
	if (on)
		keys_copy(m, of);
}

/* ---- what happens ---- */

void
membership_trouble(void)
{
	struct machine *m = machine_any(), *other = any_member(m);
	struct fellow *f = &fellows[m->index];

	look_at_calls();
	if (f->busy || m->off || other == NULL || !machine_alive(other))
		return;
	if (f->named)
		expel(m, other);
	else if (f->is != IN) {
		if (machine_alive(m))
			join(m, other);
	} else if (count_members() > FEW && !f->fresh && world_chance(60))
		expel(m, other);
}

/* Who is removed has no say: whom it has let in must be known to others before. */
static void
wait_until_known(void)
{
	uint64_t end = world_now() + KNOWN_US;

	while (!all_agree() && world_now() < end)
		world_run_until(world_now() + PAUSE_US);
	look_at_calls();
}

/* While nothing is wrong 404 says that nobody knows it. */
static void
finish(struct fellow *f, int expels)
{
	int was_busy = f->busy;

	if (f->busy)
		calls_wait(&f->c);
	look_at_one(f);
	if (!was_busy || !expels || f->c.status != 404)
		return;
	f->is = OUT;
	f->named = 0;
}

void
membership_found(void)
{
	fellows[0].is = IN;
	for (int i = 1; i < nmachines; i++)
		if (i == 1 || world_chance(70)) {
			join(&machines[i], any_member(&machines[i]));
			finish(&fellows[i], 0);
			if (fellows[i].is != IN)
				world_fail("%s cannot join: %d", machines[i].name,
				    fellows[i].c.status);
		}
}

/* Until it is what it is to be; 404: nobody knew it. */
static void
settle(struct machine *m, int joins)
{
	struct fellow *f = &fellows[m->index];

	for (int try = 0; f->is != (joins ? IN : OUT) || f->named; try++) {
		struct machine *other = any_member(m);
		int expels = !joins || f->named;

		if (try == TRIES)
			world_fail("%s is not %s, though nothing is wrong: %d", m->name,
			    joins ? "joined" : "removed", f->c.status);
		if (other == NULL) { /* alone */
			f->is = IN;
			f->named = 0;
		} else if (!machine_alive(m) || !machine_alive(other))
			; /* it comes */
		else if (expels) {
			wait_until_known();
			expel(m, other);
		} else
			join(m, other);
		finish(f, expels);
		world_run_until(world_now() + PAUSE_US);
	}
}

void
membership_complete(void)
{
	for (int i = 0; i < nmachines; i++)
		finish(&fellows[i], 0);
	for (int i = 0; i < nmachines; i++)
		if (fellows[i].is != IN)
			settle(&machines[i],
			    count_members() < FEW || fellows[i].is == UNSURE || world_chance(60));
}

/* ---- what must hold ---- */

void
membership_gives(const struct machine *from, const struct machine *to)
{
	uint64_t *since = &locked_us[from->index][to->index];

	if (!on || !machine_alive(from))
		return;
	if (!machine_alive(to) || roster_locked_ms(from->rep.roster, to->data.node_id, NULL) == 0)
		*since = 0;
	else if (*since == 0)
		*since = world_now();
	else if (world_now() - *since > GRACE_US)
		world_fail("%s gives to %s, of which it knows that it was removed", from->name,
		    to->name);
}

void
membership_whole(void)
{
	for (int i = 0; i < nmachines; i++)
		for (int k = 0; k < nmachines; k++)
			for (int t = 0; t < work_tables() && i != k; t++)
				if (membership_linked(&machines[i], &machines[k]))
					check_whole(&machines[i], &machines[k], t, 1);
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
membership_show(void)
{
	for (int i = 0; on && i < nmachines; i++)
		if (machine_alive(&machines[i]))
			show_roster(&machines[i]);
}

static void
same_roster(const struct machine *a, const struct machine *b)
{
	json_t *x = roster_list(a->rep.roster), *y = roster_list(b->rep.roster);

	if (!json_equal(x, y)) {
		membership_show();
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
	struct roster_member r = { 0 };

	if (roster_member(m->rep.roster, of->data.node_id, &r) && !r.removed)
		world_fail("%s takes %s for a member, which was removed", m->name, of->name);
	roster_member_clear(&r);
}

static void
check_two(const struct machine *a, const struct machine *b)
{
	if (!membership_has(a) || a == b)
		return;
	if (!membership_has(b)) {
		is_out(a, b);
		return;
	}
	same_roster(a, b);
	replicates(a, b);
}

void
membership_check(void)
{
	for (int i = 0; i < nmachines; i++)
		for (int k = 0; k < nmachines; k++)
			check_two(&machines[i], &machines[k]);
}

/* ---- while nothing is wrong ---- */

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
static void
got_nothing(const struct machine *m, uint64_t ms)
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

void
membership_calm(void)
{
	struct machine *m = any_member(NULL);
	struct machine *was;
	uint64_t ms;

	settle(m, 0);
	quiet_reach();
	membership_check();
	was = machine_enter(m);
	ms = wall_ms();
	machine_enter(was);
	calm_writes();
	quiet_reach();
	got_nothing(m, ms);
	settle(m, 1);
}
