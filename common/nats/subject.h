#ifndef HL_SUBJECT_H
#define HL_SUBJECT_H

#include "common/base/buf.h"

/*
 * NATS subjects of a cluster.  Tokens keep [A-Za-z0-9_-]; every other byte is
 * %XX, so any database, table or node name is one token.
 *
 *   hl.txn.<node>.<database>.<table>	frames of a table, in the stream HL_<node>
 *   hl.req.<node>.<verb>		questions to a node, JSON, answered by hubd
 *   hl.catchup.<node>			rows and log entries, binary, answered by leafd
 *   hl.ping				every node's hubd answers {"name","routes","dials","connected_nodes"}
 *   hl.routes				the same, said by a hubd whose last route is deleted
 *
 * All return NUL-terminated text that the caller frees.
 */
/* table "*" stays the wildcard */
char *subject_txn(const char *node, const char *database, const char *table);
char *subject_req(const char *node, const char *verb); /* verb "*" too */
char *subject_catchup(const char *node);
char *subject_stream(const char *node); /* "HL_<node>" */

#endif
