#ifndef HL_GOSSIP_H
#define HL_GOSSIP_H

#include <jansson.h>
#include <stdint.h>

#include "opsd/cluster/carrier.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/statement.h"

/*
 * How all nodes come to have the same roster (roster.h).  What is new is told at once to every peer
 * that is reached; whose digest differs, as the status exchange shows, is asked page by page
 * (gossip_page.h).  It does not matter what carries it: signatures decide.
 */
struct gossip;

/* ---- on the loop's thread ---- */

struct gossip *gossip_new(struct cluster *c, struct replication *rep);
void gossip_free(struct gossip *g); /* NULL is ignored */
void gossip_tick(struct gossip *g); /* several times a second, and when something changed */
/* A peer has said which digest it has. */
void gossip_heard(struct gossip *g, const uint8_t *peer, uint64_t digest);
/* A question "roster"; `who` as in incoming_question. */
void gossip_asked(struct gossip *g, const uint8_t *who, const json_t *question,
    struct carrier_reply reply);
/* The last words to one that was removed: that it was. */
void gossip_part(struct gossip *g, const uint8_t *peer);

/* ---- any thread that may wait ---- */

/*
 * Said by this node to all: a record of that kind and key ("removed": true takes it back), with
 * these fields.  200, or a status with *err; nothing is said then.  409: there is no key to sign with.
 */
int gossip_say(struct replication *rep, enum statement_kind kind, const char *key,
    const json_t *fields, char **err);
/* The member is removed everywhere.  404: it is none, or this node is none of a cluster of links. */
int gossip_remove(struct replication *rep, const uint8_t *id, char **err);
/* The member is introduced by this node, as it is known here (roster_adopt). */
int gossip_adopt(struct replication *rep, const uint8_t *id, char **err);
/*
 * What this node shows on links is its key; what it says of itself follows the configuration.  Signed
 * with the key of before, as long as there is one: said before the files of that are replaced, it is not
 * lost with a crash.
 */
void gossip_say_self(struct replication *rep, const char *key);
/*
 * At the start: what this node has said before it goes on signing with, so that the key can say which
 * one comes next, however soon that is.
 */
void gossip_say_resume(struct replication *rep);

#endif
