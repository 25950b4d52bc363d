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

/*
 * A call is adding the node at that URL: it may be linked meanwhile, also when it was removed before.
 * Each begin has its end.
 */
void members_expect(struct members *l, const char *hostname, const char *url);
void members_expect_end(struct members *l, const char *hostname);
int members_expected(struct members *l, const char *hostname);
/* URLs of those that calls add, and have added and still subscribe; an array, new reference. */
json_t *members_dials(struct members *l);
uint64_t members_changes(const struct members *l); /* how many there were since the start */

/* A copy, to be cleared; 0: there is none. */
int members_by_id(struct members *l, const uint8_t *id, struct member *m);
int members_by_hostname(struct members *l, const char *hostname, struct member *m);
/*
 * Where one is reached, for people: as its link said, or it is dialled, or a route has it, or it
 * has told all members; NULL: nobody knows.  Caller frees.
 */
char *members_url(struct replication *rep, const uint8_t *id, const char *hostname);
/* The number of its shard, or null; a new reference. */
json_t *members_shard(struct replication *rep, const uint8_t *id);
/* {serial (serial.h): hash of its key} of the certificates that were shown last; new reference. */
json_t *members_serials(struct members *l);

/* On the commit thread; a copy is taken. */
void members_store(struct group *g, const struct member *m);
void members_forget(struct group *g, const uint8_t *id); /* its key may be another one next time */
/* Any other thread; waits.  A call has added it by that URL; or it is forgotten.  A job's status. */
int members_keep_dial(struct replication *rep, const uint8_t *id, const char *url);
int members_drop(struct replication *rep, const uint8_t *id);
/* The number of its shard, or null: none is given; the same. */
int members_keep_shard(struct replication *rep, const uint8_t *id, const json_t *shard);

#endif
