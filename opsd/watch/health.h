#ifndef HL_HEALTH_H
#define HL_HEALTH_H

struct ops;

/* NULL when the node takes writes, else why it would refuse them; quick, any thread. */
const char *ops_unhealthy(struct ops *ops);

#endif
