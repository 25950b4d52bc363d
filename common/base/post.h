#ifndef HL_POST_H
#define HL_POST_H

struct event_base;

/*
 * Work handed to the thread of an event loop from any other thread, run in
 * order.  post_free runs nothing that still waits; what it drops is the
 * poster's to know.
 */
struct post;

struct post *post_new(struct event_base *base);
void post_free(struct post *p);
void post(struct post *p, void (*fn)(void *arg), void *arg);

#endif
