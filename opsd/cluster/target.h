#ifndef HL_TARGET_H
#define HL_TARGET_H

#include <jansson.h>

#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"

/*
 * One peer of a call that changes subscriptions: what it is asked for, and what
 * it says.  Subscriptions are {"database","table","publish","subscribe","start_ms"},
 * entries have the form in which they travel (subscribe.h), seen from here.
 */
struct target {
	struct replication *rep;
	char *name;
	struct peer *peer;      /* as known before, or NULL */
	char *hex;              /* its id, or NULL: never met */
	json_t *entries;        /* what is asked for */
	json_t *done, *skipped; /* for the reply: what changes, what is so already */
	json_t *answer;         /* its view in the travelling form, once it has agreed */
	int asked;              /* it may have taken the entries */
	int expected;           /* what it is to get leaves the log meanwhile */
	int status;
	char *error;
};

struct target *target_new(struct replication *rep, const char *name);
void target_free(struct target *t);
void target_plan(struct target *t, const json_t *subs);
/* Whatever the peer has beside these subscriptions goes. */
void target_plan_removals(struct target *t, const json_t *subs);
/*
 * Ask the peer, and wait.  0, or -1 with status and error.  Its id is known when
 * `asked` is set: what is to be undone can be kept under it.
 */
int target_ask(struct target *t);
/* What is known of the table of a subscription or an entry; NULL: nothing. */
const struct subscription *target_known(const struct target *t, const json_t *sub);

/* Entries as JSON; new stamps are beyond the `known` time. */
struct stamp entry_next_stamp(struct replication *rep, struct stamp known);
json_t *entry_json(const char *db, const char *table, int publish, int subscribe, int removed,
    uint64_t start_ms, struct stamp s);
json_t *entry_tombstone(struct replication *rep, const struct subscription *e);
const char *entry_text(const json_t *entry, const char *field);
int entry_flag(const json_t *entry, const char *field);
struct stamp entry_stamp(const json_t *entry);

#endif
