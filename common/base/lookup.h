#ifndef HL_LOOKUP_H
#define HL_LOOKUP_H

#include <stdint.h>

struct addrinfo;
struct lookup;

/*
 * A host's addresses, as getaddrinfo() has them with these flags.  A name is asked for by a thread of
 * its own: what is given up goes on behind our back.  Lists are the caller's, who frees them with
 * freeaddrinfo().
 */

/* NULL: no descriptor is free. */
struct lookup *lookup_new(const char *name, unsigned port, int flags);
int lookup_fd(const struct lookup *l); /* can be read from once it is done */
/* What came of it, once; NULL with *why, which is not freed, also before it is done. */
struct addrinfo *lookup_take(struct lookup *l, const char **why);
void lookup_free(struct lookup *l); /* at any time; NULL does nothing */

/* All of that, waiting until it is done, or until `until` (mono_us).  NULL: none, or not in time. */
struct addrinfo *lookup_host(const char *name, int flags, uint64_t until);

#endif
