#ifndef HL_HEALTH_H
#define HL_HEALTH_H

struct watch;

/* NULL when the node takes writes, else why it would refuse them; quick, any thread. */
const char *health_write_fault(struct watch *w);
/*
 * NULL, or what GET /health says with its 503: that writes would be refused, or that
 * set_status took the node out of service, which is for load balancers alone.
 */
const char *health_fault(struct watch *w);
/* Looks what set_status says; at the start and after each change. */
void health_load(struct watch *w);

#endif
