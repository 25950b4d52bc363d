#ifndef HL_USOCK_H
#define HL_USOCK_H

#include <sys/types.h>

/* Stream sockets that have a name in the file system.  All set close-on-exec. */

#define USOCK_PATH_MAX 107 /* bytes of a path; a longer one: ENAMETOOLONG */

/* Bound, not yet listening, non-blocking; an old socket of that name goes first.  -1 with errno. */
int usock_bind(const char *path, mode_t mode);
/* Connected; flags: SOCK_NONBLOCK or 0.  -1 with errno. */
int usock_connect(const char *path, int flags);
/* Whether our own user or root is at the other end, as the kernel says; else a line in the log. */
int usock_trusted(int fd);

#endif
