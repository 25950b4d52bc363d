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
/* Runs it to its end; *output (caller frees) is what it said.  Its exit status, -1: none. */
int tool_run(char *const argv[], char **output);

#endif
