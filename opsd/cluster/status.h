#ifndef HL_STATUS_H
#define HL_STATUS_H

#include <jansson.h>

#include "ops.h"

/*
 * What peers tell each other every clustering.statusInterval, as JSON questions
 * "status": positions in each other's logs, heads, clocks, a digest of the
 * entries.  From it come gap detection after silence, retention, lag and the
 * notice that a log went back in time.
 *
 *   ask: {"id","name","incarnation","now","digest","flows":[[table,incarnation,seq,ms]...]}
 *   answer: {"id","name","incarnation","now","uptime","ports":{},"system_info",
 *     "digest","heads":[[table,head,ms]...]}; head -1: no such table any more
 * hublink.c adds "topology_digest" to both, and to the answer "topology" (topology.h) when
 * the asker has another one.
 */
struct peer;

json_t *status_question(struct ops *ops, const struct peer *p);
/* The answer; *ahead is set when the asker has more of our log than we have. */
json_t *status_answer(struct ops *ops, const json_t *question, uint64_t *ahead);
/* Entries differ: they must be compared ("entries"). */
int status_differs(struct ops *ops, const struct peer *p, const json_t *answer);
/* What an answer says about our flows of the peer: a job, or NULL. */
struct job *status_job(struct ops *ops, const struct peer *p, const json_t *answer);

#endif
