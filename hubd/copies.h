#ifndef HL_COPIES_H
#define HL_COPIES_H

#include <jansson.h>
#include <stdint.h>

/*
 * Nodes that cannot both be in the cluster, from the answers of every node's hubd to
 * hl.ping: copies of one node, which have one id, and nodes with one name.  An instance
 * is a start of a hubd.  Two of them are two nodes when one answers a question that is
 * not older than what the other has answered, and the other way round: whoever was
 * started anew or moved elsewhere answers only what is newer.  No I/O.
 */
struct copies;

struct copies *copies_new(const char *name, const char *node_id, const char *instance);
void copies_free(struct copies *c);

/* An answer to our question `round`.  With our own instance: nothing. */
void copies_on_pong(struct copies *c, uint64_t now, uint64_t round, const char *name,
    const char *node_id, const char *instance);
/*
 * Of those that answered since: [{"same":"id" or "name","node_id" (of "id"),"nodes":
 * [names],"own":bool}...], sorted, new reference; own: this node is one of them.
 */
json_t *copies_found(struct copies *c, uint64_t since);
/* Forget who was not heard of since. */
void copies_forget(struct copies *c, uint64_t since);

#endif
