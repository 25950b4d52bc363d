#ifndef HL_DIAL_H
#define HL_DIAL_H

#include <stdint.h>

/*
 * One attempt to connect: the host's addresses in turn, or the proxy's, which is then asked for the host
 * (CONNECT).
 */
struct dial;
struct event_base;

struct dial_opts {
	const char *host; /* these are used at once */
	uint16_t port;
	const char *proxy_host; /* NULL: none */
	uint16_t proxy_port;
	unsigned timeout_ms; /* for each address */
};

/*
 * cb runs once, later: with a connected socket, which it takes, and the address that it leads to; or
 * with -1 and why not.
 */
struct dial *dial_new(struct event_base *base, const struct dial_opts *o,
    void (*cb)(int fd, const char *address, const char *why, void *arg), void *arg);
void dial_free(struct dial *d); /* before cb ran: it does not; not after */

#endif
