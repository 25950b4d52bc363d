#ifndef HL_SYSROW_H
#define HL_SYSROW_H

#include <jansson.h>

#include "opsd/store/catalog.h"

/*
 * Rows of system tables as objects, for opsd's own use: users, roles.  The
 * attributes of user_hidden_attribute are among them: show no such object to anybody.
 */
struct data;
struct group;

/* One by its key (NULL: none), all as an array; new references, any thread. */
json_t *sysrow_get(struct data *data, enum system_table t, const char *key);
json_t *sysrow_all(struct data *data, enum system_table t);

/*
 * Insert one, write one (attributes given replace those there, others stay) or remove it, and
 * wait for the disk: never on an HTTP thread.  200, or a status with *err (caller frees).
 */
/* 409: is there */
int sysrow_insert(struct data *data, enum system_table t, const json_t *row, char **err);
int sysrow_put(struct data *data, enum system_table t, const json_t *row, char **err);
int sysrow_remove(struct data *data, enum system_table t, const char *key, char **err);
/* One that the node makes by itself at its first start: it yields (group_system_first). */
int sysrow_first(struct data *data, enum system_table t, const json_t *row, char **err);

/*
 * "sealed" of a row stays on this node: it is kept beside it, changes with it, and is in what
 * sysrow_get gives.  That of a row which a peer has removed goes.
 */
void sysrow_forget_own(struct group *g, uint32_t table, const uint8_t *key, size_t klen);

#endif
