#ifndef HL_NODENAME_H
#define HL_NODENAME_H

#include <stddef.h>

/*
 * What a node may be called: 1 to 250 bytes without '.', ',', '*', '>', white space and
 * control characters.  One rule, for what is configured, what a call names and what other
 * nodes say, so that no part of the node gets a name that it cannot deal with.
 */
#define NODE_NAME_MAX 250
int node_name_ok(const char *name, size_t n); /* NULL is none */
/* What a node that is linked may be called as well: a host name, or an address (replication.hostname). */
int node_host_ok(const char *name, size_t n);

/* So many other nodes a node knows at most. */
#define NODES_MAX 1000

#endif
