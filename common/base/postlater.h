#ifndef HL_POSTLATER_H
#define HL_POSTLATER_H

#include <stddef.h>

struct event_base;
struct post;
struct postlater;

/*
 * As post.h, for what nobody waits for: what several have is carried to the loop's thread at once,
 * after some milliseconds, or when its weights sum up to so much.  So a loop does not wake up for each.
 */
struct postlater *postlater_new(struct event_base *base, struct post *post, unsigned ms,
    size_t most);
/* Runs what waits; nobody may post any more.  NULL is ignored. */
void postlater_free(struct postlater *p);
/* On the loop's thread: one more will be posted. */
void postlater_expect(struct postlater *p);
/* Any thread, once for each that is expected. */
void postlater(struct postlater *p, void (*fn)(void *arg), void *arg, size_t weight);

#endif
