#ifndef HL_CLIENTS_H
#define HL_CLIENTS_H

#include <stdint.h>

/* Clients at work (work.h): on every machine, as long as the trouble lasts, or for a while. */
struct machine;

void clients_begin(void);
void clients_go_on(uint64_t
	us); /* so much longer from now, at moments of their own (below) alone */
/* One of them writes now into the table, of all moments, if it may; whether it did. */
int clients_write(struct machine *m, int t);

#endif
