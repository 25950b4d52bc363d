#ifndef HL_CURSORMODEL_H
#define HL_CURSORMODEL_H

#include <stdint.h>

/*
 * For tests: a cursor, and a peer with a log that grows, is trimmed, is put back from an older copy;
 * between them a network that loses, doubles and reorders frames and answers.  What happens next is
 * chosen by who runs it: a sequence of numbers at random, or bytes.
 */
struct cursormodel;

struct cursormodel *cursormodel_new(uint32_t (*choose)(void *arg, uint32_t n), void *arg);
void cursormodel_free(struct cursormodel *m);
/* Something happens. */
void cursormodel_step(struct cursormodel *m);
/* Troubles end: it comes to rest. */
void cursormodel_rest(struct cursormodel *m);
/* What ought never to be; NULL: all is well. */
const char *cursormodel_fault(const struct cursormodel *m);
/* What the machine went through, one line for each: for a person. */
void cursormodel_trace(int on);

#endif
