#include "config.h"

#include "test/sim/net.h"

#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/mesh.h"
#include "test/sim/world.h"

#define QUICK_US 2000

static struct net_pair pairs[MACHINES_MAX][MACHINES_MAX];

struct net_pair *
net_pair(const struct machine *from, const struct machine *to)
{
	return (&pairs[from->index][to->index]);
}

void
net_cut(struct machine *a, struct machine *b, int cut)
{
	net_pair(a, b)->cut = net_pair(b, a)->cut = cut;
	world_note(a, cut ? "the link to %s is cut" : "the link to %s is back", b->name);
	mesh_changed(a);
	mesh_changed(b);
}

int
net_open(const struct machine *a, const struct machine *b)
{
	return (!net_pair(a, b)->cut && !a->off && !b->off);
}

int
net_meshed(const struct machine *a, const struct machine *b)
{
	return (net_open(a, b) && !links_leave_nats(a, b));
}

int
net_lost(const struct machine *from, const struct machine *to)
{
	return (world_chance(net_pair(from, to)->lost));
}

int
net_doubled(const struct machine *from, const struct machine *to)
{
	return (world_chance(net_pair(from, to)->doubled));
}

void
net_damage(const struct machine *from, const struct machine *to, uint8_t *p, size_t n)
{
	if (n == 0 || !world_chance(net_pair(from, to)->damaged))
		return;
	for (uint64_t k = world_between(1, 3); k > 0; k--)
		p[world_below(n)] ^= (uint8_t)(1u << world_below(8));
}

uint64_t
net_delay(const struct machine *from, const struct machine *to)
{
	const struct net_pair *p = net_pair(from, to);

	return (world_between(p->least_us, p->most_us));
}

void
net_heal(void)
{
	for (int i = 0; i < MACHINES_MAX; i++)
		for (int k = 0; k < MACHINES_MAX; k++)
			pairs[i][k] = (struct net_pair){ .least_us = 100, .most_us = QUICK_US };
	for (int i = 0; i < nmachines; i++)
		mesh_changed(&machines[i]);
}

void
net_trouble(unsigned lost, unsigned doubled, uint64_t most_us)
{
	for (int i = 0; i < MACHINES_MAX; i++)
		for (int k = 0; k < MACHINES_MAX; k++) {
			pairs[i][k].lost = lost;
			pairs[i][k].doubled = doubled;
			pairs[i][k].most_us = most_us;
		}
}

void
net_noise(unsigned damaged)
{
	for (int i = 0; i < MACHINES_MAX; i++)
		for (int k = 0; k < MACHINES_MAX; k++)
			pairs[i][k].damaged = damaged;
}
