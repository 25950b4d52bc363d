#ifndef HL_TOOL_H
#define HL_TOOL_H

#include <sys/types.h>

/*
 * Other programs.  They have our environment, none of our descriptors, a process group of
 * their own, and end with us.
 */

/* Starts argv[0], a path; what it says on both outputs comes out of *out.  -1 with errno. */
pid_t tool_spawn(char *const argv[], int *out);
/* Waits so long for it to end, then kills it; its status as waitpid gives it. */
int tool_reap(pid_t pid, unsigned ms);
/*
 * Runs it to its end, which nothing waits for; after `ms` it is killed.  `done` runs once, from
 * the loop, with its exit status (-1: none) and what it said.  NULL with errno: not started.
 */
struct tool;
struct event_base;
struct tool *tool_begin(struct event_base *base, char *const argv[], unsigned ms,
    void (*done)(int status, const char *said, void *arg), void *arg);
void tool_cancel(struct tool *t); /* killed, `done` does not run; NULL does nothing */

#endif
