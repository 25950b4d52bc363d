#ifndef HL_PEM_H
#define HL_PEM_H

#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Keys, requests and certificates as texts (PEM), and what is read off them: for what works with
 * OpenSSL's own, and hands texts to everybody else.  Texts are the caller's, those of keys to be
 * given back with mem_wipe.
 */
#define PEM_HASH 65 /* hexadecimal digits of a SHA-256, and NUL */

char *pem_from_key(EVP_PKEY *key);
char *pem_from_request(X509_REQ *request);
char *pem_from_cert(X509 *cert);
char *pem_from_certs(const STACK_OF(X509) * list); /* NULL also when there are none */
/*
 * Out of a BIO, which they free and which may be NULL: the first key; and the certificates, up to
 * what is broken, at most `most`.  OpenSSL's errors are left for tls_error; pem_read_ended clears
 * them, and says whether nothing was broken where fewer than `most` were read.
 */
EVP_PKEY *pem_read_key(BIO *in);
STACK_OF(X509) * pem_read_certs(BIO *in, int most);
int pem_read_ended(void);
BIO *pem_open(const char *path); /* a file, for these; NULL with errno */

/* The first of its kind in the text; NULL: there is none, or the key wants a password. */
EVP_PKEY *pem_key(const char *text);
X509_REQ *pem_request(const char *text);
X509 *pem_cert(const char *text);
/* All certificates in the text (may be NULL), at most `most`; NULL: it has more, or a broken one. */
STACK_OF(X509) * pem_certs(const char *text, int most);

/* SHA-256 of a public key (SubjectPublicKeyInfo) in hex: what a node or authority is known by. */
int pem_spki(const EVP_PKEY *key, char out[PEM_HASH]);
int pem_is_p256(const EVP_PKEY *key);
/* Seconds since 1970; -1: it is no time. */
int64_t pem_time(const ASN1_TIME *t);

#endif
