#ifndef HL_JET_H
#define HL_JET_H

#include "common/base/buf.h"
#include "common/base/frame.h"

/*
 * The stream of one node in its leaf server (JetStream), which outlives leafd and opsd: it
 * refuses what does not follow its end, forgets by age and by purges, and may lose its
 * tail, or be gone.
 */
struct jet_msg {
	uint64_t seq, ms;
	char *database, *table;
	struct buf bytes;
	struct frame frame;
};

struct jet {
	struct jet_msg *msgs; /* by seq */
	size_t n, cap;
	uint64_t last;  /* the last seq given */
	unsigned epoch; /* consumers of an earlier one are gone */
	uint64_t max_age_ms;
};

struct jet_tail {
	uint64_t seq, incarnation, window, last, newest, mark;
};

/* 0, or -1: something else came since `expected`. Takes the bytes. */
int jet_append(struct jet *j, uint64_t expected, const char *database, const char *table,
    struct buf *bytes);
/* The first from `seq` on; NULL: none. */
const struct jet_msg *jet_from(struct jet *j, uint64_t seq);
/* Where it ends for the node, as leafd/stream.c finds it. */
void jet_find_tail(struct jet *j, const uint8_t *node, struct jet_tail *t);
/* Messages of the table that hold only entries up to `upto` go. */
uint64_t jet_purge(struct jet *j, const char *database, const char *table, uint64_t upto);
void jet_lose_tail(struct jet *j, uint64_t keep_upto);
void jet_delete(struct jet *j);
void jet_restart(struct jet *j); /* of the server */

#endif
