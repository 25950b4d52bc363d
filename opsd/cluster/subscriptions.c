#include "config.h"

#include "opsd/cluster/subscriptions.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define SLOTS_MIN 8

/* ---- the index ---- */

static int
is_text(const char *s, const char *p, size_t n)
{
	return (strlen(s) == n && memcmp(s, p, n) == 0);
}

/* Where it is, or the free slot where it would be. */
static uint32_t *
slot_of(const struct subscriptions *l, const char *db, size_t dblen, const char *table, size_t tlen)
{
	size_t i = subscription_hash(db, dblen, table, tlen) & (l->nslots - 1);
	const struct subscription *s;

	for (; l->slots[i] != 0; i = (i + 1) & (l->nslots - 1)) {
		s = &l->list[l->slots[i] - 1];
		if (is_text(s->table, table, tlen) && is_text(s->database, db, dblen))
			break;
	}
	return (&l->slots[i]);
}

static struct subscription *
find_exact(const struct subscriptions *l, const char *db, size_t dblen, const char *table,
    size_t tlen)
{
	uint32_t at = l->nslots == 0 ? 0 : *slot_of(l, db, dblen, table, tlen);

	return (at == 0 ? NULL : &l->list[at - 1]);
}

static void
index_one(struct subscriptions *l, size_t i)
{
	const struct subscription *s = &l->list[i];

	*slot_of(l, s->database, strlen(s->database), s->table, strlen(s->table)) = (uint32_t)i + 1;
}

/* At most half of the slots are taken. */
static void
grow_index(struct subscriptions *l)
{
	l->nslots = l->nslots == 0 ? SLOTS_MIN : l->nslots * 2;
	free(l->slots);
	l->slots = xcalloc(l->nslots, sizeof(*l->slots));
	for (size_t i = 0; i < l->n; i++)
		index_one(l, i);
}

/* A power of two of them, so that adding one at a time costs little. */
static struct subscription *
append_copy(struct subscriptions *l, const struct subscription *s)
{
	if ((l->n & (l->n - 1)) == 0)
		l->list = xrealloc(l->list, (l->n == 0 ? 1 : 2 * l->n) * sizeof(*l->list));
	subscription_copy(&l->list[l->n++], s);
	if (2 * l->n > l->nslots)
		grow_index(l);
	else
		index_one(l, l->n - 1);
	return (&l->list[l->n - 1]);
}

/* ---- the list ---- */

void
subscriptions_clear(struct subscriptions *l)
{
	for (size_t i = 0; i < l->n; i++)
		subscription_clear(&l->list[i]);
	free(l->list);
	free(l->slots);
	memset(l, 0, sizeof(*l));
}

void
subscriptions_copy(struct subscriptions *to, const struct subscriptions *from)
{
	memset(to, 0, sizeof(*to));
	for (size_t i = 0; i < from->n; i++)
		subscriptions_take(to, &from->list[i]);
}

int
subscriptions_take(struct subscriptions *l, const struct subscription *s)
{
	struct subscription *had = find_exact(l, s->database, strlen(s->database), s->table,
				strlen(s->table)),
			    names;

	if (had != NULL && !subscription_is_newer(s, had))
		return (0);
	if (had == NULL)
		had = append_copy(l, s);
	else {
		l->digest -= subscription_digest(had);
		l->active -= (size_t)!had->removed;
		names = *had;
		*had = *s;
		had->database = names.database;
		had->table = names.table;
	}
	l->digest += subscription_digest(had);
	l->active += (size_t)!had->removed;
	return (1);
}

int
subscriptions_agree(struct subscriptions *l, const struct subscription *s)
{
	struct subscription *had = find_exact(l, s->database, strlen(s->database), s->table,
	    strlen(s->table));

	if (had == NULL || stamp_cmp(had->stamp, s->stamp) != 0 || !subscription_is_like(had, s) ||
	    (had->lacks_here == s->lacks_here && had->lacks_there == s->lacks_there))
		return (0);
	l->digest -= subscription_digest(had);
	had->lacks_here = s->lacks_here;
	had->lacks_there = s->lacks_there;
	l->digest += subscription_digest(had);
	return (1);
}

void
subscriptions_end_all(struct subscriptions *to, const struct subscriptions *from, uint64_t now_ms,
    uint64_t node)
{
	for (size_t i = 0; i < from->n; i++) {
		struct subscription s = from->list[i];

		if (s.removed)
			continue;
		subscription_end(&s, subscription_next(s.stamp, now_ms, node));
		subscriptions_take(to, &s);
	}
}

const struct subscription *
subscriptions_find(const struct subscriptions *l, const char *database, const char *table)
{
	return (find_exact(l, database, strlen(database), table, strlen(table)));
}

static int
is_in_force(const struct subscription *s)
{
	return (s != NULL && !s->removed && !subscription_is_proposal(s));
}

const struct subscription *
subscriptions_effective(const struct subscriptions *l, const char *db, size_t dblen,
    const char *table, size_t tlen)
{
	const struct subscription *s = find_exact(l, db, dblen, table, tlen);

	if (!is_in_force(s))
		s = find_exact(l, db, dblen, SUBSCRIPTION_ALL, strlen(SUBSCRIPTION_ALL));
	if (!is_in_force(s))
		s = find_exact(l, SUBSCRIPTION_ALL, strlen(SUBSCRIPTION_ALL), SUBSCRIPTION_ALL,
		    strlen(SUBSCRIPTION_ALL));
	return (is_in_force(s) ? s : NULL);
}

/* ---- as JSON ---- */

json_t *
subscriptions_write(const struct subscriptions *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(list, subscription_write(&l->list[i]));
	return (list);
}

void
subscriptions_read(struct subscriptions *l, const json_t *o, const char *field, struct peerjson *w)
{
	const json_t *list = peerjson_list(w, o, field, SIZE_MAX), *item;
	struct subscription s;
	size_t i;

	json_array_foreach(list, i, item) {
		peerjson_in(w, field, i);
		subscription_read(&s, item, w);
		peerjson_out(w);
		if (w->fault == NULL)
			subscriptions_take(l, &s);
		subscription_clear(&s);
	}
}
