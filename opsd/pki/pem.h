#ifndef HL_PEM_H
#define HL_PEM_H

#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Keys, requests and certificates as texts (PEM), and what is read off them: for the files of
 * this room, which hand texts to everybody else.  No I/O.  Texts are the caller's, those of
 * keys to be given back with mem_wipe.
 */
#define PEM_HASH 65 /* hexadecimal digits of a SHA-256, and NUL */

char *pem_from_key(EVP_PKEY *key);
char *pem_from_request(X509_REQ *request);
char *pem_from_cert(X509 *cert);
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
