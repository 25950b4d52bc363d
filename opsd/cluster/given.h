#ifndef HL_GIVEN_H
#define HL_GIVEN_H

#include "common/base/frame.h"
#include "opsd/store/group.h"

/*
 * Positions that came with a copy of a table (firstcopy.h): where in the logs of other nodes the
 * one stood that the rows came from.  They are kept until the cursor that begins there has
 * begun, for nodes that are met later.
 * CF_META "Y" + node id of that one + big-endian id of our table -> u8 format, u8 done, positions.
 */
struct replication;

struct given_position {
	uint8_t node[NODE_ID_LEN];
	uint32_t table; /* there */
	uint64_t incarnation;
	struct log_pos at;
	uint64_t whole_ms; /* as of a cursor (cursor_view.h) */
};
#define GIVEN_MAX 1000 /* positions with one copy; more do not count */

/* On the wire as on disk: u32 count, {node, u32, u64 incarnation, seq, mark, ms, whole}... */
void given_write(struct buf *b, const struct given_position *list, uint32_t n);
/* The list, of at most GIVEN_MAX, which the caller frees; NULL: it cannot be read. */
struct given_position *given_read(struct rd *r, uint32_t *n);

struct given {
	uint8_t from[NODE_ID_LEN]; /* whom the rows come from */
	uint32_t table;            /* ours */
	int done;                  /* all rows are here */
	struct given_position *list;
	uint32_t n;
	struct given *prev, *next; /* of the same table */
};

/* All of them.  The commit thread's, but for load and free. */
struct givens;
struct givens *givens_load(struct replication *rep, char **err);
void givens_free(struct givens *all);

struct given *given_find(struct givens *all, const uint8_t *from, uint32_t table); /* or NULL */
/* With these positions, in the place of what there was; takes the list. */
void given_put(struct group *g, struct givens *all, const uint8_t *from, uint32_t table,
    struct given_position *list, uint32_t n);
void given_done(struct group *g, struct givens *all, struct given *one);
void given_drop(struct group *g, struct givens *all, struct given *one);
/* The position of that node's table for ours is taken out: 1, or 0: there is none. */
int given_take(struct group *g, struct givens *all, uint32_t table, const uint8_t *node,
    uint32_t there, struct given_position *out, struct given *of);

#endif
