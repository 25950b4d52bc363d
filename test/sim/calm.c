#include "config.h"

#include "test/sim/calm.h"

#include "test/sim/change.h"
#include "test/sim/clients.h"
#include "test/sim/machine.h"
#include "test/sim/net.h"
#include "test/sim/upkeep.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

#define WRITES  6
#define LOST    2 /* of each table */
#define END_US  3000000
#define COPY_US 10000000 /* with what it takes to see that a stream is there again */

static void
write_to(struct machine *m, int t)
{
	if (machine_alive(m))
		work_write_to(m, t);
}

/* Everybody writes, so many times. */
static void
write_all(int times, uint64_t most_us)
{
	for (int k = 0; k < times; k++) {
		for (int i = 0; i < nmachines; i++)
			if (machine_alive(&machines[i]))
				work_write(&machines[i]);
		world_run_until(world_now() + world_between(1000, most_us));
	}
}

void
calm_writes(void)
{
	uint64_t catchups = carry_catchups();

	write_all(WRITES, 400000);
	world_run_until(world_now() + END_US);
	/* Once of each other may be: the first entry after a recovery was never in the stream. */
	if (carry_catchups() - catchups > (uint64_t)(nmachines * nmachines))
		world_fail(
		    "nothing is wrong, and yet nodes ask each other %llu times for what they "
		    "lack",
		    (unsigned long long)(carry_catchups() - catchups));
}

void
calm_remake(void)
{
	struct machine *m = machine_any();
	int t = (int)world_below((uint64_t)work_tables());

	for (int n = (int)world_between(2, 6); n > 0; n--) {
		write_to(machine_any(), t);
		world_run_until(world_now() + world_between(0, 3000));
	}
	if (world_chance(50))
		upkeep_forget_table(m, t);
	else
		change_remake_table(m, t);
	for (int n = WRITES; n > 0; n--)
		write_to(m, t);
	clients_go_on(END_US);
	world_run_until(world_now() + END_US);
}

static void
stall_all(const struct machine *m, int stalled)
{
	for (int i = 0; i < nmachines; i++)
		net_pair(m, &machines[i])->stalled = stalled;
}

void
calm_copy(void)
{
	struct machine *m = machine_any();
	int t = (int)world_below((uint64_t)work_tables());

	stall_all(m, 1);
	for (int n = WRITES; n > 0; n--)
		write_to(m, t);
	world_run_until(world_now() + world_between(1000, 1000000));
	upkeep_purge_table(m, t, 1);
	stall_all(m, 0);
	clients_go_on(COPY_US);
	world_run_until(world_now() + COPY_US);
}

/* Nothing comes to it of what others write, nor is there an answer. */
static void
stall_towards(const struct machine *to, int stalled)
{
	for (int i = 0; i < nmachines; i++)
		net_pair(&machines[i], to)->stalled = stalled;
}

/* Most of the others are written to, and the log of each goes. */
static void
trim_others(const struct machine *a, const struct machine *b, int t)
{
	for (int n = WRITES; n > 0; n--)
		for (int i = 0; i < nmachines; i++)
			if (world_chance(70))
				write_to(&machines[i], t);
	world_run_until(world_now() + world_between(1000, 1000000));
	for (int i = 0; i < nmachines; i++)
		if (&machines[i] != a && &machines[i] != b)
			upkeep_purge_table(&machines[i], t, 1);
}

static void
copy_to(struct machine *a, struct machine *b)
{
	int t = (int)world_below((uint64_t)work_tables());

	stall_towards(a, 1);
	stall_towards(b, 1);
	trim_others(a, b, t);
	if (a != b)
		upkeep_purge_table(a, t, 1);
	if (world_chance(40) && machine_alive(a))
		machine_crash_at_write(a, (unsigned)world_between(1, 12), world_chance(50));
	stall_towards(a, 0);
	stall_towards(b, 0);
	clients_go_on(COPY_US);
	world_run_until(world_now() + COPY_US);
	a->writes_left = 0;
}

void
calm_copies(void)
{
	int from = (int)world_below((uint64_t)nmachines);

	for (int n = 0; n <= nmachines; n++)
		copy_to(&machines[(from + n) % nmachines],
		    &machines[(from + n + world_chance(30)) % nmachines]);
}

static void
write_each(struct machine *m, int times)
{
	for (int t = 0; t < work_tables(); t++)
		for (int n = times; n > 0; n--)
			write_to(m, t);
	world_run_until(world_now() + END_US);
}

void
calm_put_back(void)
{
	struct machine *m = machine_any();

	change_back_up(m);
	write_each(m, LOST);
	change_restore_alone(m);
	write_each(m, LOST + 2);
	for (int t = 0; t < work_tables(); t++)
		upkeep_purge_table(m, t, 1);
	net_heal();
}
