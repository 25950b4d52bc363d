#ifndef HL_KICK_H
#define HL_KICK_H

#include "hubd/hub_priv.h"

/*
 * Ends the leaf links of removed nodes.  The hub server refuses them from the next reload of its
 * configuration on, by the name in their certificate (hubconf.h), but keeps the links that it has
 * until it is told to end each.
 */
void kick_changed(struct hub *h); /* others are removed than before */
void kick_look(struct hub *h);    /* called once in each look around */

#endif
