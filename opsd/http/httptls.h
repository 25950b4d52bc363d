#ifndef HL_HTTPTLS_H
#define HL_HTTPTLS_H

#include <stdatomic.h>

/*
 * What connections over TLS begin with: the node's certificate, and what is asked of clients for
 * theirs.  Counted, and never changes: a reload makes another.
 */
struct conf;
struct ssl_ctx_st;

struct httptls {
	_Atomic int refs;
	struct ssl_ctx_st *ctx;
	int asks, required, maps; /* as in confmtls.h */
	char *user;
};

struct httptls *httptls_read(const struct conf *conf, char **err); /* NULL with *err */
struct httptls *httptls_ref(struct httptls *t);
void httptls_unref(struct httptls *t);

#endif
