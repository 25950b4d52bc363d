#ifndef HL_TRUSTSYNC_H
#define HL_TRUSTSYNC_H

#include <jansson.h>

#include "opsd/cluster/replication.h"

/*
 * What all members believe alike: which certificates are revoked, and the authorities of all of
 * them, so that who joins any member is known to each.  Both are statements of the roster; what
 * this node has of them (pki.h) and what the roster has become the same, a moment after
 * either has changed.  On the loop's thread, unless it says otherwise.
 */
struct trustsync;

struct trustsync *trustsync_new(struct replication *rep);
void trustsync_free(struct trustsync *t); /* once the workers have ended; NULL is ignored */
void trustsync_tick(struct trustsync *t); /* several times a second, and when something came */

/*
 * {hash: ...}, authorities that an operator trusts no longer: nor is any other member to.  Any
 * thread that may wait.
 */
void trustsync_forget(struct replication *rep, const json_t *hashes);

#endif
