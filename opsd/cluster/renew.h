#ifndef HL_RENEW_H
#define HL_RENEW_H

#include "opsd/cluster/replication.h"

/*
 * For a copy of another node: an id of its own, from the next start on.  Its subscriptions
 * stay, as those of a new node whose rows the peers have not got yet.  Waits for the
 * commit (worker threads only).  The status; hex is the new id, *err is freed by the caller.
 */
int renew_node_id(struct replication *rep, char hex[2 * NODE_ID_LEN + 1], char **err);

#endif
