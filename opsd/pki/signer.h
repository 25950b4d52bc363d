#ifndef HL_SIGNER_H
#define HL_SIGNER_H

#include <stddef.h>

#include "common/tls/pem.h"

/*
 * Texts that a node signs with the key of its certificate, and everybody checks.  Public keys
 * (SubjectPublicKeyInfo) and signatures are base64.  No I/O.
 */
struct signer;

#define SIGNER_KEY_MAX       1400 /* characters of a public key, which RSA with 8192 bits has */
#define SIGNER_SIGNATURE_MAX 1400

struct signer *signer_new(const char *key);      /* a private key (PEM); NULL: it is none */
void signer_free(struct signer *s);              /* NULL is ignored */
const char *signer_key(const struct signer *s);  /* its public key */
const char *signer_spki(const struct signer *s); /* the hash of that (PEM_HASH) */
char *signer_sign(const struct signer *s, const char *text); /* caller frees; NULL: it failed */

/* The hash of a public key; -1: it is none. */
int signer_hash(const char *key, char out[PEM_HASH]);
/* Whether the signature is that key's, of just that text. */
int signer_check(const char *key, const char *signature, const char *text);

#endif
