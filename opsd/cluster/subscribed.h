#ifndef HL_SUBSCRIBED_H
#define HL_SUBSCRIBED_H

#include "common/base/frame.h"
#include "opsd/store/commit.h"

/*
 * The cursors of what this node subscribes to: begun with a subscription, ended when
 * none asks for them any more.  On the commit thread.
 */
struct peer;
struct table;

struct subscribed {  /* a table of a peer, as the peer offers it */
	uint32_t id; /* there; 0: unknown, and nothing begins */
	struct log_pos head;
	uint64_t incarnation; /* of the peer's log */
	uint64_t start_ms;    /* a call's start time, or 0 */
	struct stamp asked;   /* when that was asked for */
	int called;           /* a call asks for it; else subscriptions were compared */
	int made;             /* there was no table of its name here */
	int logged;           /* its log from the start brings all that is not here (origin.h) */
};

void subscribed_begin(struct group *g, const uint8_t *peer, const struct subscribed *s,
    struct table *mine);
/*
 * There is no table of its name here, and the offer makes none.  A cursor of an older one there
 * goes on with this one's log from its start: made there after it was dropped here it comes, else
 * what comes of it is dropped.
 */
void subscribed_pass(struct group *g, const uint8_t *peer, const struct subscribed *s,
    const char *db, const char *name);
/* The peer's table `id` has another primary key, `key`: nothing of it can come into ours. */
void subscribed_fail(struct group *g, const uint8_t *peer, const struct table *mine, uint32_t id,
    const char *key);
/* Those end that no subscription with the peer asks for any more. */
void subscribed_end(struct group *g, const struct peer *p);

#endif
