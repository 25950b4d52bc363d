/*
 * A whole cluster in one process, from a seed: see test/README.md.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "test/sim/calls.h"
#include "test/sim/check.h"
#include "test/sim/machine.h"
#include "test/sim/net.h"
#include "test/sim/trouble.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

#define SEEDS_CHECK	40	/* of make check */

static struct machine_opts opts;

static void
subscribe_pair(struct machine *a, struct machine *b, int publish, int subscribe)
{
	json_t *subs = json_array();
	struct call_made c;

	for (int t = 0; t < work_tables(); t++)
		json_array_append_new(subs, calls_subscription(work_table(t), publish, subscribe, 0));
	calls_change(a, b->name, subs, &c);
	calls_wait(&c);
	if (c.status != 200)
		world_fail("the first call of %s for %s: %d", a->name, b->name, c.status);
	for (int t = 0; t < work_tables(); t++) {
		check_whole(a, b, t, publish);
		check_whole(b, a, t, subscribe);
	}
}

/* All with all, or in a chain when they relay. */
static void
subscribe_all(void)
{
	for (int i = 0; i < nmachines; i++)
		for (int k = i + 1; k < nmachines; k++)
			if (!opts.republish || k == i + 1)
				subscribe_pair(&machines[i], &machines[k], 1, 1);
}

static void
write_cb(void *arg)
{
	struct machine *m = arg;

	if (machine_alive(m) && trouble_lasts())
		work_write(m);
	if (trouble_lasts())
		world_at(world_between(1000, 600000), NULL, write_cb, m, NULL);
}

static int
run(uint64_t seed, int loud)
{
	log_set_std(0);
	world_begin(seed, loud);
	net_heal();
	opts = (struct machine_opts){ .republish = world_chance(25),
	    .retention_s = world_chance(50) ? 15 : 1000, .tombstones_s = world_chance(50) ? 12 : 1000,
	    .skew_ms = 4000, .status_ms = 1000 };
	work_begin((int)world_between(1, WORK_TABLES));
	for (int n = (int)world_between(2, world_chance(10) ? 5 : 3); n > 0; n--)
		machine_open(machine_new(&opts));
	for (int t = 0; t < work_tables(); t++)
		work_define(&machines[0], t);
	world_run_until(4000000);
	subscribe_all();
	trouble_begin(world_between(20, 90) * 1000000);
	for (int i = 0; i < nmachines; i++)
		world_at(world_between(1000, 600000), NULL, write_cb, &machines[i], NULL);
	while (trouble_lasts() && world_step())
		;
	trouble_end();
	check_quiet();
	check_rest(opts.republish);
	printf("seed %llu: %d nodes, %u writes, %llu events, %llu s, history %016llx\n",
	    (unsigned long long)seed, nmachines, work_written(), (unsigned long long)world_events(),
	    (unsigned long long)(world_now() / 1000000), (unsigned long long)world_hash());
	fflush(stdout);
	return (0);
}

/* Each in a process of its own, whatever it does to it; 0: it is fine. */
static int
run_apart(uint64_t seed, int loud)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0) {
		alarm(120);
		_exit(run(seed, loud));
	}
	waitpid(pid, &status, 0);
	if (status != 0 && !WIFEXITED(status))
		printf("seed %llu FAILED: signal %d\n", (unsigned long long)seed, WTERMSIG(status));
	return (status != 0);
}

/* How many failed; with `first` no more after one. */
static unsigned
run_seeds(uint64_t from, uint64_t to, int first)
{
	unsigned bad = 0;

	for (uint64_t seed = from; seed <= to && !(first && bad > 0); seed++)
		if (run_apart(seed, 0) != 0) {
			bad++;
			printf("again, with its history: test/sim/sim %llu\n", (unsigned long long)seed);
		}
	printf("%u of %llu failed\n", bad, (unsigned long long)(to - from + 1));
	return (bad);
}

static int
usage(void)
{
	fprintf(stderr, "usage: sim [SEED | [--first] [--seeds FROM-TO]]\n");
	return (2);
}

int
main(int argc, char *argv[])
{
	unsigned long long from = 1, to = SEEDS_CHECK;
	int first = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && sscanf(argv[1], "%llu", &from) == 1)
		return (run_apart(from, 1));
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--first") == 0)
			first = 1;
		else if (strcmp(argv[i], "--seeds") != 0 || ++i == argc ||
		    sscanf(argv[i], "%llu-%llu", &from, &to) != 2)
			return (usage());
	return (run_seeds(from, to, first) != 0);
}
