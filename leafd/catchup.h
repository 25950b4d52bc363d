#ifndef HL_LEAFD_CATCHUP_H
#define HL_LEAFD_CATCHUP_H

/*
 * Questions for rows and log entries, binary, between two nodes' opsds: ours
 * to a peer, and peers' to us.  leafd carries both and looks into neither.
 */
struct catchup_carrier;
struct jsapi;
struct chan;
struct msg;

struct catchup_carrier *catchup_new(struct chan *opsd);
void catchup_free(struct catchup_carrier *p); /* after chan_free */

/* While both the leaf server and opsd are there; each does nothing when done already. */
void catchup_start(struct catchup_carrier *p, struct jsapi *a, const char *node);
void catchup_stop(struct catchup_carrier *p);

/* CATCHUP; -1: not in its form.  Answered 504 at once while stopped. */
int catchup_ask(struct catchup_carrier *p, struct msg *m);

#endif
