#ifndef HL_GOSSIP_FOLLOW_H
#define HL_GOSSIP_FOLLOW_H

#include <jansson.h>

#include "opsd/cluster/statement.h"
#include "opsd/store/group.h"

/*
 * What follows from a change of the roster (roster.h), all on the commit thread: entries are stored, a
 * member that was removed is forgotten, a node that was removed itself forgets the others.
 */

/* The entry as it is now, or that there is none. */
void gossip_follow_store(struct group *g, enum statement_kind kind, const char *key);
/* Takes the list of kinds and keys (roster_clear): they are none any more. */
void gossip_follow_drop(struct group *g, json_t *gone);
/* What is said of the member of that key is new. */
void gossip_follow(struct group *g, const char *key);
/* This node is alone: nobody is known by hostname, and nothing is said of anybody. */
void gossip_follow_alone(struct group *g);

#endif
