#ifndef HL_OP_LINKSTATUS_H
#define HL_OP_LINKSTATUS_H

#include "opsd/cluster/cursors.h"
#include "opsd/op/node.h"
#include "opsd/op/op_unlinked.h"

/* What cluster_status shows of peers by host name, beside what it shows of all (op_mesh.c). */

struct op_linkstatus {
	struct ops *ops;
	const struct peer *peer;
	const struct peer_view *view;
	struct cursor_view *const *cursors; /* of it */
	size_t ncursors;
	struct table *const *tables; /* of ours */
	size_t ntables;
	const json_t *leaf;     /* LEAF_STATE, or NULL */
	const json_t *retained; /* hosts whose credentials are kept */
	const struct op_unlinked_seen *unlinked;
};

/* Into the connection of a peer that has a host name; to that of another nothing. */
void op_linkstatus_add(json_t *o, const struct op_linkstatus *s);

#endif
