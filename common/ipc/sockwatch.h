#ifndef HL_SOCKWATCH_H
#define HL_SOCKWATCH_H

#include <sys/types.h>

/*
 * A socket's name that somebody may remove: it is looked for every second.  Where there is
 * nothing any more another socket is bound, and `bound` takes it, to listen on in place of the
 * one that nobody can reach.
 */
struct event_base;
struct sockwatch;

struct sockwatch *sockwatch_new(struct event_base *base, const char *path, mode_t mode,
    void (*bound)(int fd, void *arg), void *arg);
void sockwatch_free(struct sockwatch *w); /* NULL is fine */

#endif
