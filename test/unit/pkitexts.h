#ifndef HL_PKITEXTS_H
#define HL_PKITEXTS_H

/* For tests: requests and certificates that our own code would not make. */

#include <openssl/x509v3.h>

#include "common/base/mem.h"
#include "common/tls/pem.h"

static inline X509_EXTENSION *
texts_extension(int nid, const char *value)
{
	return (X509V3_EXT_conf_nid(NULL, NULL, nid, value));
}

/* A request of that key with those names ("DNS:a,URI:b"; NULL: none) and another extension or none. */
static inline char *
texts_request(EVP_PKEY *key, const char *names, int more, const char *value)
{
	X509_REQ *r = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	char *text;

	X509_REQ_set_pubkey(r, key);
	if (names != NULL)
		sk_X509_EXTENSION_push(exts, texts_extension(NID_subject_alt_name, names));
	if (value != NULL)
		sk_X509_EXTENSION_push(exts, texts_extension(more, value));
	X509_REQ_add_extensions(r, exts);
	X509_REQ_sign(r, key, EVP_sha256());
	text = pem_from_request(r);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	X509_REQ_free(r);
	return (text);
}

/* A certificate of its own key, signed by it, a day old and good for a day. */
static inline char *
texts_cert(const char *cn, const char *names, const char *uses)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	char *text;

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 171);
	X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
	    (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	if (names != NULL) {
		X509_EXTENSION *ext = texts_extension(NID_subject_alt_name, names);

		X509_add_ext(cert, ext, -1);
		X509_EXTENSION_free(ext);
	}
	if (uses != NULL) {
		X509_EXTENSION *ext = texts_extension(NID_ext_key_usage, uses);

		X509_add_ext(cert, ext, -1);
		X509_EXTENSION_free(ext);
	}
	X509_sign(cert, key, EVP_sha256());
	text = pem_from_cert(cert);
	X509_free(cert);
	EVP_PKEY_free(key);
	return (text);
}

#endif
