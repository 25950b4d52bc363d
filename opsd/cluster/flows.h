#ifndef HL_FLOWS_H
#define HL_FLOWS_H

#include <stdint.h>

#include "opsd/store/group.h"

/*
 * Where this node stands in its peers' logs: one flow per (peer, peer's table id).
 * CF_CURSOR: node id + big-endian table id -> flow; node id + 0 -> the peer's
 * stream hint.  A cursor moves in the batch of the rows it covers, which alone
 * makes applying exactly-once.  Whatever does not chain to its cursor is dropped
 * and asked for again: from the peer's log (FETCH) or, if that does not reach,
 * as rows (COPY).
 */
enum flow_state {
	FLOW_LIVE = 0,		/* frames chain */
	FLOW_FETCH = 1,		/* a gap: entries after the cursor are asked for */
	FLOW_COPY = 2,		/* bring-up: rows are asked for; frames are applied meanwhile */
	FLOW_CLOCK = 3,		/* a stamp too far ahead: held, tried again */
	FLOW_FAILED = 4,	/* cannot be applied; why says */
	FLOW_RECOVER = 5	/* our own lost writes are asked for; no live flow */
};

struct replication;
struct flow {
	uint8_t		 peer[NODE_ID_LEN];
	uint32_t	 table;			/* the peer's id */
	char		*database, *name;
	enum flow_state	 state;
	uint64_t	 incarnation, seq, mark, ms;	/* the cursor: last entry applied */
	uint64_t	 from_ms;		/* start_time: the fetch or copy begins there */
	uint8_t		*next_key;		/* copy: after this key */
	size_t		 next_len;
	int		 chunks;		/* copy: chunks taken (0: the head is not read yet) */
	int		 recovering;		/* copy that must end before others copy from us */
	uint64_t	 copied;		/* copy: rows that came so far */
	uint64_t	 since_ms;		/* in this state; 0: not known */
	char		*why;
	/* not stored */
	uint64_t	 fetched;		/* fetch: seen up to here */
	uint64_t	 dropped;
	uint64_t	 peer_rows;		/* about as many as the peer has; 0: not known */
	uint64_t	 retry_us;
	uint64_t	 head, head_ms;		/* what the peer said last */
	uint64_t	 applied_ms;		/* commit time there of what was applied last */
	int		 stuck;			/* statuses in a row without movement */
	int		 ahead;			/* copy: held by rows from a clock ahead */
	int		 pulling;
	uint64_t	 moved;			/* when it was saved last, in moves of the flows */
};

struct flows;

struct flows *flows_load(struct replication *rep, char **err);
void flows_free(struct flows *f);
const char *flow_state_name(enum flow_state s);

/* Rows that a copy will have brought, about, and no fewer than it has; 0: not known. */
uint64_t flow_rows_total(const struct flow *fl);

/* Copies for other threads; free with flow_free each and the array. peer NULL: all. */
struct flow **flows_all(struct flows *f, const uint8_t *peer, size_t *n);
void flow_free(struct flow *f);
/*
 * Those of a peer that moved after `since`, of which it therefore is to be told; *upto: the
 * moves that they are from.  *whole: they are all that there are, since one went meanwhile.
 * What is not live is always among them.
 */
struct flow **flows_moved(struct flows *f, const uint8_t *peer, uint64_t since, uint64_t *upto,
    int *whole, size_t *n);
/* Of a peer, at most so many that are to be asked for now. */
struct flow **flows_due(struct flows *f, const uint8_t *peer, uint64_t now_us, size_t max, size_t *n);
/* The head of a table in the peer's log, with its rows, as it says. */
void flows_heard(struct flows *f, const uint8_t *peer, uint32_t table, uint64_t head,
    uint64_t head_ms, uint64_t rows);
/* Whether there is a flow that lacks something, or did when it was looked at last. */
int flows_behind(struct flows *f, const uint8_t *peer, uint64_t incarnation);
uint64_t flows_stream_seq(struct flows *f, const uint8_t *peer);

/* On the commit thread.  NULL: none. */
struct flow *flows_find(struct flows *f, const uint8_t *peer, uint32_t table);
struct flow *flows_find_named(struct flows *f, const uint8_t *peer, const char *db, size_t dblen,
    const char *name, size_t nlen);
struct flow *flows_add(struct group *g, const uint8_t *peer, uint32_t table, const char *database,
    const char *name);
void flows_remove(struct group *g, struct flow *fl);
void flows_set_stream_seq(struct group *g, const uint8_t *peer, uint64_t seq);
void flow_save(struct group *g, struct flow *fl);
/* Change the state (why may be NULL); saved, the driver is told. */
void flow_set(struct group *g, struct flow *fl, enum flow_state state, const char *why);
/* A copy goes on after this key; n 0: from the beginning.  Not saved. */
void flow_set_key(struct group *g, struct flow *fl, const uint8_t *key, size_t n);
void flow_copy_anew(struct group *g, struct flow *fl, int recovering);
/*
 * Whether the peer's table has another primary key than ours: then nothing of it can come
 * in, and the flow has failed.
 */
int flow_other_key(struct group *g, struct flow *fl, const struct table *t, const char *key, size_t n);

/* Readers that must look at live flows (not copies) hold this. */
void flows_lock(struct flows *f);
void flows_unlock(struct flows *f);
struct flow *flows_first(struct flows *f);
struct flow *flows_next(struct flow *fl);
struct flow *flows_first_of(struct flows *f, const uint8_t *peer);
struct flow *flows_next_of(struct flow *fl);

#endif
