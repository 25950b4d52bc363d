#ifndef HL_POSITIONS_H
#define HL_POSITIONS_H

#include <stddef.h>
#include <stdint.h>

/*
 * How far a peer is in this node's log: for each of our tables that it gets, the last entry
 * that it applied.  Counted, and locked: any thread.
 */
struct position {
	uint64_t incarnation, seq, ms;
};

struct positions;

struct positions *positions_new(void);
struct positions *positions_ref(struct positions *p); /* NULL gives NULL */
void positions_free(struct positions *p);             /* one reference */
/* So many tables at most: of more nothing is kept. */
#define POSITIONS_MAX 100000
void positions_set(struct positions *p, uint32_t table, struct position at);
/* -1: it has told nothing of the table; p may be NULL. */
int positions_get(struct positions *p, uint32_t table, struct position *at);
/* The tables of which it told; the caller frees. */
uint32_t *positions_tables(struct positions *p, size_t *n);

#endif
