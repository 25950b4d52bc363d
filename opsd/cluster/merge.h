#ifndef HL_MERGE_H
#define HL_MERGE_H

#include "opsd/store/group.h"
#include "opsd/store/row.h"

/* What peers have of a row, merged into what is here.  On the commit thread. */

/*
 * What is above the floor and was not removed here alone; `with` is cut down to that.  The
 * row's key and state go to `before` unless NULL.  1 when the row changed, -1 with the store broken.
 */
int merge_row(struct group *g, struct table *t, const uint8_t *key, size_t klen, struct row *with,
    struct stamp floor, struct buf *before);
/*
 * A row of hdb_user or hdb_role that no node would have made (peerrow.h): 1, with a warning that
 * names the peer.
 */
int merge_refuses(struct group *g, const struct table *t, const uint8_t *peer, const uint8_t *key,
    size_t klen, const struct row *row);
/* Issued by a clock that is ahead by more than clustering.maxClockSkew. */
int merge_too_new(struct group *g, struct stamp s);

struct merge_how {
	const uint8_t *peer; /* whose they are */
	uint64_t from_ms;    /* only rows that changed since, 0: all */
	int own;             /* only what this node wrote */
};
struct merged {
	uint32_t seen, changed;
};
/*
 * Rows of a copy (catchup.h), whole; those that changed something go on when relaying.  `sum`
 * begins with zeros.  1: at one that is too new it ended; -1: at one that is broken.
 */
int merge_rows(struct group *g, struct table *t, struct rd *items, uint32_t count,
    const struct merge_how *how, struct merged *sum);

#endif
