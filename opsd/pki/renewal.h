#ifndef HL_RENEWAL_H
#define HL_RENEWAL_H

#include <stdint.h>

/* When a node's certificate is to be replaced, and what may replace it.  No I/O. */
struct csr;

/* Whether the last third of its time has begun; one that cannot be read is due. */
int renewal_due(const char *certificate, int64_t now);
/* The same, of its times in seconds since 1970. */
int renewal_due_between(int64_t from, int64_t until, int64_t now);

/* When it ends, and whether now is in the last sixth of its time; 0 and 1 if it cannot be read. */
void renewal_end(const char *certificate, int64_t now, int64_t *until, int *late);

/*
 * Whether a request over a link is by the node at its other end: for the same hostname and id.
 * A key of its own is fine.  -1 with *err.
 */
int renewal_may(const struct csr *c, const char *hostname, const char *node, char **err);

#endif
