#ifndef HL_WARNINGS_H
#define HL_WARNINGS_H

#include <jansson.h>

#include "opsd/cluster/replication.h"

/*
 * What an operator should know of the cluster although everything runs, for
 * cluster_status: [{"kind","message",...}], new reference.
 *
 *   cluster_user	clustering.user does not exist or is none: clustering is off
 *   cluster_password	that of clustering.user cannot be unsealed: clustering is off
 *   server		"server": "hub" or "leaf": it does not run, does not answer, or not with what is
 *			configured now
 *   log_waits		"transactions","given_up","since": the stream cannot be had, and lacks so many, of
 *			which the log no longer has the latter; since: of the others the first, milliseconds
 *   daemon		"daemon": "hubd" or "leafd": it is not connected, or does not answer
 *   handshake		"server","link": "route" or "leaf","address","reason": TLS between the two ends
 *			failed a short while ago
 *   duplicate_name	"nodes": two nodes have this name
 *   copied_node	"nodes": they are copies of one node, with one id
 *   insecure_routes	clustering.tls.insecure: who answers at a route's address gets the password
 *   weak_secret		the cluster user's password, of which the links' certificates are made, is easily found
 *   links_certificate	those cannot be made
 *   linked_twice	"nodes": a leaf route leads into the mesh of the own hub, all comes twice
 *   unrouted		"nodes": linked with this node, which none that can be reached is known to have a
 *			route to, and which has none
 *   removed_link	"node_name","address": a removed node's leaf link, which comes back or does not end
 *   topology_gap	"from","to","tables" (["db.table"...], the first ones),"table_count": what one
 *			writes does not reach the other, as far as peers have told
 *   certificate_expiry	"certificate","uses","ends": within tls.expiryWarning, or it has
 *   clock_behind	"behind_ms": this node's clock is behind what it holds, as it was set back or was ahead
 *   format		"node_name": it speaks no format that this node does (compat.h)
 *   link_certificate	what keeps links over TLS from being
 *   link_refused	"hostname" or null,"address","time": a node that asked for a link, and why it has none
 *   removed		"by": this node was removed from the cluster
 *   revoked		the certificate of this node was revoked
 *   removed_route	"hostname": a route leads to a node that was removed
 *   member_refused	"node_id","time": what members say of one is refused here: a name or a key is another's,
 *			or there is no room
 *   link_failing	"url","tries": a route that leads to no link, and why
 *   link_insecure	"port": links without TLS are taken
 *   users_insecure	"node_name": users and roles do not replicate with it, as its link has no TLS
 *   clock_skew		"node_name","clock_skew_ms": more than clustering.maxClockSkew apart
 */
json_t *warnings(struct replication *rep);

/* Of these what follows from the configuration, for the log at a start. */
void warnings_log_trust(struct replication *rep, const struct conf *conf);
/* A handshake that failed (handshakes_failing()), and what to do about it; NULL: it is none.  The
 * caller frees. */
char *warnings_handshake_text(struct replication *rep, const json_t *failure);

/* Why clustering does not run although it is enabled, or NULL; caller frees. */
char *warnings_why_off(struct replication *rep);

#endif
