#ifndef HL_STARTS_H
#define HL_STARTS_H

#include <stdint.h>

#include "common/base/frame.h"

/*
 * Copies of one node that ask for links.  Each start of a leafd has a mark of its own (`boot` in
 * HELLO), and one that is over does not come back: starts that ask by turns, with one id and one key,
 * are of two nodes.  No I/O.
 */
#define STARTS_KEPT_MS UINT64_C(90000) /* since one has asked; longer than leafd waits to dial */

struct starts;

struct starts *starts_new(void);
void starts_free(struct starts *s); /* NULL is ignored */
/* A start of that node asks, which may be linked otherwise: 1 when another one is there as well. */
int starts_ask(struct starts *s, const uint8_t id[NODE_ID_LEN], const char *boot, uint64_t now_ms);

#endif
