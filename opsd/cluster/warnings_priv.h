#ifndef HL_WARNINGS_PRIV_H
#define HL_WARNINGS_PRIV_H

#include "opsd/cluster/warnings.h"

/* What warnings.c, warnings_link.c and warnings_trust.c share. */

json_t *warnings_add(json_t *list, const char *kind, json_t *message); /* takes the message */

/* warnings_trust.c: how nodes know each other on their links. */
void warnings_trust(struct replication *rep, json_t *list);
/* Of the server with that name, whose daemon said `state`. */
void warnings_handshakes(struct replication *rep, const char *name, const json_t *state,
    json_t *list);
/* warnings_waiting.c: what the stream lacks; leaf: LEAF_STATE, or NULL. */
void warnings_waiting(struct replication *rep, const json_t *leaf, json_t *list);
/* warnings_link.c: links; leaf: LEAF_STATE, or NULL. */
void warnings_links(struct replication *rep, const json_t *leaf, json_t *list);
/* Whoever connects to *port is believed what it says of itself; NULL: there is none.  Caller frees. */
char *warnings_open_port(const struct conf *conf, int *port);

#endif
