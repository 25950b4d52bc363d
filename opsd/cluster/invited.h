#ifndef HL_INVITED_H
#define HL_INVITED_H

#include <stdint.h>

/*
 * Nodes that have come with credentials or a token of this one: what they ask for is agreed to
 * for a short while.  Not kept over a restart.  Any thread.
 */
struct invited;

#define INVITED_MS 60000

struct invited *invited_new(void);
void invited_free(struct invited *l); /* NULL is ignored */
void invited_add(struct invited *l, const uint8_t *id, uint64_t now_ms);
int invited_has(struct invited *l, const uint8_t *id, uint64_t now_ms); /* NULL: nobody is */

#endif
