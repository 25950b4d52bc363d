#include "config.h"

#include "common/tls/tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "common/base/mem.h"

char *
tls_error(const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return (xasprintf("%s: %s", what, why != NULL ? why : "failed"));
}

struct ssl_ctx_st *
tls_server(const char *cert, const char *key, const char *ca, char **err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL) {
		*err = tls_error("TLS");
		return (NULL);
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_set_cipher_list(ctx, TLS_SUITES) != 1)
		*err = tls_error("the cipher suites");
	else if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		*err = tls_error(cert);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		*err = tls_error(key);
	else if (SSL_CTX_check_private_key(ctx) != 1)
		*err = tls_error("certificate and private key");
	else if (ca != NULL && SSL_CTX_load_verify_file(ctx, ca) != 1)
		*err = tls_error(ca);
	else
		return (ctx);
	SSL_CTX_free(ctx);
	return (NULL);
}

/* What is wrong with it is said in an answer, which is more than an alert can say. */
static int
take_any_cb(int ok, X509_STORE_CTX *store)
{
	return (1);
}

int
tls_ask_clients(struct ssl_ctx_st *ctx, const char *ca, int required, char **err)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca);

	if (names == NULL) {
		*err = tls_error(ca);
		return (-1);
	}
	SSL_CTX_set_client_CA_list(ctx, names);
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
	if (required)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	else
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, take_any_cb);
	/* A session that is taken up again would bring a certificate that nobody looked at. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return (0);
}

void
tls_free(struct ssl_ctx_st *ctx)
{
	SSL_CTX_free(ctx);
}

struct ssl_st *
tls_session(struct ssl_ctx_st *ctx)
{
	return (SSL_new(ctx));
}

static int
dial_setup(SSL_CTX *ctx, SSL *ssl, int fd, const char *host, int verify)
{
	if (SSL_set_fd(ssl, fd) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1)
		return (-1);
	if (!verify)
		return (0);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (SSL_set1_host(ssl, host) != 1)
		return (-1);
	return (SSL_CTX_set_default_verify_paths(ctx) == 1 ? 0 : -1);
}

struct ssl_st *
tls_dial(int fd, const char *host, int verify, char **err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx != NULL ? SSL_new(ctx) : NULL;

	if (ssl != NULL && dial_setup(ctx, ssl, fd, host, verify) == 0 && SSL_connect(ssl) == 1) {
		SSL_CTX_free(ctx);
		return (ssl);
	}
	*err = tls_error(host);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return (NULL);
}

int
tls_write(struct ssl_st *ssl, const void *p, size_t n)
{
	size_t done;

	return (n == 0 || SSL_write_ex(ssl, p, n, &done) == 1 ? 0 : -1);
}

int
tls_read(struct ssl_st *ssl, void *p, size_t n)
{
	int got = SSL_read(ssl, p, n > INT_MAX ? INT_MAX : (int)n);

	if (got > 0)
		return (got);
	return (SSL_get_error(ssl, got) == SSL_ERROR_ZERO_RETURN ? 0 : -1);
}

void
tls_hang_up(struct ssl_st *ssl)
{
	if (ssl != NULL)
		SSL_shutdown(ssl);
	SSL_free(ssl);
}
