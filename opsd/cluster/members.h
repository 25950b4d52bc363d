#ifndef HL_MEMBERS_H
#define HL_MEMBERS_H

#include "opsd/cluster/member.h"
#include "opsd/store/group.h"

/*
 * The nodes that were linked with this one (member.h), in memory and in CF_META "M" + node id.
 * The commit thread changes, any thread reads copies.
 */
struct members;
struct replication;

struct members *members_load(struct replication *rep, char **err);
void members_free(struct members *l); /* NULL is ignored */

/* A copy, to be cleared; 0: there is none. */
int members_by_id(struct members *l, const uint8_t *id, struct member *m);
int members_by_hostname(struct members *l, const char *hostname, struct member *m);

/* On the commit thread; a copy is taken. */
void members_store(struct group *g, const struct member *m);
void members_forget(struct group *g, const uint8_t *id); /* its key may be another one next time */

#endif
