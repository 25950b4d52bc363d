#ifndef HL_RESTART_H
#define HL_RESTART_H

struct ops;

/* The node, or parts of it, begin anew: with the configuration that is set. */

/* All three daemons, a moment later; any thread. */
void restart_node(struct ops *ops);
/* This daemon alone, a moment later; any thread. */
void restart_opsd(struct ops *ops);

/*
 * Those daemons (cluster.h) with their servers, and wait until these run again; on a thread that may
 * block.  NULL, or what is wrong (caller frees).
 */
char *restart_daemons(struct ops *ops, unsigned which);
/* What servers and links are made from is handed to the daemons anew. */
void restart_clustering_config(struct ops *ops);
/* The HTTP server: requests in progress are answered first.  As restart_daemons. */
char *restart_http(struct ops *ops);

#endif
