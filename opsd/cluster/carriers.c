#include "config.h"

#include "opsd/cluster/carriers.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/mem.h"

struct carriers {
	struct carrier_one {
		const struct carrier_ops *ops;
		void *arg;
	} list[CARRIERS_MAX];
	size_t n;
};

struct carriers *
carriers_new(void)
{
	return (xcalloc(1, sizeof(struct carriers)));
}

void
carriers_add(struct carriers *c, const struct carrier_ops *ops, void *arg)
{
	assert(c->n < CARRIERS_MAX);
	c->list[c->n++] = (struct carrier_one){ ops, arg };
}

void
carriers_free(struct carriers *c)
{
	free(c);
}

/* NULL: none does. */
static struct carrier_one *
who_reaches(struct carriers *c, const struct carrier_node *node)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].ops->reaches(c->list[i].arg, node))
			return (&c->list[i]);
	return (NULL);
}

static int
any_reaches(void *arg, const struct carrier_node *node)
{
	return (who_reaches(arg, node) != NULL);
}

static struct carrier_one *
who_asks(struct carriers *c, const struct carrier_node *node)
{
	struct carrier_one *one = who_reaches(c, node);

	return (one != NULL ? one : &c->list[c->n - 1]);
}

static void
first_asks(void *arg, const struct carrier_node *node, const char *verb, const json_t *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct carrier_one *one = who_asks(arg, node);

	one->ops->ask(one->arg, node, verb, question, timeout_ms, cb, cb_arg);
}

static int
any_can_catch_up(void *arg)
{
	struct carriers *c = arg;

	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].ops->can_catch_up(c->list[i].arg))
			return (1);
	return (0);
}

static void
first_catches_up(void *arg, const struct carrier_node *node, const struct buf *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct carrier_one *one = who_asks(arg, node);

	one->ops->catch_up(one->arg, node, question, timeout_ms, cb, cb_arg);
}

static void
all_logged(void *arg)
{
	struct carriers *c = arg;

	for (size_t i = 0; i < c->n; i++)
		c->list[i].ops->logged(c->list[i].arg);
}

static void
all_changed(void *arg)
{
	struct carriers *c = arg;

	for (size_t i = 0; i < c->n; i++)
		c->list[i].ops->changed(c->list[i].arg);
}

static void
keeper_purges(void *arg, const char *database, const char *table, uint64_t upto,
    carrier_answered *cb, void *cb_arg)
{
	struct carriers *c = arg;

	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].ops->purge != NULL) {
			c->list[i].ops->purge(c->list[i].arg, database, table, upto, cb, cb_arg);
			return;
		}
	cb(&(struct carrier_answer){ .status = 503 }, cb_arg);
}

static void
one_shows_network(void *arg, unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct carriers *c = arg;

	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].ops->network != NULL) {
			c->list[i].ops->network(c->list[i].arg, timeout_ms, cb, cb_arg);
			return;
		}
	cb(&(struct carrier_answer){ .status = 503 }, cb_arg);
}

const struct carrier_ops carriers_ops = {
	"all",
	any_reaches,
	first_asks,
	any_can_catch_up,
	first_catches_up,
	all_logged,
	all_changed,
	keeper_purges,
	one_shows_network,
};
