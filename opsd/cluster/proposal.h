#ifndef HL_PROPOSAL_H
#define HL_PROPOSAL_H

#include "opsd/cluster/nodes.h"
#include "opsd/cluster/offer.h"
#include "opsd/cluster/replication.h"

/* What a call that changes subscriptions asks one peer for, and what that says. */
struct proposal {
	struct replication *rep;
	char *name;
	struct peer *peer; /* as known before, or NULL */
	uint8_t id[NODE_ID_LEN];
	int met;                               /* id is known */
	struct subscriptions asked;            /* what it is asked for, from our side */
	struct subscriptions changed, skipped; /* of what the call names; skipped: is so already */
	struct offer *answer;                  /* its view, once it has agreed */
	int sent;                              /* it may have taken what it was asked for */
	int expected;                          /* what it is to get leaves the log meanwhile */
	int status;
	char *error;
};

struct proposal *proposal_new(struct replication *rep, const char *name);
void proposal_free(struct proposal *p);
/* What of these, from our side, is not so yet; their stamps do not count. */
void proposal_plan(struct proposal *p, const struct subscriptions *wanted);
/* Whatever the peer has beside these goes. */
void proposal_plan_removals(struct proposal *p, const struct subscriptions *wanted);
/*
 * Ask the peer, and wait.  0 with its view as answer, or -1 with status and error.  Its id is
 * known when `sent` is set: what is to be undone can be kept under it.
 */
int proposal_ask(struct proposal *p);
/* What this call wants and the peer's side has not agreed to, after it was kept here; new reference. */
json_t *proposal_waiting(const struct proposal *p);
/* What is known of the subscription to the same table; NULL: nothing. */
const struct subscription *proposal_known(const struct proposal *p, const struct subscription *s);

#endif
