#ifndef HL_MESH_H
#define HL_MESH_H

#include <stdint.h>

/* What hubd does: who is reachable, and questions between nodes. */
struct buf;
struct machine;

/* A message of opsd, `id` 0: not one that is answered. */
void mesh_take(struct machine *m, uint32_t id, uint16_t type, struct buf *body);
/* Others came or went: it says so, a little later. */
void mesh_changed(struct machine *m);
uint64_t mesh_questions(void); /* how many there were */

#endif
