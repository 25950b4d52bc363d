#ifndef HL_CONSENT_H
#define HL_CONSENT_H

#include "opsd/cluster/peer.h"

/*
 * What this side agrees to of the subscriptions that a peer has with it.  A subscription is one
 * record that both sides hold, but each side's half of it counts only when that side said so:
 * by a call here, by credentials or a token of this node with which the peer has joined just now,
 * or because all databases replicate with that peer and it is about one of those.  The rest is a
 * proposal.  No I/O.
 */
struct consent {
	int free; /* whatever the peer says counts */
	const struct peer *peer;
	const struct subscriptions *asked; /* that a call here has asked for; NULL: none */
	unsigned implied;                  /* flows of databases that replicate */
};

/* By what there is with the peer before anything is taken; `asked` is borrowed, as is the peer. */
struct consent consent_with(const struct peer *p, int is_free, const struct subscriptions *asked);
/* Of all databases, those that the peer has not here: it gets no more by ending what it has. */
unsigned consent_denied(const struct peer *p);
/* The flows of a subscription, from our side, to which this one has not agreed. */
unsigned consent_lacks(const struct consent *c, const struct subscription *s);

#endif
