#ifndef HL_OP_REVOKED_H
#define HL_OP_REVOKED_H

#include "opsd/op/node.h"

/*
 * What cluster_status shows of certificates that are good for nothing here, whoever has revoked them:
 * [{"serial_number","by","time"}], the newest first, OP_REVOKED_MOST at most; new reference.  "by" is a user, or
 * a member; of those of routes it is "replication.routes", and they come first, with no time.
 */
#define OP_REVOKED_MOST 1000

json_t *op_revoked_list(struct ops *ops);

#endif
