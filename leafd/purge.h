#ifndef HL_PURGE_H
#define HL_PURGE_H

/*
 * Messages of a table that opsd's log has no more leave the stream as well, so that
 * their disk is free.  A message that holds an entry which stays, stays.
 */
struct purge;
struct asker;
struct chan;
struct msg;

struct purge *purge_new(struct chan *opsd);
void purge_free(struct purge *p);	/* after chan_free */

/* While both the leaf server and opsd are there; each does nothing when done already. */
void purge_start(struct purge *p, struct asker *a, const char *node);
void purge_stop(struct purge *p);	/* what opsd still asks is answered with 503 */

/* STREAM_PURGE; -1: not in its form. */
int purge_ask(struct purge *p, struct msg *m);

#endif
