#ifndef HL_TOPOLOGY_H
#define HL_TOPOLOGY_H

#include <jansson.h>

/*
 * Whose writes do not reach whom.  A node passes on what others wrote only with
 * clustering.republishMessages; without it a chain or a star of subscriptions leaves
 * nodes without data.  No I/O.
 *
 * A report, as nodes tell it each other:
 *   {"id","name","relays":bool,"links":[{"id","name","entries":[["db","table" or "*",
 *   publish,subscribe]...]}...]}, as seen from the node.
 *
 * From the reports of a node and its peers: [{"from","to","tables":["db.table"...]}...]
 * of nodes that are connected for a table, but only through some that do not pass
 * it on.  What nobody reported counts as if it passed all on, so nothing is told
 * that is not so.  New reference.
 */
json_t *topology_gaps(const json_t *reports);

struct peer;
/* The report's "links" entry of one peer; new reference, NULL: nothing is subscribed. */
json_t *topology_link(const struct peer *p);

#endif
