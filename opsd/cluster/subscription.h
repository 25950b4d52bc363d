#ifndef HL_SUBSCRIPTION_H
#define HL_SUBSCRIPTION_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "opsd/cluster/peerjson.h"
#include "opsd/store/stamp.h"

/*
 * What two nodes have with each other for a table, for all tables of a database, or for all
 * databases, as one of them sees it; and the rules for it.  Both hold the same and take the newer one whenever
 * they meet.  No I/O.
 */
#define SUBSCRIPTION_ALL       "*"
#define SUBSCRIPTION_START_MAX ((UINT64_C(1) << 48) - 1) /* ms: they become stamps */
/* Who ends one as the other was removed from the cluster: nobody has said so of the subscription itself. */
#define SUBSCRIPTION_BY_REMOVAL 0

struct subscription {
	char *database,
	    *table; /* table "*": all, present and future; database "*", with it: of all */
	int publish, subscribe; /* as seen from here */
	int removed;            /* a tombstone, kept for the peer */
	struct stamp stamp;     /* given once: who has the same has the same subscription */
	uint64_t start_ms;      /* start_time of the call, 0 none */
	unsigned lacks_here,
	    lacks_there; /* flows that this side, or the other one, has not agreed to */
};

/* The two flows of one. */
#define SUBSCRIPTION_PUBLISH   1u
#define SUBSCRIPTION_SUBSCRIBE 2u

void subscription_copy(struct subscription *to, const struct subscription *from);
void subscription_clear(struct subscription *s); /* the names */

int subscription_is_all(const struct subscription *s);
int subscription_is_wide(const struct subscription *s);     /* for all tables of all databases */
unsigned subscription_flows(const struct subscription *s);  /* that it is about, agreed to or not */
unsigned subscription_agreed(const struct subscription *s); /* those that both sides agreed to */
/* Whether that flows, from here to there and back; NULL: it does not. */
int subscription_gives(const struct subscription *s);
int subscription_brings(const struct subscription *s);
/* It is about something, and nothing of it is agreed to: as if it were not there yet. */
int subscription_is_proposal(const struct subscription *s);
/* Whether it takes the place of the other, which is for the same table. */
int subscription_is_newer(const struct subscription *s, const struct subscription *than);
/* Whether there is nothing to change, whatever the stamps. */
int subscription_is_like(const struct subscription *s, const struct subscription *other);
/* As the other side sees it: what one publishes, the other subscribes to. */
void subscription_turn(struct subscription *s);
/* It ends, and that stays known. */
void subscription_end(struct subscription *s, struct stamp at);
/* The stamp of a change now, above one that is known; `node` is stamp_node of who changes. */
struct stamp subscription_next(struct stamp known, uint64_t now_ms, uint64_t node);
/*
 * Of its table's names, its stamp and what is not agreed to: the same on both sides, whatever they
 * run on.
 */
uint64_t subscription_digest(const struct subscription *s);
uint64_t subscription_hash(const char *db, size_t dblen, const char *table,
    size_t tlen); /* of the names */

/*
 * In JSON, as it travels and is stored:
 * {"database","table","publish","subscribe","removed","stamp":[t,n],"start_ms","lacks":[here,
 * there]}, from the writer's side; without "lacks" all is agreed to.
 */
json_t *subscription_write(const struct subscription *s);
/* A copy; to be cleared even when there is a fault. */
void subscription_read(struct subscription *s, const json_t *o, struct peerjson *w);
json_t *subscription_shown(const struct subscription *s); /* as operations show what flows */
json_t *subscription_asked(const struct subscription *s); /* the same, of what it is about */
/* That with "agreed_here" and "agreed_there", {"publish","subscribe"} each; NULL: all is agreed to. */
json_t *subscription_proposed(const struct subscription *s);

#endif
