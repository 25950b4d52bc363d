#ifndef HL_CURSORS_PRIV_H
#define HL_CURSORS_PRIV_H

#include <pthread.h>
#include <uthash.h>

#include "opsd/cluster/cursors.h"

/*
 * What cursors.c (the set, and what every thread may see of it), cursors_move.c (how they move) and
 * cursors_ask.c (what they ask) share.
 */

struct cursor_key {
	uint8_t peer[NODE_ID_LEN];
	uint32_t table;
};

struct held {
	struct cursor *cursor;
	const struct cursor_view *v; /* of that */
	struct cursor_key key;
	struct buf label;         /* peer, database, name; empty: it only recovers */
	uint64_t moved;           /* when it was saved last, in moves of the cursors */
	struct held *prev, *next; /* of the same peer */
	UT_hash_handle hh, hh_label;
};

/* Of several streams: the window of the log that each brought last, and had when that was asked for last. */
struct source_streams {
	uint64_t incarnation;
	unsigned n;
	uint64_t windows[SHARDS_MAX], coming[SHARDS_MAX];
};

struct source { /* a peer */
	uint8_t peer[NODE_ID_LEN];
	struct cursors_hint hint;
	struct source_streams streams;
	uint64_t gone;   /* moves when one was removed last */
	uint64_t coming; /* the hint's window when it was asked for last */
	struct held *cursors;
	size_t n, recovering; /* so many, and of those own lost writes are fetched by so many */
	uint64_t recovers_us, recovered_us; /* since when that is so; when it got further last */
	UT_hash_handle hh;
};

struct cursors {
	struct replication *rep;
	pthread_mutex_t lock;
	struct held *cursors, *labels;
	struct source *sources;
	uint64_t moves, turns;
	size_t waiting; /* cursors_waiting */
};

/* These with the lock held, or before anybody else knows of the cursors. */

struct held *cursors_insert(struct cursors *f, const struct cursor_view *v);
void cursors_delete(struct cursors *f, struct held *h);
struct held *cursors_held(struct cursors *f, const struct cursor *cur);
/* 1: it counts for cursors_waiting. */
size_t cursors_waits(const struct cursor_view *v);
void cursors_key(struct buf *k, const uint8_t *peer, uint32_t table);
struct source *cursors_source_find(struct cursors *f, const uint8_t *peer); /* or NULL */
struct source *cursors_source(struct cursors *f, const uint8_t *peer);      /* made when absent */

#endif
