#ifndef HL_FIBER_H
#define HL_FIBER_H

struct machine;

/*
 * A machine's threads, one at a time: what the code starts with pthread_create runs on a
 * stack of its own, and another goes on only where it waits for a condition, or pauses.
 * When it is woken, and so which goes first, is drawn.
 */
void fiber_go(struct machine *m, void *(*fn)(void *arg), void *arg);
/* Here a thread may lose the processor.  Nothing outside of one. */
void fiber_pause(void);
/* Go on with all of the machine's that can; whether there were any. */
int fiber_run_ready(struct machine *m);
int fiber_count(const struct machine *m); /* that have not ended */
void fiber_forget(struct machine *m);     /* all have ended */

#endif
