#ifndef HL_TOPOLOGY_H
#define HL_TOPOLOGY_H

#include <jansson.h>

#include "opsd/cluster/peer.h"

/*
 * Whose writes do not reach whom.  A node passes on what others wrote only with
 * clustering.republishMessages; without it a chain or a star of subscriptions leaves
 * nodes without data.  No I/O.
 *
 * A report is what a node has with others, as nodes tell it each other; topology_report.c alone
 * knows how it travels:
 *   {"id","name","relays":bool,"links":[{"id","name","subscriptions":[["db","table" or "*",
 *   publish,subscribe]...]}...]}, as seen from the node.
 */
struct topology_link { /* with another node */
	char id[2 * NODE_ID_LEN + 1];
	char *name;
	struct subscription *subs; /* names and directions only */
	size_t n;
};

struct topology_report {
	char id[2 * NODE_ID_LEN + 1];
	char *name;
	int relays;
	struct topology_link *links;
	size_t n;
	_Atomic unsigned refs;
};

struct topology_report *topology_report_new(const uint8_t *id, const char *name, int relays);
void topology_report_add(struct topology_report *r,
    const struct peer *p); /* unless nothing is subscribed */
struct topology_report *topology_report_ref(struct topology_report *r); /* NULL gives NULL */
void topology_report_free(struct topology_report *r);                   /* one reference */
/* Of all that it says; never 0. */
int64_t topology_report_digest(const struct topology_report *r);
json_t *topology_report_write(const struct topology_report *r);
/* NULL where there is a fault. */
struct topology_report *topology_report_read(const json_t *o, struct peerjson *w);

/*
 * From the reports of a node and its peers: [{"from","to","tables":["db.table"...]}...]
 * of nodes that are connected for a table, but only through some that do not pass
 * it on; the first `most` pairs.  What nobody reported counts as if it passed all on,
 * so nothing is told that is not so.  New reference.
 */
json_t *topology_gaps(struct topology_report *const *reports, size_t n, size_t most);

#endif
