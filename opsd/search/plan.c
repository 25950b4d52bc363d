#include "config.h"

#include "opsd/search/plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define LOOKS_MAX   20000  /* in all of them, with one more for each */
#define INDEX_COST  4      /* a row by its key, against one in passing */
#define GATHER_EASY 100000 /* rows gathered without a look for a way that has the order */

/* Ranges that hold every match of a condition. */
struct plan_way {
	struct range *ranges;
	size_t n;
	uint64_t rows; /* estimated, in all of them */
};

struct planner {
	const struct query *q;
	uint64_t total;   /* rows of the table */
	uint64_t looks;   /* left */
	uint64_t matches; /* at most, of the condition; UINT64_MAX: unknown */
};

static int way_to_rows(struct planner *p, const struct condition *c, struct plan_way *w);

static void
way_free(struct plan_way *w)
{
	for (size_t i = 0; i < w->n; i++)
		range_free(&w->ranges[i]);
	free(w->ranges);
	*w = (struct plan_way){ 0 };
}

static struct range *
way_add(struct plan_way *w)
{
	w->ranges = xrealloc(w->ranges, (w->n + 1) * sizeof(*w->ranges));
	return (&w->ranges[w->n++]);
}

static uint64_t
estimate_rows(struct planner *p, const struct range *r)
{
	return (range_estimate(r, p->q->table, p->q->store, p->q->snap, &p->looks));
}

/* What a leaf of an `and` narrows: the range in its place, of those that others began. */
static void
narrow_leaf(struct planner *p, const struct condition *leaf, struct plan_way *w)
{
	struct range *r;

	for (size_t i = 0; i < w->n; i++)
		if (range_narrow(&w->ranges[i], p->q->table, leaf) == 0)
			return;
	if (!field_indexed(&leaf->field))
		return;
	r = way_add(w);
	range_all(r, p->q->table, &leaf->field);
	if (range_narrow(r, p->q->table, leaf) == 0)
		return;
	range_free(r);
	w->n--;
}

/* Every leaf that all matches meet. */
static void
narrow_all(struct planner *p, const struct condition *c, struct plan_way *w)
{
	if (c->kind == COND_LEAF)
		narrow_leaf(p, c, w);
	for (size_t i = 0; c->kind == COND_AND && i < c->nkids; i++)
		narrow_all(p, c->kids[i], w);
}

/* The range with the fewest rows, of those in all. */
static int
narrowest_range(struct planner *p, struct plan_way *all, struct plan_way *best)
{
	uint64_t rows;
	size_t at = 0;

	for (size_t i = 0; i < all->n; i++) {
		rows = estimate_rows(p, &all->ranges[i]);
		if (i == 0 || rows < best->rows) {
			best->rows = rows;
			at = i;
		}
	}
	if (all->n == 0)
		return (-1);
	*way_add(best) = all->ranges[at];
	all->ranges[at] = all->ranges[--all->n];
	return (0);
}

/* An `or` below the `and` may be narrower than its leaves. */
static int
narrower_group(struct planner *p, const struct condition *c, int found, struct plan_way *best)
{
	struct plan_way w;

	for (size_t i = 0; i < c->nkids; i++) {
		if (c->kids[i]->kind == COND_AND)
			found = narrower_group(p, c->kids[i], found, best);
		if (c->kids[i]->kind != COND_OR || way_to_rows(p, c->kids[i], &w) == -1)
			continue;
		if (found == -1 || w.rows < best->rows) {
			way_free(best);
			*best = w;
		} else
			way_free(&w);
		found = 0;
	}
	return (found);
}

static int
way_of_all(struct planner *p, const struct condition *c, struct plan_way *w)
{
	struct plan_way leaves = { 0 };
	int found;

	narrow_all(p, c, &leaves);
	found = narrowest_range(p, &leaves, w);
	way_free(&leaves);
	if (c->kind == COND_AND && (found == -1 || w->rows >= RANGE_LOOK_MAX))
		found = narrower_group(p, c, found, w);
	return (found);
}

/* The ranges of all branches, when each has one. */
static int
way_of_any(struct planner *p, const struct condition *c, struct plan_way *w)
{
	struct plan_way kid;

	for (size_t i = 0; i < c->nkids; i++) {
		if (way_to_rows(p, c->kids[i], &kid) == -1)
			return (-1);
		w->rows += kid.rows;
		for (size_t k = 0; k < kid.n; k++)
			*way_add(w) = kid.ranges[k];
		free(kid.ranges);
		if (w->n > UNION_RANGES_MAX || w->rows > UNION_KEYS_MAX)
			return (-1);
	}
	return (0);
}

/* -1: only all rows are sure to have them. */
static int
way_to_rows(struct planner *p, const struct condition *c, struct plan_way *w)
{
	int rc;

	*w = (struct plan_way){ 0 };
	rc = c->kind == COND_OR ? way_of_any(p, c, w) : way_of_all(p, c, w);
	if (rc == -1)
		way_free(w);
	return (rc);
}

static uint64_t
way_cost(const struct plan_way *w)
{
	return (w->rows * (w->n == 1 && w->ranges[0].index == NULL ? 1 : INDEX_COST));
}

static void
all_rows(struct planner *p, struct plan_way *w)
{
	range_all(way_add(w), p->q->table, NULL);
	w->rows = p->total;
}

/* What the condition shows, unless it is cheaper to go by all rows.  Few rows are all cheap. */
static void
way_to_matches(struct planner *p, struct plan_way *w, unsigned avoid)
{
	const struct condition *c = p->q->where;

	p->matches = UINT64_MAX;
	if (c != NULL && way_to_rows(p, c, w) == 0) {
		p->matches = w->rows;
		if ((w->n == 1 || (avoid & AVOID_UNION) == 0) &&
		    (way_cost(w) <= p->total || p->total <= RANGE_LOOK_MAX))
			return;
		way_free(w);
	}
	all_rows(p, w);
}

/* The range in the order asked for; -1: there is none. */
static int
way_in_order(struct planner *p, struct plan_way *w)
{
	const struct query *q = p->q;
	const struct field *f = &q->orders[0].field;
	struct plan_way leaves = { 0 };

	/* What an index has no entry for is part of the order, too. */
	if (f->kind != FIELD_KEY && !(f->attr->indexed && f->attr->whole))
		return (-1);
	range_all(way_add(w), q->table, f);
	w->rows = p->total;
	if (q->where != NULL)
		narrow_all(p, q->where, &leaves);
	for (size_t i = 0; i < leaves.n; i++)
		if (leaves.ranges[i].index == w->ranges[0].index) {
			range_free(&w->ranges[0]);
			w->ranges[0] = leaves.ranges[i];
			leaves.ranges[i] = leaves.ranges[--leaves.n];
			w->rows = estimate_rows(p, &w->ranges[0]);
			break;
		}
	way_free(&leaves);
	return (0);
}

/* Matches are taken to be spread over it evenly: it ends when there are enough. */
static uint64_t
cost_in_order(const struct planner *p, const struct plan_way *w)
{
	double rows = (double)w->rows;
	double share = p->matches < w->rows ? ((double)p->matches + 1) / rows : 1;

	if ((double)p->q->need < rows * share)
		rows = (double)p->q->need / share;
	return ((uint64_t)rows * (w->ranges[0].index != NULL ? INDEX_COST : 1));
}

/* Whether what it gives comes in the order of keys, or of the first order. */
static void
plan_order(struct plan *p, const struct query *q)
{
	const struct order *o = q->orders;

	if (q->norders == 0) {
		p->sort = SORT_FREE;
		p->reverse = q->reverse;
		return;
	}
	if (o->field.kind == FIELD_KEY)
		p->sort = p->collect || p->ranges[0].index == NULL || p->ranges[0].single ?
		    SORT_FREE :
		    SORT_ALL;
	else
		p->sort = !p->collect && p->ranges[0].index == o->field.attr ? SORT_RUNS : SORT_ALL;
	p->reverse = p->sort != SORT_ALL && o->descending;
}

static void
plan_take(struct plan *plan, struct plan_way *w, const struct query *q)
{
	plan_free(plan);
	plan->ranges = w->ranges;
	plan->n = w->n;
	plan->collect = w->n != 1;
	plan_order(plan, q);
}

static uint64_t
rows_gathered(const struct planner *p, const struct plan_way *w)
{
	return (p->q->need < w->rows ? p->q->need : w->rows);
}

int
plan_make(struct plan *plan, const struct query *q, unsigned avoid)
{
	struct planner p = { .q = q, .looks = LOOKS_MAX };
	struct plan_way w = { 0 }, ordered = { 0 };
	uint64_t cost;
	int gather;

	p.total = range_total(q->table);
	*plan = (struct plan){ 0 };
	way_to_matches(&p, &w, avoid);
	cost = way_cost(&w);
	gather = (avoid & AVOID_GATHER) == 0 && rows_gathered(&p, &w) <= GATHER_EASY;
	plan_take(plan, &w, q);
	if (plan->sort != SORT_ALL)
		return (0);
	if (way_in_order(&p, &ordered) == -1) {
		if ((avoid & AVOID_GATHER) == 0)
			return (0);
		plan_free(plan);
		return (-1);
	}
	if (!gather || cost_in_order(&p, &ordered) < cost)
		plan_take(plan, &ordered, q);
	else
		way_free(&ordered);
	return (0);
}

void
plan_free(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		range_free(&p->ranges[i]);
	free(p->ranges);
	*p = (struct plan){ 0 };
}
