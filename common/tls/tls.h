#ifndef HL_TLS_H
#define HL_TLS_H

#include <stddef.h>

/* Connections over TLS: the API's server, and the command line as its client. */
struct ssl_ctx_st;
struct ssl_st;

/* Of TLS 1.2; those of 1.3 are no others.  No CBC, no key that is not fresh. */
#define TLS_SUITES "ECDHE+AESGCM:ECDHE+CHACHA20"

/* `ca` (may be NULL) has what is sent along with a certificate that comes without its chain.
 * NULL with *err. */
struct ssl_ctx_st *tls_server(const char *cert, const char *key, const char *ca, char **err);
/*
 * Clients are asked for certificates that the authorities of that file lead to, and may show any or
 * none; required: only such ones get in.  -1 with *err.
 */
int tls_ask_clients(struct ssl_ctx_st *ctx, const char *ca, int required, char **err);
void tls_free(struct ssl_ctx_st *ctx);
/* for libevent, which frees it; NULL: failure */
struct ssl_st *tls_session(struct ssl_ctx_st *ctx);

/*
 * TLS as a client over a connected, blocking socket, which stays the caller's.
 * verify: by the system's authorities and the host's name.  NULL with *err.
 */
struct ssl_st *tls_dial(int fd, const char *host, int verify, char **err);
int tls_write(struct ssl_st *ssl, const void *p, size_t n); /* all of it: 0, or -1 */
int tls_read(struct ssl_st *ssl, void *p, size_t n);        /* bytes, 0 at the end, -1 */
void tls_hang_up(struct ssl_st *ssl);

/* What OpenSSL says went wrong last, after `what`; caller frees. */
char *tls_error(const char *what);

#endif
