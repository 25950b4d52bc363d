#ifndef HL_OP_UNLINKED_H
#define HL_OP_UNLINKED_H

#include "opsd/op/node.h"

/* What cluster_status says where a link is wanted, and there is none. */

struct op_unlinked {
	char *why;   /* for people; never NULL */
	int refused; /* one of the two nodes does not want the other */
};

/*
 * What is known of links that are not there, by host name, so that asking about each of thousands of nodes
 * takes no look at all others.  leaf: LEAF_STATE, or NULL; it outlives what is found.
 */
struct op_unlinked_seen;
struct op_unlinked_seen *op_unlinked_look(struct ops *ops, const json_t *leaf);
void op_unlinked_free(struct op_unlinked_seen *seen);

/* Of the node with that host name.  `why` is the caller's. */
struct op_unlinked op_unlinked_why(const struct op_unlinked_seen *seen, const char *hostname);
/*
 * Adds a connection for each member that is to be linked, and each place that is dialled, of which no peer
 * has come yet.
 */
void op_unlinked_add(json_t *list, struct ops *ops, const json_t *leaf,
    const struct op_unlinked_seen *seen);

#endif
