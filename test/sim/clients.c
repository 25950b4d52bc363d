#include "config.h"

#include "test/sim/clients.h"

#include <stddef.h>

#include "test/sim/change.h"
#include "test/sim/machine.h"
#include "test/sim/trouble.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

static uint64_t until_us;

int
clients_write(struct machine *m, int t)
{
	if (!machine_alive(m) || change_must_not_write(m) ||
	    !(trouble_lasts() || world_now() < until_us))
		return (0);
	work_write_to(m, t);
	return (1);
}

static void
write_cb(void *arg)
{
	if (!trouble_lasts())
		return;
	clients_write(arg, (int)world_below((uint64_t)work_tables()));
	world_at(world_between(1000, 600000), NULL, write_cb, arg, NULL);
}

void
clients_begin(void)
{
	for (int i = 0; i < MACHINES_MAX; i++)
		world_at(world_between(1000, 600000), NULL, write_cb, &machines[i], NULL);
}

void
clients_go_on(uint64_t us)
{
	until_us = world_now() + us;
}
