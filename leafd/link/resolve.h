#ifndef HL_RESOLVE_H
#define HL_RESOLVE_H

/*
 * The addresses of a host, as the system knows them, without holding up the loop: a name is asked for by a
 * thread of its own, which nobody waits for in the end.
 */
struct addrinfo;
struct event_base;
struct resolve;

/* cb runs once, later: with addresses, which it frees (freeaddrinfo), or with NULL and why not. */
struct resolve *resolve_new(struct event_base *base, const char *host, unsigned port,
    void (*cb)(struct addrinfo *list, const char *why, void *arg), void *arg);
void resolve_free(struct resolve *r); /* before cb ran: it does not; not after */

#endif
