#ifndef HL_MOVES_H
#define HL_MOVES_H

/*
 * Cursors only go forward, within an incarnation, and so do horizons: from one write to the next
 * and over restarts.
 */
struct machine;

void moves_check(struct machine *m);  /* after each write */
void moves_forget(struct machine *m); /* its disk is another one */

#endif
