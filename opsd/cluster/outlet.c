#include "config.h"

#include "opsd/cluster/outlet.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "opsd/cluster/nodes.h"
#include "opsd/store/txn.h"

/* A table of the log, by its id, and whether it leaves. */
struct verdict {
	uint32_t table;
	int wanted;
	char *database, *name; /* NULL: it cannot be read */
	UT_hash_handle hh;
};

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
	uint64_t changes;         /* of those */
	struct verdict *verdicts; /* the loop's thread's */
	uint64_t seen;            /* what they were made from */
};

struct outlet *
outlet_new(struct replication *rep)
{
	struct outlet *o = xcalloc(1, sizeof(*o));

	o->rep = rep;
	pthread_mutex_init(&o->lock, NULL);
	return (o);
}

static void
verdict_free(struct outlet *o, struct verdict *v)
{
	HASH_DEL(o->verdicts, v);
	free(v->database);
	free(v->name);
	free(v);
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
	struct verdict *v, *tmp;

	if (o == NULL)
		return;
	HASH_ITER(hh, o->verdicts, v, tmp)
		verdict_free(o, v);
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
		if (subs->list[i].publish && !subs->list[i].removed)
			expect_table(o, subs->list[i].database, subs->list[i].table, on);
	o->changes++;
	pthread_mutex_unlock(&o->lock);
}

static int
is_expected(struct outlet *o, const char *db, const char *table)
{
	struct expected *x;

	pthread_mutex_lock(&o->lock);
	LL_FOREACH(o->expected, x)
		if (strcmp(x->database, db) == 0 &&
		    (strcmp(x->table, "*") == 0 || strcmp(x->table, table) == 0))
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
	return (n + nodes_changes(o->rep->nodes));
}

static int
is_table_wanted(struct outlet *o, const char *db, const char *table)
{
	return (nodes_get_it(o->rep->nodes, db, table) || is_expected(o, db, table));
}

static struct verdict *
judge_table(struct outlet *o, const struct log_entry *e)
{
	struct verdict *v = xcalloc(1, sizeof(*v));
	struct txn t;

	v->table = e->table;
	v->wanted = 1; /* what cannot be read is somebody else's to judge */
	if (txn_read(&t, e->payload, e->len) == 0) {
		v->database = xstrndup(t.database, t.database_len);
		v->name = xstrndup(t.table, t.table_len);
		v->wanted = is_table_wanted(o, v->database, v->name);
	}
	HASH_ADD(hh, o->verdicts, table, sizeof(v->table), v);
	return (v);
}

int
outlet_wants(const struct log_entry *e, void *outlet)
{
	struct outlet *o = outlet;
	struct verdict *v;

	HASH_FIND(hh, o->verdicts, &e->table, sizeof(e->table), v);
	if (v == NULL)
		v = judge_table(o, e);
	return (v->wanted);
}

void
outlet_review(struct outlet *o, void (*gone)(const char *database, const char *table, void *arg),
    void *arg)
{
	uint64_t now = count_changes(o);
	struct verdict *v, *tmp;

	if (now == o->seen)
		return;
	o->seen = now;
	HASH_ITER(hh, o->verdicts, v, tmp) {
		if (v->wanted && v->name != NULL) {
			if (is_table_wanted(o, v->database, v->name))
				continue;
			gone(v->database, v->name, arg);
		}
		verdict_free(o, v);
	}
}
