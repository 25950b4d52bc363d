#ifndef HL_PULL_H
#define HL_PULL_H

/*
 * Questions for rows and log entries, binary, between two nodes' opsds: ours
 * to a peer, and peers' to us.  leafd carries both and looks into neither.
 */
struct pull_carrier;
struct jsapi;
struct chan;
struct msg;

struct pull_carrier *pull_new(struct chan *opsd);
void pull_free(struct pull_carrier *p); /* after chan_free */

/* While both the leaf server and opsd are there; each does nothing when done already. */
void pull_start(struct pull_carrier *p, struct jsapi *a, const char *node);
void pull_stop(struct pull_carrier *p);

/* PULL; -1: not in its form.  Answered 504 at once while stopped. */
int pull_ask(struct pull_carrier *p, struct msg *m);

#endif
