#ifndef HL_OP_UNLINKED_H
#define HL_OP_UNLINKED_H

#include "opsd/op/node.h"

/* What cluster_status says where a link is wanted, and there is none. */

struct op_unlinked {
	char *why;   /* for people; never NULL */
	int refused; /* one of the two nodes does not want the other */
};

/* Of the node with that host name; leaf: LEAF_STATE, or NULL.  `why` is the caller's. */
struct op_unlinked op_unlinked_why(struct ops *ops, const json_t *leaf, const char *hostname);
/*
 * Adds a connection for each member that is to be linked, and each place that is dialled, of which no peer
 * has come yet.
 */
void op_unlinked_add(json_t *list, struct ops *ops, const json_t *leaf);

#endif
