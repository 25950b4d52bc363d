#ifndef HL_STREAM_PURGE_H
#define HL_STREAM_PURGE_H

/*
 * Messages of a table that opsd's log has no more leave the stream as well, so that
 * their disk is free.  A message that holds an entry which stays, stays.
 */
struct stream_purge;
struct jsapi;
struct chan;
struct msg;

struct stream_purge *stream_purge_new(struct chan *opsd);
void stream_purge_free(struct stream_purge *p); /* after chan_free */

/* While both the leaf server and opsd are there; each does nothing when done already. */
/* The node has so many streams. */
void stream_purge_start(struct stream_purge *p, struct jsapi *a, const char *node,
    unsigned streams);
void stream_purge_stop(struct stream_purge *p); /* what opsd still asks is answered with 503 */

/* STREAM_PURGE; -1: not in its form. */
int stream_purge_ask(struct stream_purge *p, struct msg *m);

#endif
