#ifndef HL_STATUS_H
#define HL_STATUS_H

#include <jansson.h>

#include "opsd/cluster/positions.h"
#include "opsd/cluster/replication.h"

/*
 * What peers tell each other every clustering.statusInterval, as questions "status":
 * positions in each other's logs, heads, clocks, a digest of the subscriptions.  From it come
 * gap detection after silence, retention, lag and the notice that a log went back in time.
 *
 * What did not change is not told again.  Positions are those of the cursors that moved since
 * the moves that the last answer was for (`since`; 0: all of them), heads are what is after
 * `heads_after`.  Who does not have what `since` builds upon says `again`, and is told all the
 * next time.
 *
 * status_codec.c alone knows how they travel, in JSON:
 *   ask: {"id","name","incarnation","now","digest","since","upto",
 *     "cursors":[[table,incarnation,seq,ms,mark]...],"heads_after":[incarnation,seq],"life",
 *     "topology_digest"}, or only up to "digest" with "cursors":[]: it asks who we are
 *   answer: {"id","name","incarnation","now","uptime","ports":{"clustering","operations_api"},
 *     "system_info","digest","roster","link_key"?,"snapshots"?:[rank,taken ms],"heads":[[table,head,ms,rows]...],"heads_upto":[incarnation,seq]},
 *     or in place of the last "again":true; "link_key": the hash of the key that it shows on links; head -1: no such table any more; "topology_digest"
 *     and, when the asker has another one, "topology" (topology.h)
 * Both have what compat.h says of formats, too.
 */
struct peer;
struct topology_report;

struct status_position { /* where the asker is in a table of ours */
	uint32_t table;
	struct position at;
	uint64_t mark;
};

struct status_question {
	uint8_t id[NODE_ID_LEN]; /* of the asker */
	char *name;
	uint64_t incarnation; /* of its log */
	uint64_t now_ms;
	uint64_t digest;
	int tells; /* what follows is there; else it asks who we are */
	uint64_t since, upto;
	struct status_position *positions;
	size_t n;
	uint64_t heads_incarnation, heads_after;
	int64_t life; /* of the process that asks */
	int64_t topology_digest;
};

struct status_head { /* of a table of the node that answers */
	uint32_t table;
	int gone;
	uint64_t head, ms, rows;
};

struct status_answer {
	uint8_t id[NODE_ID_LEN];
	char *name;
	uint64_t incarnation, now_ms, uptime_ms;
	int cluster_port, api_port;
	json_t *system_info;     /* or NULL */
	uint64_t digest, roster; /* of the subscriptions, and of the roster */
	char *link_key;          /* PEM_HASH, or NULL: it has none */
	struct status_head *heads;
	size_t n;
	int again;
	uint64_t heads_incarnation, heads_upto; /* unless `again` */
	int64_t topology_digest;
	struct topology_report *topology; /* or NULL */
	unsigned snapshot_rank;           /* replication.h; 0 where it takes none */
	uint64_t snapshot_ms;             /* the newest that it knows of */
};

json_t *status_question_write(const struct status_question *q);
json_t *status_answer_write(const struct status_answer *a);
/* -1 with *fault, which the caller frees: the field and the rule; then there is nothing to clear. */
int status_question_read(struct status_question *q, const json_t *o, char **fault);
int status_answer_read(struct status_answer *a, const json_t *o, char **fault);
void status_question_clear(struct status_question *q);
void status_answer_clear(struct status_answer *a);

/* What a peer and we need not tell each other again. */
struct status_base {
	uint64_t moves;              /* of our cursors: it knows them (cursors_moved) */
	uint64_t incarnation, heads; /* of its log: up to there we know its heads */
};

/* To a peer; q->upto is what base->moves becomes when it is answered. */
void status_ask(struct replication *rep, const struct peer *p, const struct status_base *base,
    struct status_question *q);
/* To a node that is perhaps none: who it is. */
void status_ask_who(struct replication *rep, struct status_question *q);
/* Not 0 when the asker has what is not in our log (txlog_has): of that incarnation. */
uint64_t status_ahead(struct replication *rep, const struct status_question *q);
/* Into what is known of the asker; new is what takes all of it. */
void status_positions(const struct status_question *q, struct positions *p);
/* received: of all that the asker has told; NULL: it must tell all again. */
void status_answer(struct replication *rep, const struct status_question *q,
    struct positions *received, struct status_answer *a);
/* What the answer to a question with these `moves` leaves to be told; 1: all, and at once. */
int status_answered(struct status_base *base, uint64_t moves, const struct status_answer *a);
/* Subscriptions differ, or may: they must be compared ("subscriptions"). */
int status_differs(struct replication *rep, const struct peer *p, const struct status_answer *a,
    uint64_t compared_us);
/* What an answer says about our cursors of the peer is noted; a job that acts on it, or NULL. */
struct commit_job *status_job(struct replication *rep, const struct peer *p,
    const struct status_answer *a);

#endif
