#ifndef HL_LEAF_H
#define HL_LEAF_H

/*
 * leafd: what flows.  Supervises the leaf nats-server, publishes this node's
 * log to its stream, consumes the peers' streams, and carries catch-up questions.  All that
 * it does follows opsd's SETTINGS and CONSUME; it keeps nothing on disk.
 */
struct leaf;
struct svc;

struct leaf *leaf_start(struct svc *svc);
void leaf_stop(struct leaf *l);

#endif
