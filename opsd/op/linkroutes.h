#ifndef HL_LINKROUTES_H
#define HL_LINKROUTES_H

#include "common/conf/conf.h"
#include "opsd/op/fields.h"

/*
 * Entries of replication.routes, as calls and the file have them: a host name or URL, or an
 * object with "hostname" or "url".  Two that lead to one place are the same route, however they
 * are written.  No I/O.
 */

/* Whether it is written so, and not as routes of the NATS mesh are ("host"). */
int linkroutes_is(const json_t *route);
/* A fault for each startTime that is yet to come; `name` is where the list stands. */
void linkroutes_check_starts(struct faults *f, const char *name, const json_t *routes);
/* The i-th of the body's routes as it is kept; a new reference, also with faults. */
json_t *linkroutes_read(struct faults *f, size_t i, const json_t *given);
/* Index of the one that leads where `route` does, or the list's size. */
size_t linkroutes_find(const struct conf *c, const json_t *list, const json_t *route);
/*
 * The route is in the list afterwards, with what it says and what the one before it said
 * beside.  0: it was so already.
 */
int linkroutes_put(const struct conf *c, json_t *list, const json_t *route);

#endif
