#ifndef HL_CARRIERS_H
#define HL_CARRIERS_H

#include "opsd/cluster/carrier.h"

/*
 * Several carriers as one.  A node is reached when one of them reaches it, and asked over the
 * first that does, in the order in which they were added; when none does, over the last one,
 * which knows best what to say of it.  All hear of news.  The list is made before anybody asks.
 */
struct carriers;

extern const struct carrier_ops carriers_ops; /* with a struct carriers */

#define CARRIERS_MAX 4

struct carriers *carriers_new(void);
void carriers_add(struct carriers *c, const struct carrier_ops *ops, void *arg); /* borrowed */
void carriers_free(struct carriers *c); /* NULL is ignored */

#endif
