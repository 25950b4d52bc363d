#include "config.h"

#include "test/sim/trouble.h"

#include <stddef.h>

#include "test/sim/change.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/membership.h"
#include "test/sim/net.h"
#include "test/sim/shape.h"
#include "test/sim/upkeep.h"
#include "test/sim/world.h"

static uint64_t ends_us;

static struct machine *
another(const struct machine *m)
{
	return (&machines[((uint64_t)m->index + 1 + world_below((uint64_t)nmachines - 1)) %
	    (uint64_t)nmachines]);
}

static void
set_clock_of(struct machine *m)
{
	m->skew_us = (int64_t)world_below(6000000) - 3000000;
	world_note(m, "its clock is set: %lld ms", (long long)(m->skew_us / 1000));
}

/* It may come back soon, and with another clock. */
static void
crash(void)
{
	struct machine *m = machine_any();

	if (!machine_alive(m))
		return;
	machine_crash(m, world_between(50000, world_chance(50) ? 1500000 : 10000000));
	if (world_chance(40))
		set_clock_of(m);
}

static void
crash_at_write(void)
{
	struct machine *m = machine_any();

	if (machine_alive(m))
		machine_crash_at_write(m, (unsigned)world_between(1, 20), world_chance(50));
}

static void
restart_leafd(void)
{
	struct machine *m = machine_any();

	if (machine_alive(m)) {
		world_note(m, "leafd starts anew");
		wire_restart(&m->leaf);
	}
}

static void
restart_hubd(void)
{
	struct machine *m = machine_any();

	if (machine_alive(m)) {
		world_note(m, "hubd starts anew");
		wire_restart(&m->hub);
	}
}

static void
cut_or_mend(void)
{
	struct machine *a = machine_any(), *b = another(a);

	net_cut(a, b, !net_pair(a, b)->cut);
}

static void
stall_or_not(void)
{
	struct machine *a = machine_any(), *b = another(a);
	struct net_pair *p = net_pair(a, b);

	p->stalled = !p->stalled;
	world_note(a,
	    p->stalled ? "nothing of its stream reaches %s" : "its stream reaches %s again",
	    b->name);
}

static void
lose_tail(void)
{
	struct machine *m = machine_any();
	uint64_t lost = world_between(1, 12);

	world_note(m, "the leaf server loses up to %llu messages", (unsigned long long)lost);
	jet_lose_tail(&m->jet, m->jet.last > lost ? m->jet.last - lost : 0);
	feed_again(&m->feed);
}

static void
lose_stream(void)
{
	struct machine *m = machine_any();

	world_note(m, "its stream is deleted");
	jet_delete(&m->jet);
	feed_again(&m->feed);
}

static void
set_clock(void)
{
	set_clock_of(machine_any());
}

static void
worsen_net(void)
{
	unsigned lost = world_chance(50) ? 0 : (unsigned)world_between(1, 20);
	uint64_t most = world_chance(50) ? 2000 : world_between(2000, 1500000);

	world_note(NULL, "the network loses %u of a hundred, late by up to %llu ms", lost,
	    (unsigned long long)(most / 1000));
	net_trouble(lost, lost / 2, most);
}

static void
damage_bytes(void)
{
	unsigned damaged = world_chance(30) ? 0 : (unsigned)world_between(1, 30);

	world_note(NULL, "the network damages %u of a hundred", damaged);
	net_noise(damaged);
}

static void
back_up(void)
{
	change_back_up(machine_any());
}

static const struct {
	unsigned weight;
	unsigned members; /* where nodes come and go as members (membership.h) */
	void (*fn)(void);
} kinds[] = {
	{ 6, 6, crash },
	{ 8, 8, crash_at_write },
	{ 3, 3, restart_leafd },
	{ 2, 0, restart_hubd },
	{ 5, 5, cut_or_mend },
	{ 4, 4, stall_or_not },
	{ 3, 0, lose_tail },
	{ 1, 0, lose_stream },
	{ 4, 4, set_clock },
	{ 4, 4, worsen_net },
	{ 3, 3, damage_bytes },
	{ 3, 3, back_up },
	{ 4, 4, change_restore },
	{ 1, 1, change_install_anew },
	{ 1, 1, change_join },
	{ 1, 1, change_clone },
	{ 2, 0, change_drop_table },
	{ 1, 0, change_drop_attribute },
	{ 2, 0, upkeep_purge },
	{ 1, 0, upkeep_forget },
	{ 2, 0, shape_part },
	{ 9, 0, shape_mend },
	{ 0, 12, membership_trouble },
};

static unsigned
weight(size_t kind)
{
	return (membership_on() ? kinds[kind].members : kinds[kind].weight);
}

static void
happen_cb(void *arg)
{
	unsigned all = 0, n;
	size_t i = 0;

	if (!trouble_lasts())
		return;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		all += weight(k);
	for (n = (unsigned)world_below(all); n >= weight(i); i++)
		n -= weight(i);
	kinds[i].fn();
	world_at(world_between(100000, 4000000), NULL, happen_cb, arg, NULL);
}

static void
link_cb(void *arg)
{
	if (!trouble_lasts())
		return;
	links_trouble();
	world_at(world_between(100000, 5000000), NULL, link_cb, arg, NULL);
}

void
trouble_begin(uint64_t us)
{
	ends_us = world_now() + us;
	if (links_on())
		world_at(world_between(0, 3000000), NULL, link_cb, NULL, NULL);
	world_at(world_between(0, 3000000), NULL, happen_cb, NULL, NULL);
}

int
trouble_lasts(void)
{
	return (world_now() < ends_us);
}

void
trouble_end(void)
{
	world_note(NULL, "the trouble ends");
	net_heal();
	for (int i = 0; i < nmachines; i++) {
		struct machine *m = &machines[i];

		m->writes_left = 0;
		m->off = m->renews;
		m->skew_us = 0;
	}
}
