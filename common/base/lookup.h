#ifndef HL_LOOKUP_H
#define HL_LOOKUP_H

#include <stdint.h>

struct addrinfo;

/*
 * A host name's addresses, as getaddrinfo() has them with these flags, but given up at `until`
 * (mono_us); the look-up then goes on behind our back.  NULL: none, or not in time.  The caller
 * frees with freeaddrinfo().
 */
struct addrinfo *lookup_host(const char *name, int flags, uint64_t until);

#endif
