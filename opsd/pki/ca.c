#include "config.h"

#include "opsd/pki/ca.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "common/tls/pem.h"
#include "common/tls/tls.h"
#include "opsd/pki/csr.h"

#define CA_DAYS     3650
#define SERIAL_LEN  16
#define NAME_DIGITS 16 /* of the key's hash */

/* ---- what every certificate has ---- */

static int
add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return (ok);
}

static int
draw_serial(X509 *cert)
{
	uint8_t serial[SERIAL_LEN];
	BIGNUM *bn;
	int ok;

	crypto_random(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, of full length */
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
	BN_free(bn);
	return (ok);
}

/* Of that key, until then, without names; from a little ago, at most as long ago as it is good. */
static X509 *
blank_cert(EVP_PKEY *key, time_t until)
{
	X509 *cert = X509_new();
	time_t now = time(NULL), early = until - now < CA_CLOCKS ? until - now : CA_CLOCKS;
	time_t from = now - early;

	if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && draw_serial(cert) &&
	    X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &from) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(cert), 0, 0, &until) != NULL &&
	    X509_set_pubkey(cert, key) == 1)
		return (cert);
	X509_free(cert);
	return (NULL);
}

static int
name_subject(X509 *cert, const char *cn)
{
	return (X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
		    (const unsigned char *)cn, -1, -1, 0) == 1);
}

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
	X509 *cert = blank_cert(key, time(NULL) + (time_t)CA_DAYS * 86400);
	char hash[PEM_HASH], *cn = NULL;

	if (cert != NULL && pem_spki(key, hash) == 0)
		cn = xasprintf("hubleaf authority %.*s", NAME_DIGITS, hash);
	if (cn != NULL && name_subject(cert, cn) &&
	    X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
	    add_ext(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	    add_ext(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	    add_ext(cert, cert, NID_subject_key_identifier, "hash") &&
	    X509_sign(cert, key, EVP_sha256()) != 0) {
		free(cn);
		return (cert);
	}
	free(cn);
	X509_free(cert);
	return (NULL);
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

static int
copy_names(X509 *cert, const struct csr *c)
{
	STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(c->request);
	int at = X509v3_get_ext_by_NID(exts, NID_subject_alt_name, -1);
	int ok = at >= 0 && X509_add_ext(cert, X509v3_get_ext(exts, at), -1) == 1;

	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	return (ok);
}

/* No certificate outlives the one that it leads to. */
static time_t
end_of(X509 *ca, int64_t seconds)
{
	int64_t until = (int64_t)time(NULL) + seconds, last = pem_time(X509_get0_notAfter(ca));

	return ((time_t)(last != -1 && last < until ? last : until));
}

static X509 *
build_signed(EVP_PKEY *key, X509 *ca, const struct csr *c, int64_t seconds)
{
	X509 *cert = blank_cert(X509_REQ_get0_pubkey(c->request), end_of(ca, seconds));

	if (cert != NULL && name_subject(cert, csr_common_name(c->hostname)) &&
	    X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
	    add_ext(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_ext(cert, ca, NID_key_usage, "critical,digitalSignature") &&
	    add_ext(cert, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
	    add_ext(cert, ca, NID_subject_key_identifier, "hash") &&
	    add_ext(cert, ca, NID_authority_key_identifier, "keyid") && copy_names(cert, c) &&
	    X509_sign(cert, key, EVP_sha256()) != 0)
		return (cert);
	X509_free(cert);
	return (NULL);
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
