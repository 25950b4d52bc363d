#ifndef HL_SUBSCRIBE_H
#define HL_SUBSCRIBE_H

#include <jansson.h>

#include "common/base/frame.h"
#include "opsd/store/commit.h"

/*
 * Entries between two nodes, taken over: tables made on the side that lacks them,
 * cursors begun and ended.  The same on both sides, for a call's request, for its
 * answer and for the later comparison.
 *
 * Travelling form (questions "entries", JSON):
 *   {"id","name","incarnation","system_info","strict":bool,"entries":[{"database",
 *    "table","publish","subscribe","removed","stamp":[t,n],"start_ms","has_database","tables":[
 *    {"table","id","head","head_mark","head_ms","definition":{...}}]}]}
 * as seen by the sender.
 */
struct replication;
struct take {
	struct commit_job	 job;		/* first */
	json_t		*offer;		/* the travelling form; owned */
	json_t		*answer;	/* ours, after a successful run; owned */
	int		 answered;	/* fill in `answer` */
	void		*ctx;		/* the submitter's */
};

struct take *take_new(json_t *offer);	/* takes the reference */
void take_free(struct take *t);

/*
 * An offer to a peer with these entries [{"database","table","publish","subscribe",
 * "removed","stamp","start_ms"}] (borrowed), tables looked up.
 */
json_t *offer_new(struct replication *rep, const json_t *entries, int strict);
json_t *ops_system_info(void);	/* {"hdb_version","node_version","platform"} */

#endif
