#ifndef HL_LOOP_H
#define HL_LOOP_H

struct machine;

/*
 * An opsd's event loop in virtual time: what is posted to it runs in order, a little later;
 * timers are events of the world.
 */
struct loop {
	struct posted *head, **tail;
	int turning;
	struct timer *timers;
};

void loop_init(struct loop *l);
void loop_drain(struct machine *m); /* what is posted runs now */

#endif
