#ifndef HL_CATCHUP_PRIV_H
#define HL_CATCHUP_PRIV_H

#include "opsd/cluster/catchup.h"
#include "opsd/cluster/peer.h"

/* What catchup_serve.c (who may have what; rows and sums) and catchup_log.c (the log) share. */

#define CATCHUP_MAX  (1u << 20)  /* bytes of an answer, one item at least */
#define CATCHUP_SCAN (64u << 20) /* bytes looked at for one answer */

enum pull { PULL_NONE, PULL_OWN, PULL_ALL };

/* Who asks, and what it is known by here. */
struct catchup_asker {
	const uint8_t *who; /* that the carrier vouches for; or NULL */
	struct peer *peer;  /* NULL: it is not known */
	uint64_t claimed; /* the greatest incarnation of ours that it says it has, and we do not */
};

/* What of the question's table it may have, and a reference to that table; or a status. */
uint16_t catchup_table(struct replication *rep, struct catchup_asker *asker,
    const struct catchup_question *q, enum pull *may, struct table **t);
/* Bytes of rows or entries that an answer may have. */
uint32_t catchup_most(const struct replication *rep, const struct catchup_question *q);
/* The beginning of an answer, and the name of the key with the head of a table. */
void catchup_begin(struct replication *rep, struct buf *out, uint16_t status, uint32_t table);
void catchup_head(struct buf *out, const struct table *t, struct log_pos head);
/* The log of all tables of the question. */
void catchup_serve_log(struct replication *rep, struct catchup_asker *asker,
    struct catchup_question *q, struct buf *out);

#endif
