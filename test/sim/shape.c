#include "config.h"

#include "test/sim/shape.h"

#include <stdlib.h>

#include "test/sim/calls.h"
#include "test/sim/change.h"
#include "test/sim/check.h"
#include "test/sim/grants.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"
#include "test/sim/trouble.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

#define TRIES     60
#define EARLY_MS  1 /* a start time before all */
#define CALLS_MAX 8 /* at a time */

/* A call that is being made. */
static struct shape_call {
	struct call_made c;
	int used, ends;
	int agreed; /* the other's operator has called as well, or need not */
	struct machine *from, *to;
	unsigned turn; /* of the pair when it began */
	unsigned due;  /* tables, a bit each */
	uint64_t start_ms;
} calls[CALLS_MAX];

static enum shape_kind shape;
static int parts;
static unsigned turns[MACHINES_MAX][MACHINES_MAX]; /* what was called for, how often */

void
shape_begin(enum shape_kind kind, int parting)
{
	shape = kind;
	parts = parting;
}

int
shape_relays(void)
{
	return (shape == SHAPE_CHAIN);
}

int
shape_gives(const struct machine *from, const struct machine *to)
{
	if (from == to)
		return (0);
	if (shape == SHAPE_CHAIN)
		return (abs(from->index - to->index) == 1);
	return (shape == SHAPE_MESH || from->index == 0);
}

/* What is to be so, in a table. */
static int
is_to_give(const struct machine *from, const struct machine *to, int t)
{
	return (shape_gives(from, to) && !grants_refused(from, to, t));
}

/* What an operator calls for. */
static int
is_called_for(const struct machine *caller, const struct machine *from, const struct machine *to,
    int t)
{
	return (shape_gives(from, to) && !grants_refuses(caller, from, to, t));
}

static unsigned *
turn_of(const struct machine *a, const struct machine *b)
{
	return (a->index < b->index ? &turns[a->index][b->index] : &turns[b->index][a->index]);
}

static void
set_whole(const struct machine *a, const struct machine *b, unsigned tables, int whole)
{
	for (int t = 0; t < work_tables(); t++)
		if ((tables & 1u << t) != 0) {
			check_whole(a, b, t, whole && is_to_give(a, b, t));
			check_whole(b, a, t, whole && is_to_give(b, a, t));
		}
}

/* The tables that the two do not have of each other as they should. */
static unsigned
due_between(const struct machine *a, const struct machine *b)
{
	unsigned due = 0;

	for (int t = 0; t < work_tables(); t++)
		if ((is_to_give(a, b, t) && !check_is_whole(a, b, t)) ||
		    (is_to_give(b, a, t) && !check_is_whole(b, a, t)))
			due |= 1u << t;
	return (due);
}

void
shape_lose(const struct machine *m, int t)
{
	for (int i = 0; i < nmachines; i++) {
		for (int k = 0; k < work_tables(); k++)
			if (t == -1 || t == k) {
				check_whole(&machines[i], m, k, 0);
				if (t == -1)
					check_whole(m, &machines[i], k, 0);
			}
		++*turn_of(m, &machines[i]);
	}
}

static json_t *
subscriptions(const struct machine *a, const struct machine *b, unsigned tables, uint64_t start_ms)
{
	json_t *subs = json_array();

	for (int t = 0; t < work_tables(); t++)
		if ((tables & 1u << t) != 0)
			json_array_append_new(subs,
			    calls_subscription(work_table(t), is_called_for(a, a, b, t),
				is_called_for(a, b, a, t), start_ms));
	return (subs);
}

static struct shape_call *
free_call(void)
{
	for (int i = 0; i < CALLS_MAX; i++)
		if (!calls[i].used)
			return (&calls[i]);
	return (NULL);
}

/* What was dropped before may come again. */
static void
recall_due(const struct shape_call *k)
{
	for (int t = 0; t < work_tables(); t++)
		if ((k->due & 1u << t) != 0) {
			work_recall(k->from, t);
			work_recall(k->to, t);
		}
}

/* Over links a call is a proposal until the other side makes it as well. */
static int
agree(struct shape_call *k)
{
	if (k->agreed || k->c.status != 200 || !machine_alive(k->to))
		return (0);
	k->agreed = 1;
	recall_due(k);
	calls_change(k->to, k->from->name, subscriptions(k->to, k->from, k->due, k->start_ms),
	    &k->c);
	return (1);
}

/* What was called for counts unless something was changed between the two meanwhile. */
static void
look_at_calls(void)
{
	for (int i = 0; i < CALLS_MAX; i++) {
		struct shape_call *k = &calls[i];

		if (!k->used || !k->c.done || agree(k))
			continue;
		if (!k->ends && k->agreed && k->c.status == 200 &&
		    *turn_of(k->from, k->to) == k->turn)
			set_whole(k->from, k->to, k->due, 1);
		if (k->ends)
			++*turn_of(k->from, k->to);
		k->used = 0;
	}
}

/* NULL: nothing is due, or nobody can call. */
static struct shape_call *
call_for(struct machine *a, struct machine *b, uint64_t start_ms)
{
	unsigned due = due_between(a, b);
	struct shape_call *k = free_call();
	int in_vain = trouble_lasts() ? grants_asked(a, b) : -1;

	if (in_vain != -1 && world_chance(50))
		due |= 1u << in_vain;
	if (due == 0 || k == NULL || !machine_alive(a))
		return (NULL);
	*k = (struct shape_call){ .used = 1,
		.agreed = !links_on(),
		.start_ms = start_ms,
		.from = a,
		.to = b,
		.turn = *turn_of(a, b),
		.due = due };
	recall_due(k);
	calls_change(a, b->name, subscriptions(a, b, due, start_ms), &k->c);
	return (k);
}

static void
finish(struct shape_call *k)
{
	while (k != NULL && k->used) {
		calls_wait(&k->c);
		look_at_calls();
	}
}

void
shape_subscribe(void)
{
	for (int i = 0; i < nmachines; i++)
		for (int k = i + 1; k < nmachines; k++)
			if (due_between(&machines[i], &machines[k]) != 0)
				finish(call_for(&machines[i], &machines[k], 0));
	for (int i = 0; i < nmachines; i++)
		for (int k = i + 1; k < nmachines; k++)
			if (due_between(&machines[i], &machines[k]) != 0)
				world_fail("the first calls do not succeed");
}

static void
any_pair(struct machine **a, struct machine **b)
{
	*a = machine_any();
	*b = machine_any();
}

void
shape_mend(void)
{
	struct machine *a, *b;

	look_at_calls();
	any_pair(&a, &b);
	if (a != b)
		call_for(a, b, EARLY_MS);
}

void
shape_part(void)
{
	struct machine *a, *b;
	struct shape_call *k;

	look_at_calls();
	any_pair(&a, &b);
	k = free_call();
	if (!parts || a == b || k == NULL || !machine_alive(a) ||
	    !(shape_gives(a, b) || shape_gives(b, a)))
		return;
	set_whole(a, b, ~0u, 0);
	++*turn_of(a, b);
	change_part(a);
	change_part(b);
	*k = (struct shape_call){ .used = 1, .ends = 1, .agreed = 1, .from = a, .to = b };
	calls_remove(a, b->name, &k->c);
}

static int
is_busy(void)
{
	look_at_calls();
	for (int i = 0; i < CALLS_MAX; i++)
		if (calls[i].used)
			return (1);
	return (0);
}

void
shape_complete(void)
{
	unsigned due = 1;

	while (is_busy() && world_step())
		;
	for (int try = 0; due != 0 && try < TRIES; try++) {
		due = 0;
		for (int i = 0; i < nmachines; i++)
			for (int k = i + 1; k < nmachines; k++)
				if (due_between(&machines[i], &machines[k]) != 0) {
					int turned = world_chance(50);

					due = 1;
					finish(call_for(&machines[turned ? k : i],
					    &machines[turned ? i : k], EARLY_MS));
				}
		world_run_until(world_now() + 500000);
	}
	if (due != 0)
		world_fail("calls do not succeed, though nothing is wrong");
}
