#ifndef HL_LAG_H
#define HL_LAG_H

#include <stdint.h>

/*
 * How far one node is behind another with a table.  A node's log has one counter
 * for all its tables, so n is the most that can be missing; ms lies between the
 * commits of the last transaction there and of the newest, or now when a clock was ahead;
 * -1: not known.
 */
struct cursor_view;
struct peer_view;
struct table;

struct lag {
	uint64_t n;
	int64_t ms;
};

struct lag lag_received(const struct cursor_view *cur); /* we behind the peer, as it said last */
/* The peer behind us: as of our newest transaction, so it grows while the peer is away. */
struct lag lag_sent(const struct table *t, const struct peer_view *v);

#endif
