#include "config.h"

#include "opsd/cluster/outlet.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/verdicts.h"

/* A table, or "*", that calls are asking peers to take. */
struct expected {
	char *database, *table;
	unsigned calls;
	struct expected *next;
};

struct outlet {
	struct replication *rep;
	pthread_mutex_t lock; /* expected, changes */
	struct expected *expected;
	uint64_t changes;          /* of those */
	struct verdicts *verdicts; /* the loop's thread's */
	uint64_t seen;             /* what they were made from */
};

static int is_expected(struct outlet *o, const char *db, const char *table);

static int
is_linked(void *arg, const uint8_t *id)
{
	return (carrier_link_has(arg, id));
}

static int
is_table_wanted(void *outlet, const char *db, const char *table)
{
	struct outlet *o = outlet;

	if (scope_is_system(db, strlen(db)))
		return (0);
	return (nodes_get_it_but(o->rep->nodes, db, table, is_linked, o->rep->link) ||
	    is_expected(o, db, table));
}

struct outlet *
outlet_new(struct replication *rep)
{
	struct outlet *o = xcalloc(1, sizeof(*o));

	o->rep = rep;
	o->verdicts = verdicts_new(is_table_wanted, o,
	    1); /* what cannot be read is another's to judge */
	pthread_mutex_init(&o->lock, NULL);
	return (o);
}

static void
expected_free(struct outlet *o, struct expected *x)
{
	LL_DELETE(o->expected, x);
	free(x->database);
	free(x->table);
	free(x);
}

void
outlet_free(struct outlet *o)
{
	if (o == NULL)
		return;
	verdicts_free(o->verdicts);
	while (o->expected != NULL)
		expected_free(o, o->expected);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* ---- calls that run ---- */

static void
expect_table(struct outlet *o, const char *db, const char *table, int on)
{
	struct expected *x;

	LL_FOREACH(o->expected, x)
		if (strcmp(x->database, db) == 0 && strcmp(x->table, table) == 0)
			break;
	if (x == NULL && on) {
		x = xcalloc(1, sizeof(*x));
		x->database = xstrdup(db);
		x->table = xstrdup(table);
		LL_PREPEND(o->expected, x);
	}
	if (x == NULL)
		return;
	x->calls += on ? 1 : -1u;
	if (x->calls == 0)
		expected_free(o, x);
}

void
outlet_expect(struct outlet *o, const struct subscriptions *subs, int on)
{
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < subs->n; i++)
		if (subscription_gives(&subs->list[i]) && !subs->list[i].removed)
			expect_table(o, subs->list[i].database, subs->list[i].table, on);
	o->changes++;
	pthread_mutex_unlock(&o->lock);
}

static int
is_expected(struct outlet *o, const char *db, const char *table)
{
	const struct scope *ours = nodes_scope(o->rep->nodes);
	size_t dblen = strlen(db), tlen = strlen(table);
	struct expected *x;

	pthread_mutex_lock(&o->lock);
	LL_FOREACH(o->expected, x)
		if (strcmp(x->database, db) == 0 ?
			(strcmp(x->table, "*") == 0 || strcmp(x->table, table) == 0) &&
			    scope_has(ours, 0, db, dblen, table, tlen) :
			strcmp(x->database, "*") == 0 && scope_has(ours, 1, db, dblen, table, tlen))
			break;
	pthread_mutex_unlock(&o->lock);
	return (x != NULL);
}

/* ---- what leaves ---- */

int
outlet_any(struct outlet *o)
{
	int any;

	pthread_mutex_lock(&o->lock);
	any = o->expected != NULL;
	pthread_mutex_unlock(&o->lock);
	return (any || nodes_any(o->rep->nodes));
}

static uint64_t
count_changes(struct outlet *o)
{
	uint64_t n;

	pthread_mutex_lock(&o->lock);
	n = o->changes;
	pthread_mutex_unlock(&o->lock);
	return (n + nodes_changes(o->rep->nodes) + carrier_link_changes(o->rep->link));
}

int
outlet_wants(const struct log_entry *e, void *outlet)
{
	return (verdicts_wants(e, ((struct outlet *)outlet)->verdicts));
}

struct leaving {
	struct outlet *o;
	void (*gone)(const char *database, const char *table, void *arg);
	void *arg;
};

/* Who is linked gets it by other ways, and may have to go on with the stream. */
static void
table_left(const char *database, const char *table, void *arg)
{
	struct leaving *l = arg;

	if (!nodes_get_it(l->o->rep->nodes, database, table))
		l->gone(database, table, l->arg);
}

void
outlet_review(struct outlet *o, void (*gone)(const char *database, const char *table, void *arg),
    void *arg)
{
	struct leaving leaving = { o, gone, arg };
	uint64_t now = count_changes(o);

	if (now == o->seen)
		return;
	o->seen = now;
	verdicts_review(o->verdicts, table_left, &leaving);
}
