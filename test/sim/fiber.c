#include "config.h"

#include "test/sim/fiber.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>

#include "common/base/mem.h"
#include "test/sim/machine.h"
#include "test/sim/world.h"

#define STACK       (256u << 10)
#define STUCK_TURNS 1000000

struct fiber {
	ucontext_t at;
	char *stack;
	struct machine *m;
	void *(*fn)(void *arg);
	void *arg;
	pthread_cond_t *waits; /* NULL: can go on */
	int woken;             /* an event for it is on its way */
	int done;
	struct fiber *next;
};

static struct fiber *all, *spare, *here;
static ucontext_t outside;

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_join(pthread_t t, void **ret);
int __wrap_pthread_setname_np(pthread_t t, const char *name);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *lock);
int __wrap_pthread_cond_signal(pthread_cond_t *c);
int __wrap_pthread_cond_broadcast(pthread_cond_t *c);
int __wrap_nanosleep(const struct timespec *t, struct timespec *left);

static void
fiber_main(void)
{
	here->fn(here->arg);
	here->done = 1;
	swapcontext(&here->at, &outside);
}

static void
resume(struct fiber *f)
{
	struct machine *was = machine_enter(f->m);

	if (here != NULL)
		world_fail("a thread goes on within another");
	here = f;
	swapcontext(&outside, &f->at);
	here = NULL;
	machine_enter(was);
}

static void
resume_cb(void *arg)
{
	struct fiber *f = arg;

	f->woken = 0;
	if (!f->done && f->waits == NULL)
		resume(f);
}

/* Mostly soon; now and then the disk or the processor is slow. */
static void
wake(struct fiber *f)
{
	f->waits = NULL;
	if (f->woken)
		return;
	f->woken = 1;
	world_at(world_chance(90) ? world_between(20, 1500) : world_between(20, 30000), f->m,
	    resume_cb, f, NULL);
}

static struct fiber *
take_spare(void)
{
	struct fiber *f = spare;

	if (f != NULL) {
		spare = f->next;
		return (f);
	}
	f = xcalloc(1, sizeof(*f));
	f->stack = xmalloc(STACK);
	return (f);
}

static void
append(struct fiber *f)
{
	struct fiber **last = &all;

	while (*last != NULL)
		last = &(*last)->next;
	*last = f;
	f->next = NULL;
}

static void
prepare(struct fiber *f)
{
	getcontext(&f->at);
	f->at.uc_stack.ss_sp = f->stack;
	f->at.uc_stack.ss_size = STACK;
	f->at.uc_link = NULL;
	makecontext(&f->at, fiber_main, 0);
}

static struct fiber *
fiber_new(struct machine *m, void *(*fn)(void *arg), void *arg)
{
	struct fiber *f = take_spare();

	f->m = m;
	f->fn = fn;
	f->arg = arg;
	f->waits = NULL;
	f->woken = f->done = 0;
	append(f);
	prepare(f);
	wake(f);
	return (f);
}

void
fiber_go(struct machine *m, void *(*fn)(void *arg), void *arg)
{
	fiber_new(m, fn, arg);
}

void
fiber_pause(void)
{
	if (here == NULL)
		return;
	wake(here);
	swapcontext(&here->at, &outside);
}

/* While all threads are to end, its own time passes, and that of nobody else. */
int
__wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
	uint64_t us = (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_nsec / 1000;

	(void)left;
	if (here == NULL)
		world_fail("the loop's thread sleeps");
	if (here->m->data.stopping)
		here->m->slept_us += us;
	else {
		here->woken = 1;
		world_at(us, here->m, resume_cb, here, NULL);
		swapcontext(&here->at, &outside);
	}
	return (0);
}

int
fiber_run_ready(struct machine *m)
{
	int ran = 0;

	for (struct fiber *f = all; f != NULL; f = f->next)
		if (f->m == m && !f->done && f->waits == NULL) {
			resume(f);
			ran = 1;
		}
	return (ran);
}

int
fiber_count(const struct machine *m)
{
	int n = 0;

	for (struct fiber *f = all; f != NULL; f = f->next)
		n += f->m == m && !f->done;
	return (n);
}

void
fiber_forget(struct machine *m)
{
	struct fiber *f, **at = &all;

	while ((f = *at) != NULL) {
		if (f->m != m) {
			at = &f->next;
			continue;
		}
		if (!f->done)
			world_fail("%s: a thread does not end", m->name);
		*at = f->next;
		f->next = spare;
		spare = f;
	}
}

/* ---- what the code calls ---- */

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	(void)attr;
	*t = (pthread_t)(uintptr_t)fiber_new(machine_here(), fn, arg);
	return (0);
}

int
__wrap_pthread_join(pthread_t t, void **ret)
{
	struct fiber *f = (struct fiber *)(uintptr_t)t;

	(void)ret;
	for (int turns = 0; !f->done; turns++) {
		if (turns > STUCK_TURNS)
			world_fail("%s: a thread does not end", f->m->name);
		if (!fiber_run_ready(f->m))
			f->waits = NULL; /* woken for nothing, as conditions may */
	}
	return (0);
}

int
__wrap_pthread_setname_np(pthread_t t, const char *name)
{
	(void)t;
	(void)name;
	return (0);
}

int
__wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *lock)
{
	pthread_mutex_unlock(lock);
	if (here != NULL) {
		here->waits = c;
		swapcontext(&here->at, &outside);
	} else if (!fiber_run_ready(machine_here()))
		world_fail("the loop's thread waits for nothing");
	pthread_mutex_lock(lock);
	return (0);
}

static void
signal_some(pthread_cond_t *c, int everybody)
{
	for (struct fiber *f = all; f != NULL; f = f->next)
		if (!f->done && f->waits == c) {
			wake(f);
			if (!everybody)
				return;
		}
}

int
__wrap_pthread_cond_signal(pthread_cond_t *c)
{
	signal_some(c, 0);
	return (0);
}

int
__wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
	signal_some(c, 1);
	return (0);
}
