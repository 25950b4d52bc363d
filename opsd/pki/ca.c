#include "config.h"

#include "opsd/pki/ca.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/tls/authority.h"
#include "common/tls/certmake.h"
#include "common/tls/pem.h"
#include "common/tls/tls.h"
#include "opsd/pki/csr.h"

#define CA_DAYS 3650

/* ---- the authority ---- */

char *
ca_make_key(char **err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char *text = key != NULL ? pem_from_key(key) : NULL;

	if (text == NULL)
		*err = tls_error("cannot make a key");
	EVP_PKEY_free(key);
	return (text);
}

static X509 *
build_authority(EVP_PKEY *key)
{
	static const struct certmake_ext exts[] = {
		{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
		{ NID_key_usage, "critical,keyCertSign,cRLSign" },
		{ NID_subject_key_identifier, "hash" },
		{ 0 },
	};
	char *name = authority_name(key);
	struct certmake m = {
		.key = key,
		.name = name,
		.until = (int64_t)time(NULL) + (int64_t)CA_DAYS * 86400,
		.exts = exts,
	};
	X509 *cert = name != NULL ? certmake_sign(&m) : NULL;

	free(name);
	return (cert);
}

char *
ca_make_cert(const char *key, char **err)
{
	EVP_PKEY *pair = pem_key(key);
	X509 *cert = pair != NULL ? build_authority(pair) : NULL;
	char *text = cert != NULL ? pem_from_cert(cert) : NULL;

	if (text == NULL)
		*err = pair == NULL ? xstrdup("there is no private key in it") :
				      tls_error("cannot make a certificate");
	X509_free(cert);
	EVP_PKEY_free(pair);
	return (text);
}

int
ca_check(const char *key, const char *cert, char **err)
{
	EVP_PKEY *pair = pem_key(key);
	X509 *x = pem_cert(cert);

	*err = NULL;
	if (pair == NULL)
		*err = xstrdup("there is no private key in it");
	else if (x == NULL)
		*err = xstrdup("there is no certificate in it");
	else if (X509_check_private_key(x, pair) != 1)
		*err = xstrdup("the key is not that of the certificate");
	else if (X509_check_ca(x) != 1)
		*err = xstrdup("the certificate is not one of an authority");
	ERR_clear_error();
	X509_free(x);
	EVP_PKEY_free(pair);
	return (*err == NULL ? 0 : -1);
}

char *
ca_read(const char *text, char hash[PEM_HASH])
{
	STACK_OF(X509) *list = pem_certs(text, 1);
	X509 *x = sk_X509_num(list) == 1 ? sk_X509_value(list, 0) : NULL;
	char *cert = NULL;

	if (x != NULL && X509_check_ca(x) == 1 && pem_spki(X509_get0_pubkey(x), hash) == 0)
		cert = pem_from_cert(x);
	ERR_clear_error();
	sk_X509_pop_free(list, X509_free);
	return (cert);
}

int
ca_has_signed(const char *ca, const char *cert)
{
	X509 *issuer = pem_cert(ca), *x = pem_cert(cert);
	int has = issuer != NULL && x != NULL && X509_verify(x, X509_get0_pubkey(issuer)) == 1;

	ERR_clear_error();
	X509_free(issuer);
	X509_free(x);
	return (has);
}

/* ---- signing ---- */

/* No certificate outlives the one that it leads to. */
static int64_t
end_of(X509 *ca, int64_t seconds)
{
	int64_t until = (int64_t)time(NULL) + seconds, last = pem_time(X509_get0_notAfter(ca));

	return (last != -1 && last < until ? last : until);
}

/* With the names as they were asked for. */
static X509 *
build_signed(EVP_PKEY *key, X509 *ca, const struct csr *c, int64_t seconds)
{
	static const struct certmake_ext exts[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, "serverAuth,clientAuth" },
		{ NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid" },
		{ 0 },
	};
	STACK_OF(X509_EXTENSION) *asked = X509_REQ_get_extensions(c->request);
	int at = X509v3_get_ext_by_NID(asked, NID_subject_alt_name, -1);
	struct certmake m = {
		.key = X509_REQ_get0_pubkey(c->request),
		.name = csr_common_name(c->hostname),
		.until = end_of(ca, seconds),
		.exts = exts,
		.names = at >= 0 ? X509v3_get_ext(asked, at) : NULL,
		.issuer = ca,
		.issuer_key = key,
	};
	X509 *cert = at >= 0 ? certmake_sign(&m) : NULL;

	sk_X509_EXTENSION_pop_free(asked, X509_EXTENSION_free);
	return (cert);
}

int
ca_sign(const char *key, const char *cert, const struct csr *c, int64_t seconds,
    struct ca_signed *out, char **err)
{
	EVP_PKEY *pair = pem_key(key);
	X509 *ca = pem_cert(cert);
	X509 *made = pair != NULL && ca != NULL ? build_signed(pair, ca, c, seconds) : NULL;

	memset(out, 0, sizeof(*out));
	if (made != NULL && serial_of(made, out->serial) == 0)
		out->certificate = pem_from_cert(made);
	if (out->certificate != NULL)
		out->until = pem_time(X509_get0_notAfter(made));
	else
		*err = tls_error("cannot sign the certificate");
	X509_free(made);
	X509_free(ca);
	EVP_PKEY_free(pair);
	return (out->certificate != NULL ? 0 : -1);
}

void
ca_signed_clear(struct ca_signed *s)
{
	free(s->certificate);
	memset(s, 0, sizeof(*s));
}
