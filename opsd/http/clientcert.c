#include "config.h"

#include "opsd/http/clientcert.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "opsd/http/http_priv.h"
#include "opsd/http/httptls.h"
#include "opsd/pki/pki.h"
#include "opsd/pki/usercert.h"

#define LOOK_AGAIN_US 60000000 /* certificates end while connections go on */

struct clientcert {
	struct httptls *by; /* the rules that it was looked at by */
	uint64_t changes;   /* of what is revoked, by then */
	uint64_t at_us;
	int given;
	struct usercert cert; /* when it is given */
};

void
clientcert_free(struct clientcert *cc)
{
	if (cc == NULL)
		return;
	httptls_unref(cc->by);
	usercert_clear(&cc->cert);
	free(cc);
}

/* Its own, then what came with it; NULL: there is none. */
static STACK_OF(X509) * shown_certs(SSL *ssl)
{
	X509 *own = SSL_get0_peer_certificate(ssl);
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl), *all;

	if (own == NULL || (all = sk_X509_new_null()) == NULL)
		return (NULL);
	sk_X509_push(all, own);
	for (int i = 0; i < sk_X509_num(chain); i++)
		sk_X509_push(all, sk_X509_value(chain, i));
	return (all);
}

static void
look_at_cert(struct clientcert *cc, SSL *ssl, struct pki *pki)
{
	STACK_OF(X509) *certs = shown_certs(ssl);

	cc->given = certs != NULL;
	if (cc->given)
		usercert_read(&cc->cert, pki, certs, SSL_CTX_get_cert_store(cc->by->ctx),
		    (int64_t)(wall_ms() / 1000));
	sk_X509_free(certs);
}

static int
is_fresh(const struct clientcert *cc, const struct httptls *now, const struct pki *pki)
{
	return (cc != NULL && cc->by == now && cc->changes == pki_changes(pki) &&
	    mono_us() - cc->at_us < LOOK_AGAIN_US);
}

/* Takes `by`. */
static struct clientcert *
looked_at(struct conn *c, struct httptls *by)
{
	struct http *h = c->thread->http;

	if (is_fresh(c->cert, by, h->pki)) {
		httptls_unref(by);
		return (c->cert);
	}
	clientcert_free(c->cert);
	c->cert = xcalloc(1, sizeof(*c->cert));
	c->cert->by = by;
	c->cert->changes = pki_changes(h->pki);
	c->cert->at_us = mono_us();
	look_at_cert(c->cert, bufferevent_openssl_get_ssl(c->bev), h->pki);
	return (c->cert);
}

static enum clientcert_says
say_user(const struct clientcert *cc, const char **text)
{
	*text = cc->by->user != NULL ? cc->by->user : cc->cert.name;
	if (*text != NULL)
		return (CLIENTCERT_USER);
	*text = "the certificate names no user: it must have one common name";
	return (CLIENTCERT_FAULT);
}

void
clientcert_failed(const struct conn *c)
{
	static _Thread_local struct log_brake brake = { .most = 10 };
	SSL *ssl = c->way == WAY_TLS ? bufferevent_openssl_get_ssl(c->bev) : NULL;
	long why = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
	unsigned long code = bufferevent_get_openssl_error(c->bev);

	if (ssl == NULL || SSL_is_init_finished(ssl))
		return;
	if (ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		log_braked(&brake, LOG_WARN,
		    "operations API: %s has shown no certificate, which is required", c->from);
	else if (why != X509_V_OK)
		log_braked(&brake, LOG_WARN, "operations API: the certificate of %s: %s", c->from,
		    X509_verify_cert_error_string(why));
}

enum clientcert_says
clientcert_ask(struct conn *c, const char **text)
{
	struct httptls *by = c->way == WAY_TLS ? http_tls(c->thread->http) : NULL;
	const struct clientcert *cc;

	if (by == NULL || !by->asks) {
		httptls_unref(by);
		return (CLIENTCERT_NOTHING);
	}
	cc = looked_at(c, by);
	*text = cc->given ? cc->cert.fault : "a certificate of the client is required";
	if (cc->by->required && *text != NULL)
		return (CLIENTCERT_REFUSED);
	if (!cc->given || !cc->by->maps)
		return (CLIENTCERT_NOTHING);
	return (cc->cert.fault != NULL ? CLIENTCERT_FAULT : say_user(cc, text));
}
