#include "config.h"

#include "opsd/cluster/consent.h"

#include <string.h>

#define BOTH (SUBSCRIPTION_PUBLISH | SUBSCRIPTION_SUBSCRIBE)

/* What this side has said yes to. */
static unsigned
yes_here(const struct subscription *s)
{
	return (s == NULL || s->removed ? 0 : subscription_flows(s) & ~s->lacks_here);
}

/*
 * With subscriptions of tables or databases, only those flow; also when they have ended, as a peer
 * that ends what it was given does not get more by it.  What it merely proposes says nothing.
 */
static int
says_less(const struct subscription *s)
{
	return (!subscription_is_wide(s) &&
	    (s->removed || subscription_flows(s) == 0 || yes_here(s) != 0));
}

static int
is_narrowed(const struct peer *p)
{
	for (size_t i = 0; i < p->subs.n; i++)
		if (says_less(&p->subs.list[i]))
			return (1);
	return (0);
}

static unsigned
implied_with(const struct peer *p)
{
	const struct subscription *all = subscriptions_find(&p->subs, SUBSCRIPTION_ALL,
	    SUBSCRIPTION_ALL);

	if (all != NULL && !all->removed)
		return (yes_here(all));
	return (is_narrowed(p) ? 0 : BOTH & ~p->denied);
}

unsigned
consent_denied(const struct peer *p)
{
	const struct subscription *all = subscriptions_find(&p->subs, SUBSCRIPTION_ALL,
	    SUBSCRIPTION_ALL);

	return (all != NULL && !all->removed ? BOTH & ~yes_here(all) : p->denied);
}

struct consent
consent_with(const struct peer *p, int is_free, const struct subscriptions *asked)
{
	return ((struct consent){ is_free, p, asked, implied_with(p) });
}

static int
does_replicate(const struct consent *c, const struct subscription *s)
{
	const struct scope *scope = c->peer->scope;

	return (subscription_is_wide(s) || scope == NULL ||
	    scope_has_database(scope->databases, s->database, strlen(s->database)));
}

unsigned
consent_lacks(const struct consent *c, const struct subscription *s)
{
	unsigned yes = c->free ? BOTH : 0;

	yes |= yes_here(subscriptions_find(&c->peer->subs, s->database, s->table));
	if (c->asked != NULL)
		yes |= yes_here(subscriptions_find(c->asked, s->database, s->table));
	if (does_replicate(c, s))
		yes |= c->implied;
	return (subscription_flows(s) & ~yes);
}
