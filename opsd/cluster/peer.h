#ifndef HL_PEER_H
#define HL_PEER_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/base/frame.h"
#include "opsd/cluster/scope.h"
#include "opsd/cluster/subscriptions.h"
#include "opsd/store/table.h"

/*
 * A node with which something is subscribed, and what.  A peer that others can see does not
 * change; who changes it has a copy of its own (nodes_edit), until nodes_store puts that in
 * its place.  No I/O.
 */
struct peer {
	uint8_t id[NODE_ID_LEN];
	char hex[2 * NODE_ID_LEN + 1];
	char *name;
	char *hostname; /* replication.hostname of one that was linked; or NULL */
	int secure;     /* it was linked over TLS when it was last */
	struct subscriptions subs;
	unsigned
	    denied; /* flows that one for all databases did not have here when the peer ended it */
	const struct scope *scope; /* what of ours replicates, borrowed; NULL: all */
	json_t *scope_told;        /* what of its own, as it told; NULL: it has not */
	uint64_t added_ms;
	json_t *system_info;   /* or NULL */
	_Atomic unsigned refs; /* peer.c's */
};

struct peer *peer_new(const uint8_t *id, const char *name);
struct peer *peer_copy(const struct peer *p); /* to change; NULL gives NULL */
struct peer *peer_ref(struct peer *p);        /* NULL gives NULL */
void peer_free(struct peer *p);               /* one reference */

int peer_active(const struct peer *p); /* has any subscription that is not removed */
/*
 * What counts for a table of ours, or one of that name: its own, that for its database, or that
 * for all databases; as far as the table replicates at both ends (scope.h), users and roles only
 * with who is linked over TLS.  NULL: nothing.
 */
const struct subscription *peer_effective(const struct peer *p, const char *database,
    const char *table);
const struct subscription *peer_effective_n(const struct peer *p, const char *db, size_t dblen,
    const char *table, size_t tlen);
const struct subscription *peer_effective_for(const struct peer *p, const struct table *t);
/* Users and roles would replicate with it, if only its link were over TLS. */
int peer_lacks_tls(const struct peer *p);

/* A peer as it is stored; new reference. */
json_t *peer_json(const struct peer *p);
struct peer *peer_from_json(const uint8_t *id, const json_t *o, char **err); /* NULL: it is none */

#endif
