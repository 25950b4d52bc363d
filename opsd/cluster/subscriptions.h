#ifndef HL_SUBSCRIPTIONS_H
#define HL_SUBSCRIPTIONS_H

#include "opsd/cluster/subscription.h"

/*
 * All that two nodes have with each other, tombstones too: one subscription for a table, or
 * "*", found by its names at once.  All zero is an empty one.
 */
struct subscriptions {
	struct subscription *list; /* in the order in which their tables came first */
	size_t n;
	size_t active;   /* that are not removed */
	uint64_t digest; /* equal on both sides exactly when the subscriptions are */
	uint32_t *slots; /* by database and table: index in the list + 1; 0: free */
	size_t nslots;   /* a power of two */
};

/* So many come at once, and twice as many there may be between two nodes. */
#define SUBSCRIPTIONS_MAX 20000

void subscriptions_clear(struct subscriptions *l);
void subscriptions_copy(struct subscriptions *to, const struct subscriptions *from);

/* A copy of it takes the place of what was there for its table, if it is newer; whether it was. */
int subscriptions_take(struct subscriptions *l, const struct subscription *s);
/* Where the two have the same one, what it says is agreed to counts; whether that changed. */
int subscriptions_agree(struct subscriptions *l, const struct subscription *s);
/* Each of them that is not removed is ended in `to`, which may be the same list. */
void subscriptions_end_all(struct subscriptions *to, const struct subscriptions *from,
    uint64_t now_ms, uint64_t node);
/* The one for just this table or "*", also when it is removed; NULL: none. */
const struct subscription *subscriptions_find(const struct subscriptions *l, const char *database,
    const char *table);
/*
 * What counts for a table: its own, else that for "*", else that for all databases; not what is
 * only proposed. NULL: none.
 */
const struct subscription *subscriptions_effective(const struct subscriptions *l, const char *db,
    size_t dblen, const char *table, size_t tlen);

/* [{...}] in the form of subscription.h */
json_t *subscriptions_write(const struct subscriptions *l);
/* As they were stored; to be cleared even when there is a fault. */
void subscriptions_read(struct subscriptions *l, const json_t *o, const char *field,
    struct peerjson *w);

#endif
