#ifndef HL_REQUEST_H
#define HL_REQUEST_H

#include "common/ipc/chan.h"

/*
 * Questions between nodes and their answers: what opsd asks a peer (PEER_REQ)
 * goes out over the leaf server, what peers ask us goes to opsd (NODE_REQ).
 * An answer on its way is {"status":200,"body":...}.
 */
struct requests;
struct event_base;
struct nats;

struct requests *requests_new(struct event_base *base);
void requests_free(struct requests *r); /* after requests_set_leaf(NULL) and chan_free */

/* opsd is there, or NULL: gone. */
void requests_set_ops(struct requests *r, struct chan *ops);
/*
 * Serve what peers ask `node` over this connection.  NULL just before it is
 * closed: what opsd still asks is answered with 503.
 */
void requests_set_leaf(struct requests *r, struct nats *leaf, const char *node);

/* Handler of PEER_REQ. */
int requests_on_peer_req(struct requests *r, struct chan *c, struct msg *m);

#endif
