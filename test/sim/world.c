#include "config.h"

#include "test/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/fnv.h"
#include "common/base/mem.h"
#include "test/sim/machine.h"

#define EPOCH_S   1767225600 /* when all runs begin, in seconds since 1970 */
#define UPTIME_US UINT64_C(3600000000)

struct happening {
	uint64_t us, order;
	struct machine *m;
	int life;
	void (*fn)(void *arg), (*drop)(void *arg);
	void *arg;
};

#define LINES 60 /* of the history, for a run that fails in silence */
#define LINE  1024

static struct {
	char lines[LINES][LINE];
	unsigned nlines;
	uint64_t now, order, events, hash, seed, state;
	int loud;
	struct happening *heap;
	size_t n, cap;
} world;

/* ---- chance: SplitMix64 ---- */

static uint64_t
draw(void)
{
	uint64_t z = world.state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31);
}

uint64_t
world_below(uint64_t n)
{
	return (draw() % n);
}

uint64_t
world_between(uint64_t from, uint64_t to)
{
	return (from + draw() % (to - from + 1));
}

int
world_chance(unsigned percent)
{
	return (draw() % 100 < percent);
}

void
world_random(void *p, size_t n)
{
	uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(draw() >> 24);
}

/* ---- time ---- */

void
world_begin(uint64_t seed, int loud)
{
	world.seed = world.state = seed;
	world.hash = FNV_BASIS;
	world.loud = loud;
}

uint64_t
world_now(void)
{
	return (world.now);
}

uint64_t
world_events(void)
{
	return (world.events);
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
void __wrap_crypto_random(void *p, size_t n);

/* A machine's clocks: both pass with the world's time, one of them may be wrong. */
int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	const struct machine *m = machine_here();
	uint64_t us = world.now;

	if (id == CLOCK_REALTIME)
		us += EPOCH_S * UINT64_C(1000000) + (m != NULL ? (uint64_t)m->skew_us : 0);
	else
		us += UPTIME_US + (m != NULL ? m->slept_us : 0);
	ts->tv_sec = (time_t)(us / 1000000);
	ts->tv_nsec = (long)(us % 1000000) * 1000;
	return (0);
}

void
__wrap_crypto_random(void *p, size_t n)
{
	world_random(p, n);
}

/* ---- what happens next: a heap by time, then by the order in which it was said ---- */

static int
is_before(const struct happening *a, const struct happening *b)
{
	return (a->us != b->us ? a->us < b->us : a->order < b->order);
}

static void
swap(size_t i, size_t k)
{
	struct happening h = world.heap[i];

	world.heap[i] = world.heap[k];
	world.heap[k] = h;
}

void
world_at(uint64_t delay_us, struct machine *m, void (*fn)(void *arg), void *arg,
    void (*drop)(void *arg))
{
	size_t i;

	if (world.n == world.cap) {
		world.cap = world.cap * 2 + 64;
		world.heap = xrealloc(world.heap, world.cap * sizeof(*world.heap));
	}
	world.heap[i = world.n++] = (struct happening){
		world.now + delay_us,
		world.order++,
		m,
		m != NULL ? m->life : 0,
		fn,
		drop,
		arg,
	};
	for (; i > 0 && is_before(&world.heap[i], &world.heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static struct happening
take_first(void)
{
	struct happening first = world.heap[0];
	size_t i = 0, k;

	world.heap[0] = world.heap[--world.n];
	while ((k = 2 * i + 1) < world.n) {
		if (k + 1 < world.n && is_before(&world.heap[k + 1], &world.heap[k]))
			k++;
		if (!is_before(&world.heap[k], &world.heap[i]))
			break;
		swap(i, k);
		i = k;
	}
	return (first);
}

int
world_step(void)
{
	struct machine *was;
	struct happening h;

	if (world.n == 0)
		return (0);
	h = take_first();
	world.now = h.us;
	if (h.m != NULL && h.m->life != h.life) {
		if (h.drop != NULL)
			h.drop(h.arg);
		return (1);
	}
	world.events++;
	was = machine_enter(h.m);
	h.fn(h.arg);
	machine_enter(was);
	return (1);
}

void
world_run_until(uint64_t us)
{
	while (world.n > 0 && world.heap[0].us <= us)
		world_step();
	if (world.now < us)
		world.now = us;
}

/* ---- history ---- */

void
world_note(const struct machine *m, const char *fmt, ...)
{
	char *line = world.lines[world.nlines++ % LINES];
	int n = snprintf(line, LINE, "%4llu.%06llu %-3s ",
	    (unsigned long long)(world.now / 1000000), (unsigned long long)(world.now % 1000000),
	    m != NULL ? m->name : "-");
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, LINE - (size_t)n, fmt, ap);
	va_end(ap);
	world.hash = fnv_bytes(world.hash, line, strlen(line));
	if (world.loud)
		puts(line);
}

uint64_t
world_hash(void)
{
	return (world.hash);
}

void
world_fail(const char *fmt, ...)
{
	unsigned first = world.nlines > LINES ? world.nlines - LINES : 0;
	va_list ap;

	for (unsigned i = first; !world.loud && i < world.nlines; i++)
		puts(world.lines[i % LINES]);
	printf("seed %llu FAILED at %llu.%06llu: ", (unsigned long long)world.seed,
	    (unsigned long long)(world.now / 1000000), (unsigned long long)(world.now % 1000000));
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	_Exit(1);
}
