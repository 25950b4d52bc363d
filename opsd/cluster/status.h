#ifndef HL_STATUS_H
#define HL_STATUS_H

#include <jansson.h>

#include "opsd/cluster/replication.h"

/*
 * What peers tell each other every clustering.statusInterval, as JSON questions
 * "status": positions in each other's logs, heads, clocks, a digest of the
 * entries.  From it come gap detection after silence, retention, lag and the
 * notice that a log went back in time.
 *
 *   ask: {"id","name","incarnation","now","digest","since","upto",
 *     "cursors":[[table,incarnation,seq,ms,mark]...],"heads_after":[incarnation,seq]}
 *   answer: {"id","name","incarnation","now","uptime","ports":{},"system_info",
 *     "digest","heads":[[table,head,ms,rows]...],"heads_upto":[incarnation,seq]}, or in place
 *     of the last "again":true; head -1: no such table any more
 *
 * Both have what compat.h says of formats, too.
 *
 * What did not change is not told again.  "cursors" are those that moved since the moves that
 * the last answer was for ("since"; 0: all of them), "heads" what is after "heads_after".
 * Who does not have what "since" builds upon says "again", and is told all the next time.
 * hublink.c adds "life" to the question, by which a start of the asker is known, and
 * "topology_digest" to both, and to the answer "topology" (topology.h) when
 * the asker has another one.
 */
struct peer;
struct positions;

/* What a peer and we need not tell each other again. */
struct status_base {
	uint64_t	moves;			/* of our cursors: it knows them (cursors_moved) */
	uint64_t	incarnation, heads;	/* of its log: up to there we know its heads */
};

/* *upto: what base->moves becomes when it is answered. */
json_t *status_question(struct replication *rep, const struct peer *p, const struct status_base *base,
    uint64_t *upto);
/* Not 0 when the asker has what is not in our log (txlog_has): of that incarnation. */
uint64_t status_ahead(struct replication *rep, const json_t *question);
/* Into what is known of the asker; new is what takes all of it. */
void status_positions(const json_t *question, struct positions *p);
/* received: of all that the asker has told; NULL: it must tell all again. */
json_t *status_answer(struct replication *rep, const json_t *question, struct positions *received);
/* What the answer to a question with these `moves` leaves to be told; 1: all, and at once. */
int status_answered(struct status_base *base, uint64_t moves, const json_t *answer);
/* Entries differ: they must be compared ("entries"). */
int status_differs(struct replication *rep, const struct peer *p, const json_t *answer, uint64_t compared_us);
/* What an answer says about our cursors of the peer is noted; a job that acts on it, or NULL. */
struct commit_job *status_job(struct replication *rep, const struct peer *p, const json_t *answer);

#endif
