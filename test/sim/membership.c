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
#include "test/sim/rosters.h"
#include "test/sim/shape.h"
#include "test/sim/stranger.h"
#include "test/sim/trouble.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

#define TRIES     60
#define PAUSE_US  1000000
#define KNOWN_US  60000000
#define FEW       2 /* so many members stay */
#define CLOCKS_US 1900000
#define LOOK_US   500

enum belonging { OUT, IN, UNSURE };

/* One machine: what it is, and the call that makes it something else. */
static struct fellow {
	enum belonging is;
	int named; /* members know its name, of another id */
	int busy, joins;
	int spoilt;                     /* what comes of the call is not what it is */
	struct machine *via, *also_via; /* where that was called for */
	int fresh; /* whom it has let in, or removed, may not be known to all members */
	int twice; /* two members have removed it */
	struct call_made c, also;
} fellows[MACHINES_MAX];

static int on;

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
	f->also = (struct call_made){ .done = 1 };
	calls_join(m, via, &f->c);
}

/* By the name that it has. */
static void
expel(struct machine *m, struct machine *at)
{
	struct fellow *f = &fellows[m->index];

	shape_lose(m, -1);
	f->busy = 1;
	f->joins = f->twice = 0;
	f->via = at;
	fellows[at->index].fresh = 1;
	f->also = (struct call_made){ .done = 1 };
	calls_expel(at, m->name, &f->c);
}

/* Two operators do it at the same time, perhaps as the two members do not see each other. */
static void
expel_twice(struct machine *m, struct machine *at)
{
	struct fellow *f = &fellows[m->index];
	struct machine *other = any_member(m);

	expel(m, at);
	if (other == NULL || other == at || !machine_alive(other))
		return;
	f->twice = 1;
	f->also_via = other;
	if (world_chance(50))
		net_cut(at, other, 1);
	fellows[other->index].fresh = 1;
	calls_expel(other, m->name, &f->also);
}

static void
look_at_one(struct fellow *f)
{
	int ok = f->c.status == 200 || (f->twice && f->also.status == 200);

	if (!f->busy || !f->c.done || !f->also.done)
		return;
	f->busy = 0;
	f->is = !ok || f->spoilt ? UNSURE : f->joins ? IN : OUT;
	f->spoilt = 0;
	if (f->joins)
		f->named = f->c.status == 409;
	else if (ok)
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
		if (fellows[i].busy) {
			fellows[fellows[i].via->index].fresh = 1;
			if (fellows[i].twice && !fellows[i].joins)
				fellows[fellows[i].also_via->index].fresh = 1;
		}
}

/* ---- machines ---- */

/* What it has done may be known to nobody else. */
static void
lose_what_it_did(const struct machine *m)
{
	look_at_calls();
	for (int i = 0; i < nmachines && fellows[m->index].fresh; i++)
		if (fellows[i].via == m || (fellows[i].twice && fellows[i].also_via == m)) {
			fellows[i].is = UNSURE;
			fellows[i].spoilt |= fellows[i].busy;
		}
}

void
membership_new(struct machine *m)
{
	struct fellow *f = &fellows[m->index];

	if (!on)
		return;
	lose_what_it_did(m);
	f->spoilt = f->busy;
	f->named = f->is != OUT || f->named;
	f->is = OUT;
	keys_new(m);
}

void
membership_put_back(const struct machine *m)
{
	if (!on)
		return;
	lose_what_it_did(m);
	/* Nor may it know any more what others have done. */
	for (int i = 0; i < nmachines; i++)
		fellows[i].fresh = 1;
}

void
membership_copy(struct machine *m, const struct machine *of)
{
	if (on)
		keys_copy(m, of);
}

/* ---- what happens ---- */

/* Whoever does not know all of it cannot let it in again. */
static int
knows_it_is_out(const struct machine *m, const struct machine *of)
{
	const struct fellow *f = &fellows[of->index];

	return (f->is != OUT || (!rosters_take(m, of) && (!f->twice || all_agree())));
}

void
membership_trouble(void)
{
	struct machine *m = machine_any(), *other = any_member(m);
	struct fellow *f = &fellows[m->index];

	look_at_calls();
	if (other != NULL && machine_alive(other) && other->hub.up && world_chance(20))
		stranger_asks(other, m);
	if (f->busy || m->off || other == NULL || !machine_alive(other))
		return;
	if (f->named)
		expel(m, other);
	else if (f->is != IN) {
		if (machine_alive(m) && knows_it_is_out(other, m))
			join(m, other);
	} else if (count_members() > FEW && !f->fresh && world_chance(60))
		world_chance(30) ? expel_twice(m, other) : expel(m, other);
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

	if (f->busy) {
		calls_wait(&f->c);
		calls_wait(&f->also);
	}
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
		} else if (m->off || !machine_alive(m) || !machine_alive(other))
			; /* it comes */
		else {
			wait_until_known();
			expels ? expel(m, other) : join(m, other);
		}
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

/* ---- while nothing is wrong ---- */

void
membership_whole(void)
{
	for (int i = 0; i < nmachines; i++)
		for (int k = 0; k < nmachines; k++)
			for (int t = 0; t < work_tables() && i != k; t++)
				if (membership_linked(&machines[i], &machines[k]))
					check_whole(&machines[i], &machines[k], t, 1);
}

/* Clocks differ by less than what is held. */
static void
set_clocks(int64_t most_us)
{
	for (int i = 0; i < nmachines; i++)
		machines[i].skew_us = most_us > 0 ?
		    (int64_t)world_below(2 * (uint64_t)most_us) - most_us :
		    0;
}

/* A member is removed, and at once added again: sooner than their clocks differ. */
void
membership_hurry(void)
{
	struct machine *m = any_member(NULL), *at = any_member(m);

	world_note(m, "is removed and comes back at once");
	set_clocks(CLOCKS_US);
	expel(m, at);
	finish(&fellows[m->index], 1);
	settle(m, 1);
	set_clocks(0);
}

/* A member comes back, and the one that it copies from first is removed meanwhile: the others have all as well. */
void
membership_lose_source(void)
{
	struct machine *m = any_member(NULL), *via = any_member(m), *at;

	if (count_members() <= FEW)
		return;
	settle(m, 0);
	calm_writes();
	wait_until_known();
	join(m, via);
	finish(&fellows[m->index], 0);
	do {
		at = any_member(via);
	} while (at == m);
	/* Who is removed has no say: that it has let this one in must be known before. */
	while (membership_has(m) && !rosters_take(at, m))
		world_run_until(world_now() + LOOK_US);
	if (membership_has(m)) {
		expel(via, at);
		finish(&fellows[via->index], 1);
	}
	settle(m, 1);
}

void
membership_calm(void)
{
	struct machine *m = any_member(NULL);
	struct machine *was;
	uint64_t ms;

	settle(m, 0);
	quiet_reach();
	rosters_check();
	was = machine_enter(m);
	ms = wall_ms();
	machine_enter(was);
	calm_writes();
	quiet_reach();
	rosters_got_nothing(m, ms);
	settle(m, 1);
}
