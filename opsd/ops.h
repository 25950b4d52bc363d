#ifndef HL_OPS_H
#define HL_OPS_H

struct ops;
struct svc;

/* The daemon: its rooms are made from the ground up, and ended the other way round. */
struct ops *ops_start(struct svc *svc); /* exits with what is wrong */
void ops_stop(struct ops *o);

#endif
