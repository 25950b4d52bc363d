#include "config.h"

#include "common/tls/tlslink.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/address.h"
#include "common/base/mem.h"
#include "common/tls/pem.h"
#include "common/tls/tls.h"

#define CERTS_MAX 1001 /* ours, and what leads to its authority */
#define FLUSH_MAX (256 << 10)

struct tlslink {
	SSL_CTX *ctx;
};

static int
use_certificate(SSL_CTX *ctx, const char *pem)
{
	STACK_OF(X509) *list = pem_read_certs(BIO_new_mem_buf(pem, -1), CERTS_MAX);
	int ok = sk_X509_num(list) > 0 && SSL_CTX_use_certificate(ctx, sk_X509_value(list, 0)) == 1;

	for (int i = 1; ok && i < sk_X509_num(list); i++)
		ok = SSL_CTX_add1_chain_cert(ctx, sk_X509_value(list, i)) == 1;
	sk_X509_pop_free(list, X509_free);
	return (ok ? 0 : -1);
}

static int
use_key(SSL_CTX *ctx, const char *pem)
{
	EVP_PKEY *key = pem_read_key(BIO_new_mem_buf(pem, -1));
	int ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
	    SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(key);
	return (ok ? 0 : -1);
}

/* How many there are; one that is broken ends them. */
static int
trust_authorities(SSL_CTX *ctx, const char *pem)
{
	STACK_OF(X509) *list = pem_read_certs(BIO_new_mem_buf(pem, -1), CERTS_MAX);
	int n = sk_X509_num(list);

	for (int i = 0; i < n; i++)
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), sk_X509_value(list, i));
	sk_X509_pop_free(list, X509_free);
	ERR_clear_error();
	return (n);
}

/* What is listed is trusted as it stands, an authority between two others as well. */
static void
set_rules(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	/* No partial writes: a bufferevent takes one for all of it. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
}

static int
tlslink_setup(SSL_CTX *ctx, const struct tlslink_opts *o, char **err)
{
	int has = o->authorities != NULL && o->authorities[0] != '\0';

	set_rules(ctx);
	if (SSL_CTX_set_cipher_list(ctx, TLS_SUITES) != 1)
		*err = tls_error("the cipher suites");
	else if (use_certificate(ctx, o->certificate) == -1)
		*err = tls_error("the certificate");
	else if (use_key(ctx, o->key) == -1)
		*err = tls_error("the private key");
	else if (has && trust_authorities(ctx, o->authorities) <= 0)
		*err = xstrdup("the authorities: there is no certificate among them");
	else if (o->system_roots && SSL_CTX_set_default_verify_paths(ctx) != 1)
		*err = tls_error("the system's authorities");
	else
		return (0);
	return (-1);
}

struct tlslink *
tlslink_new(const struct tlslink_opts *o, char **err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	struct tlslink *t = NULL;

	if (ctx == NULL)
		*err = tls_error("TLS");
	else if (tlslink_setup(ctx, o, err) == 0) {
		t = xcalloc(1, sizeof(*t));
		t->ctx = ctx;
	} else
		SSL_CTX_free(ctx);
	ERR_clear_error();
	return (t);
}

void
tlslink_free(struct tlslink *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

struct ssl_st *
tlslink_accept(struct tlslink *t)
{
	return (SSL_new(t->ctx));
}

struct ssl_st *
tlslink_connect(struct tlslink *t, const char *name)
{
	SSL *ssl = SSL_new(t->ctx);

	if (ssl != NULL && SSL_set1_host(ssl, name) == 1 &&
	    (address_ok(name) || SSL_set_tlsext_host_name(ssl, name) == 1))
		return (ssl);
	SSL_free(ssl);
	return (NULL);
}

/* A write that has to be tried again is of the first piece, and of no more than bev takes of it. */
static void
flush_ssl(SSL *ssl, struct evbuffer *out)
{
	size_t left = FLUSH_MAX, n;
	struct evbuffer_iovec piece;

	ERR_clear_error();
	while (left > 0 && evbuffer_peek(out, -1, NULL, &piece, 1) > 0) {
		n = piece.iov_len < left ? piece.iov_len : left;
		if (SSL_write(ssl, piece.iov_base, (int)n) <= 0)
			break;
		evbuffer_drain(out, n);
		left -= n;
	}
	ERR_clear_error();
}

void
tlslink_flush(struct bufferevent *bev, struct evbuffer *out)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	if (ssl == NULL)
		evbuffer_write_atmost(out, bufferevent_getfd(bev), FLUSH_MAX);
	else if (SSL_is_init_finished(ssl))
		flush_ssl(ssl, out);
}

void
tlslink_write(struct bufferevent *bev, const void *p, size_t n)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	if (n == 0)
		return;
	if (ssl == NULL)
		(void)send(bufferevent_getfd(bev), p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (SSL_write(ssl, p, (int)n) > 0)
		SSL_shutdown(ssl);
	ERR_clear_error();
}

/* What an operator can do, where OpenSSL's words do not say it. */
static const char *
verify_hint(long verified)
{
	switch (verified) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return (" (it is for another name: a node is dialled by its replication.hostname)");
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return (" (no authority that this node trusts has signed it)");
	default:
		return ("");
	}
}

/* What an alert of the other end means, to whoever sees to this node's certificate; NULL: nothing that he can mend. */
static const char *
alert_hint(int reason)
{
	switch (reason) {
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
		return ("no authority that the other node trusts has signed it");
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
		return ("it has expired, or a clock is wrong");
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
		return ("it is revoked");
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
		return ("it must be for servers and clients, serverAuth and clientAuth");
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
		return (
		    "it is for another name than this node is dialled by, or not good yet, or damaged");
	default:
		return (NULL);
	}
}

static char *
alert_fault(int reason, const char *why)
{
	const char *hint = alert_hint(reason);

	if (hint != NULL)
		return (xasprintf("the other node refuses this node's certificate: %s (%s)", hint,
		    why));
	return (xasprintf("the other node refuses: %s", why));
}

static char *
ssl_fault(SSL *ssl, unsigned long code)
{
	int cut = ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
	const char *why = code != 0 && !cut ? ERR_reason_error_string(code) : NULL;
	long verified = SSL_get_verify_result(ssl);

	if (verified != X509_V_OK)
		return (xasprintf("the other node's certificate: %s%s",
		    X509_verify_cert_error_string(verified), verify_hint(verified)));
	if (why != NULL && strstr(why, "alert") != NULL)
		return (alert_fault(ERR_GET_REASON(code), why));
	return (why != NULL ? xasprintf("TLS: %s", why) : NULL);
}

char *
tlslink_fault(struct bufferevent *bev, int err)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	char *why = ssl != NULL ? ssl_fault(ssl, bufferevent_get_openssl_error(bev)) : NULL;

	ERR_clear_error();
	if (why != NULL)
		return (why);
	/* It matters to nobody whether something was under way to it. */
	if (err == 0 || err == EPIPE || err == ECONNRESET)
		return (xstrdup(TLSLINK_CLOSED));
	return (xstrdup(strerror(err)));
}
