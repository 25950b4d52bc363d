#ifndef HL_TLSLINK_H
#define HL_TLSLINK_H

#include <stddef.h>

/*
 * TLS between two nodes, each of which verifies the other: TLS 1.2 or later, certificates for the role
 * that their owner has in it, no sessions that are taken up again.
 */
struct bufferevent;
struct evbuffer;
struct ssl_st;
struct tlslink;

struct tlslink_opts {
	const char *certificate; /* these in PEM: ours, then those between it and its authority */
	const char *key;
	const char *authorities; /* may be NULL, or "" */
	int system_roots;        /* the system's authorities as well */
};

/* NULL with *err, which shows nothing of a key. */
struct tlslink *tlslink_new(const struct tlslink_opts *o, char **err);
void tlslink_free(struct tlslink *t); /* sessions of it go on */

/* For a bufferevent, which frees it; NULL: no memory. */
struct ssl_st *tlslink_accept(struct tlslink *t);
/* Whoever answers has to be `name`, a host or an address. */
struct ssl_st *tlslink_connect(struct tlslink *t, const char *name);

/*
 * What can be written of `out` at once, plain or TLS; the rest goes on by bev, which has nothing queued
 * itself.
 */
void tlslink_flush(struct bufferevent *bev, struct evbuffer *out);

/* Past what is queued, once, plain or TLS: for a last word. */
void tlslink_write(struct bufferevent *bev, const void *p, size_t n);

/* The other end went away without a word. */
#define TLSLINK_CLOSED "the other node closed the connection"

/* Why a connection has ended, plain or TLS, `err` being errno or 0; the caller frees. */
char *tlslink_fault(struct bufferevent *bev, int err);

#endif
