/*
 * A whole cluster in one process, from a seed: see test/README.md.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "test/sim/calm.h"
#include "test/sim/change.h"
#include "test/sim/check.h"
#include "test/sim/clients.h"
#include "test/sim/grants.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/membership.h"
#include "test/sim/net.h"
#include "test/sim/quiet.h"
#include "test/sim/rosters.h"
#include "test/sim/shape.h"
#include "test/sim/trouble.h"
#include "test/sim/upkeep.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

/* Of make check. */
#define SEEDS_FROM 1
#define SEEDS_TO   180
#define PARTS      2 /* processes at the same time */
/* Sanitizers look at memory, and are slow: every third does. */
#ifdef __SANITIZE_ADDRESS__
#define SHARE 3
#else
#define SHARE 1
#endif
#define SEEDS_OF(from, to) (((to) - (from)) / SHARE + 1)
/* Every second thousand has links as well. */
#define WITH_LINKS(seed) ((seed) / 1000 % 2 == 1)
#define LINKED_FROM      1001
#define LINKED_TO        1060
/* Every fourth has members, which link by themselves. */
#define WITH_MEMBERS(seed) ((seed) / 1000 % 4 == 3)
#define MEMBERS_FROM       3005
#define MEMBERS_TO         3017
/* And these: bugs of test/sim/faults that no other of them finds. */
static const uint64_t seeds_beyond[] = { 216, 377, 411, 447, 3027, 3049, 603033, 611026, 611053 };
#define SEEDS_BEYOND (sizeof(seeds_beyond) / sizeof(seeds_beyond[0]))

static struct machine_opts opts;
static uint64_t *history; /* its hash: of who ran it to who looks */

static void
come_to_rest(void)
{
	quiet_reach();
	if (membership_on()) {
		membership_whole();
		rosters_check();
	}
	check_rest();
}

static void
complete(void)
{
	quiet_all_up();
	upkeep_complete();
	if (!membership_on())
		come_to_rest();
	change_complete();
	if (membership_on())
		membership_complete();
	else
		shape_complete();
}

/* Nothing goes wrong any more, but for what operators do. */
static void
stay_calm(void)
{
	calm_writes();
	come_to_rest();
	for (int n = 2; n > 0; n--) {
		calm_copy();
		come_to_rest();
	}
	calm_put_back();
	come_to_rest();
	if (membership_on()) {
		membership_calm();
		come_to_rest();
		membership_hurry();
		come_to_rest();
		membership_lose_source();
		come_to_rest();
		return;
	}
	calm_remake();
	come_to_rest();
	if (nmachines < 3 || shape_relays())
		return;
	calm_copies();
	come_to_rest();
}

static int
run(uint64_t seed, int loud)
{
	enum shape_kind shape;

	log_set_std(0);
	world_begin(seed, loud);
	if (WITH_LINKS(seed))
		links_begin();
	if (WITH_MEMBERS(seed))
		membership_begin();
	net_heal();
	shape = membership_on() || world_chance(60) ? SHAPE_MESH :
	    world_chance(60)                        ? SHAPE_CHAIN :
						      SHAPE_STAR;
	opts = (struct machine_opts){
		.republish = shape == SHAPE_CHAIN,
		.retention_s = world_chance(50) ? 15 : 1000,
		.tombstones_s = shape != SHAPE_CHAIN && world_chance(50) ? 12 : 1000,
		.skew_ms = 4000,
		.status_ms = 1000,
	};
	shape_begin(shape, opts.tombstones_s > 100);
	change_begin(&opts);
	work_begin((int)world_between(1, WORK_TABLES));
	if (membership_on()) {
		opts.tombstones_s = 1000;
	} else if (links_on()) {
		opts.narrow = world_chance(50);
		opts.all_relay = opts.republish && world_chance(50);
		if (opts.narrow && opts.tombstones_s > 100)
			grants_begin();
	}
	for (int n = (int)world_between(2, world_chance(10) ? 5 : 3); n > 0; n--)
		machine_open(machine_new(&opts));
	for (int t = 0; t < work_tables(); t++)
		work_define(&machines[0], t);
	world_run_until(4000000);
	if (membership_on())
		membership_found();
	else
		shape_subscribe();
	trouble_begin(world_between(20, 90) * 1000000);
	clients_begin();
	while (trouble_lasts() && world_step())
		;
	trouble_end();
	complete();
	come_to_rest();
	/* What is known now is known after a restart. */
	for (int i = 0; i < nmachines; i++)
		machine_crash(&machines[i], world_between(50000, 3000000));
	come_to_rest();
	stay_calm();
	*history = world_hash();
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

/* Whether it comes out the same twice. */
static unsigned
check_replay(uint64_t seed)
{
	uint64_t once;

	if (run_apart(seed, 0) != 0)
		return (0); /* which is seen anyway */
	once = *history;
	if (run_apart(seed, 0) == 0 && *history == once)
		return (0);
	printf("seed %llu FAILED: it runs otherwise the second time\n", (unsigned long long)seed);
	return (1);
}

static unsigned
try_seed(uint64_t seed)
{
	if (run_apart(seed, 0) == 0)
		return (0);
	printf("again, with its history: test/sim/sim %llu\n", (unsigned long long)seed);
	return (1);
}

/* How many failed; with `first` no more after one.  *ran: so many seeds. */
static unsigned
run_seeds(uint64_t from, uint64_t to, int first, uint64_t *ran)
{
	unsigned bad = check_replay(from);
	uint64_t seed = from;

	while (seed <= to && !(first && bad > 0))
		bad += try_seed(seed++);
	*ran = seed - from;
	return (bad);
}

/* Every PARTS-th of those of make check. */
static unsigned
run_part(unsigned part)
{
	const unsigned at = part * SHARE, step = PARTS * SHARE;
	unsigned bad = 0;

	for (uint64_t seed = SEEDS_FROM + at; seed <= SEEDS_TO; seed += step)
		bad += try_seed(seed);
	for (uint64_t seed = LINKED_FROM + at; seed <= LINKED_TO; seed += step)
		bad += try_seed(seed);
	for (uint64_t seed = MEMBERS_FROM + at; seed <= MEMBERS_TO; seed += step)
		bad += try_seed(seed);
	for (size_t i = at; i < SEEDS_BEYOND; i += step)
		bad += try_seed(seeds_beyond[i]);
	return (bad);
}

/* Those of make check, in so many processes. */
static unsigned
run_check(uint64_t *ran)
{
	unsigned bad = check_replay(SEEDS_FROM);
	pid_t parts[PARTS];
	int status;

	for (unsigned i = 0; i < PARTS; i++)
		if ((parts[i] = fork()) == 0)
			_exit((int)run_part(i));
	for (unsigned i = 0; i < PARTS; i++) {
		waitpid(parts[i], &status, 0);
		bad += WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : 1;
	}
	*ran = SEEDS_OF(SEEDS_FROM, SEEDS_TO) + SEEDS_OF(LINKED_FROM, LINKED_TO) +
	    SEEDS_OF(MEMBERS_FROM, MEMBERS_TO) + SEEDS_OF(1, SEEDS_BEYOND);
	return (bad);
}

/* The same one by one, until one fails. */
static unsigned
find_first(uint64_t *ran)
{
	unsigned bad = run_seeds(SEEDS_FROM, SEEDS_TO, 1, ran);

	for (uint64_t seed = LINKED_FROM; seed <= LINKED_TO && bad == 0; seed++, ++*ran)
		bad += try_seed(seed);
	for (uint64_t seed = MEMBERS_FROM; seed <= MEMBERS_TO && bad == 0; seed++, ++*ran)
		bad += try_seed(seed);
	for (size_t i = 0; i < SEEDS_BEYOND && bad == 0; i++, ++*ran)
		bad += try_seed(seeds_beyond[i]);
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
	unsigned long long from = 0, to = 0;
	int first = 0;
	uint64_t ran;
	unsigned bad;

	setvbuf(stdout, NULL, _IOLBF, 0);
	history = mmap(NULL, sizeof(*history), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	    -1, 0);
	if (argc == 2 && sscanf(argv[1], "%llu", &from) == 1)
		return (run_apart(from, 1));
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--first") == 0)
			first = 1;
		else if (strcmp(argv[i], "--seeds") != 0 || ++i == argc ||
		    sscanf(argv[i], "%llu-%llu", &from, &to) != 2)
			return (usage());
	if (to != 0)
		bad = run_seeds(from, to, first, &ran);
	else
		bad = first ? find_first(&ran) : run_check(&ran);
	printf("%u of %llu failed\n", bad, (unsigned long long)ran);
	return (bad != 0);
}
