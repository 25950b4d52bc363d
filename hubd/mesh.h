#ifndef HL_MESH_H
#define HL_MESH_H

#include <jansson.h>
#include <stdint.h>

/*
 * Who is in the cluster and who is reachable, from two kinds of answers: of
 * every node's hubd (hl.ping) and of every hub server (STATSZ of the system
 * account).  No I/O; the caller says what time it is, in mono_us().
 */
struct mesh;

/* After the cluster's prefix (subject_word). */
#define MESH_PING_WORD      "ping"
#define MESH_ROUTES_WORD    "routes"
#define MESH_STATSZ_SUBJECT "$SYS.REQ.SERVER.PING.STATSZ"
#define MESH_ROUTEZ_SUBJECT "$SYS.REQ.SERVER.PING.ROUTEZ"
#define MESH_LEAFZ_SUBJECT  "$SYS.REQ.SERVER.PING.LEAFZ"

struct mesh *mesh_new(const char *name);
void mesh_free(struct mesh *m);

/*
 * Whose answer this is, and what it says: {"name","node_id" ("" when it is not told),"connected_nodes","routes",
 * "dials" (names that its routes lead to; null: it does not know)}, new reference, only fields of the right
 * type in it.  NULL: not one.
 */
json_t *mesh_read_pong(const void *json, size_t len, char **instance);
json_t *mesh_read_statsz(const void *json, size_t len);
/* The names of nodes that a server's own routes lead to; new reference.  NULL: not that. */
json_t *mesh_read_routez(const void *json, size_t len);
/* The leaf links of a server, [{"name" (the node's),"ip","port"}], new reference, and its id, which the
 * caller frees.  NULL: not that. */
json_t *mesh_read_leafz(const void *json, size_t len, char **server);

/* `round`: which of our questions it answers; `instance`: new with every start of a hubd. */
void mesh_on_pong(struct mesh *m, uint64_t now, uint64_t round, const json_t *pong,
    const char *instance);
void mesh_on_statsz(struct mesh *m, uint64_t now, const json_t *statsz);
/* Nobody can answer: our way to the others is down. */
void mesh_lost(struct mesh *m);

/* Whether a list of names, as these here are, has that one. */
int mesh_has_name(const json_t *names, const char *name);
/* Names that answered hl.ping since, sorted, without our own; new reference. */
json_t *mesh_reachable(const struct mesh *m, uint64_t since);
/* The id of a node by its name, "" when it is not known; new reference. */
json_t *mesh_id(const struct mesh *m, const char *name);
/* Names that our hub has links with, as it said since, without our own; new reference. */
json_t *mesh_linked(const struct mesh *m, uint64_t since);
/* Names that answered since, or that our hub has links with. */
json_t *mesh_connected(const struct mesh *m, uint64_t since);
/* Whether somebody who was there at `old` or later has not answered since `since`. */
int mesh_missing(const struct mesh *m, uint64_t old, uint64_t since);
/*
 * Nodes that answer each question more than once, since; sorted, new reference: then
 * either they or we are linked twice into the mesh.
 */
json_t *mesh_doubled(const struct mesh *m, uint64_t since);
/* Takes a list of strings, gives it sorted. */
json_t *mesh_sorted(json_t *names);
/* Forget who was not heard of since. */
void mesh_forget(struct mesh *m, uint64_t since);

#endif
