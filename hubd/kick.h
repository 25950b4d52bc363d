#ifndef HL_KICK_H
#define HL_KICK_H

#include "hubd/hub_priv.h"

/*
 * Ends the leaf links of removed nodes.  The hub server refuses them from the next reload of its
 * configuration on, by the name in their certificate (hubconf.h), but keeps the links that it has
 * until it is told to end each.  Where certificates are not made of the cluster's secret it refuses
 * nobody: they come back.
 */
struct kick *kick_new(void);
void kick_free(struct kick *k);
void kick_clear(struct kick *k);  /* the server's links have ended with it */
void kick_changed(struct hub *h); /* others are removed than before */
void kick_look(struct hub *h);    /* called once in each look around */
/* Links that are still there, or again, although they were ended many times: [{"node_name","address"}];
 * new reference. */
json_t *kick_lasting(const struct hub *h);

#endif
